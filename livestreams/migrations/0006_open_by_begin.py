from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("livestreams", "0005_board_order")]

    operations = [
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                Coalesce(models.F("started_at"), models.F("planned_start_at"), models.F("created_at")),
                "id",
                include=["status", "started_at", "planned_start_at", "created_at"],
                condition=models.Q(deleted_at=None, status__in=("active", "scheduled", "preparing")),
                name="stream_open_by_begin",
            ),
        ),
        RemoveIndexConcurrently(model_name="livestream", name="stream_by_begin"),
    ]
