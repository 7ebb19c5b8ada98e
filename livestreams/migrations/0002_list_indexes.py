import django.db.models.functions.comparison
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("livestreams", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("interest__isnull", False)),
                fields=["interest", "-created_at", "-id"],
                name="stream_by_interest",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                django.db.models.functions.comparison.Coalesce(
                    models.F("started_at"), models.F("planned_start_at"), models.F("created_at")
                ),
                models.F("id"),
                condition=models.Q(("deleted_at", None), ("status__in", ("active", "scheduled", "preparing"))),
                name="stream_by_begin",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None)), fields=["updated_at", "id"], name="stream_updated"
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("started_at__isnull", False)),
                fields=["started_at", "id"],
                name="stream_started",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("started_at__isnull", True)),
                fields=["id"],
                name="stream_not_started",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("planned_start_at__isnull", False)),
                fields=["planned_start_at", "id"],
                name="stream_planned",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("planned_start_at__isnull", True)),
                fields=["id"],
                name="stream_not_planned",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("ended_at__isnull", False)),
                fields=["ended_at", "id"],
                name="stream_ended",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("ended_at__isnull", True)),
                fields=["id"],
                name="stream_not_ended",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("duration_goal__isnull", False)),
                fields=["duration_goal", "id"],
                name="stream_goal",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("duration_goal__isnull", True)),
                fields=["id"],
                name="stream_not_goal",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("planned_start_at__isnull", False)),
                fields=["status", "planned_start_at", "id"],
                name="stream_planned_by_status",
            ),
        ),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)), fields=["id"], name="stream_deleted_id"
            ),
        ),
    ]
