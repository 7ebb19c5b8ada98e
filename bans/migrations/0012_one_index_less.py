import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The name that Django gave it. `ban_by_reviewer` begins with the same column.
REVIEWED_BY = "bans_livestreamban_reviewed_by_id_d6d653e6"


def dropped(name: str, column: str, field: str, **options: object) -> migrations.RunSQL:
    """AlterField would also drop the foreign key and add it again, which reads the whole table under a lock."""
    return migrations.RunSQL(
        f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"',
        f'CREATE INDEX CONCURRENTLY "{name}" ON bans_livestreamban ("{column}")',
        state_operations=[
            migrations.AlterField(
                model_name="livestreamban",
                name=field,
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    db_index=False,
                    to=settings.AUTH_USER_MODEL,
                    **options,
                ),
            )
        ],
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bans", "0011_team_figures"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        dropped(
            REVIEWED_BY,
            "reviewed_by_id",
            "reviewed_by",
            null=True,
            editable=False,
            verbose_name="reviewed by",
        ),
    ]
