from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0001_initial")]

    operations = [
        # A migration of streams creates it too, and may run before or after this one.
        migrations.RunSQL("CREATE EXTENSION IF NOT EXISTS pg_trgm", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(
                condition=models.Q(("is_active", True)), fields=["created_at", "id"], name="user_newest"
            ),
        ),
        AddIndexConcurrently(
            model_name="user",
            index=GinIndex(
                gin_pending_list_limit=128, fields=["names_folded"], name="user_by_names", opclasses=["gin_trgm_ops"]
            ),
        ),
    ]
