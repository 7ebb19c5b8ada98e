from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bans", "0007_verdicts"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("reviewed_at__isnull", False)),
                fields=["reviewed_by", "-reviewed_at", "-id"],
                name="ban_by_reviewer",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("review", "unreviewed"), ("batch_id__isnull", False)),
                fields=["batch_id"],
                name="ban_waiting_by_batch",
            ),
        ),
    ]
