from django.contrib.postgres.indexes import GinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("livestreams", "0002_list_indexes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            # Nothing is rebuilt, and neither readers nor writers wait.
            database_operations=[
                migrations.RunSQL(
                    "ALTER INDEX stream_by_title SET (gin_pending_list_limit = 128)",
                    "ALTER INDEX stream_by_title RESET (gin_pending_list_limit)",
                )
            ],
            state_operations=[
                migrations.RemoveIndex(model_name="livestream", name="stream_by_title"),
                migrations.AddIndex(
                    model_name="livestream",
                    index=GinIndex(
                        fields=["title_folded"],
                        gin_pending_list_limit=128,
                        name="stream_by_title",
                        opclasses=["gin_trgm_ops"],
                    ),
                ),
            ],
        ),
    ]
