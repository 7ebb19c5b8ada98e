from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("livestreams", "0003_pending_titles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                fields=["started_at", "id"], condition=models.Q(("status", "active")), name="stream_live"
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                fields=["creator", "deleted_at", "id"],
                condition=models.Q(("deleted_at__isnull", False)),
                name="stream_deleted_by_creator",
            ),
        ),
    ]
