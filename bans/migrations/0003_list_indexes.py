from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("bans", "0002_moderators"),
        ("livestreams", "0002_list_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="livestreamban",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["stream", "-created_at", "-id"],
                name="ban_by_stream",
            ),
        ),
    ]
