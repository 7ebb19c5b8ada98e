from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_person_notes")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="refreshed_at",
            field=models.DateTimeField(null=True, verbose_name="last refreshed"),
        ),
        migrations.AddField(
            model_name="session",
            name="refreshes",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="refreshes"),
        ),
        # Each refresh updates the row. Figures: benchmarks/results/bloat.md.
        migrations.RunSQL(
            "ALTER TABLE accounts_session SET (fillfactor = 90)", "ALTER TABLE accounts_session RESET (fillfactor)"
        ),
    ]
