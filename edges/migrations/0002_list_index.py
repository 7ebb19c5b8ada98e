from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("edges", "0001_initial"),
        ("livestreams", "0002_list_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="participant",
            index=models.Index(fields=["stream", "first_seen_at", "user"], name="participant_by_first_seen"),
        ),
    ]
