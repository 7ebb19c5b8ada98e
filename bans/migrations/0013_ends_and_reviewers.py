from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bans", "0012_one_index_less"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("expires_at__isnull", False)),
                fields=["expires_at", "id"],
                name="ban_by_end",
            ),
        ),
        RemoveIndexConcurrently(model_name="livestreamban", name="ban_waiting_by_end"),
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("reviewed_by__isnull", False)),
                fields=["reviewed_by", "-reviewed_at", "-id"],
                name="ban_of_reviewer",
            ),
        ),
        RemoveIndexConcurrently(model_name="livestreamban", name="ban_by_reviewer"),
    ]
