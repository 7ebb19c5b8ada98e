from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bans", "0008_review_indexes")]

    operations = [
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(fields=["action_type", "created_at"], name="ban_by_kind"),
        ),
    ]
