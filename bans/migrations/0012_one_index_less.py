import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The name that Django gave it. `ban_by_reviewer` begins with the same column.
REVIEWED_BY = "bans_livestreamban_reviewed_by_id_d6d653e6"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bans", "0011_team_figures"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        # AlterField would also drop the foreign key and add it again, which reads the whole table under a lock.
        migrations.RunSQL(
            f'DROP INDEX CONCURRENTLY IF EXISTS "{REVIEWED_BY}"',
            f'CREATE INDEX CONCURRENTLY "{REVIEWED_BY}" ON bans_livestreamban ("reviewed_by_id")',
            state_operations=[
                migrations.AlterField(
                    model_name="livestreamban",
                    name="reviewed_by",
                    field=models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        db_index=False,
                        editable=False,
                        verbose_name="reviewed by",
                        to=settings.AUTH_USER_MODEL,
                    ),
                )
            ],
        ),
    ]
