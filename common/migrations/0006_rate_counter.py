from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("common", "0005_stored_answer")]

    operations = [
        migrations.CreateModel(
            name="RateCounter",
            fields=[
                ("key", models.UUIDField(primary_key=True, serialize=False)),
                ("count", models.IntegerField()),
                ("ends_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        # Each call updates a row in place: HOT updates need free space in its page.
        migrations.RunSQL(
            [
                "ALTER TABLE common_ratecounter SET UNLOGGED",
                "ALTER TABLE common_ratecounter SET (fillfactor = 50)",
            ],
            migrations.RunSQL.noop,
        ),
    ]
