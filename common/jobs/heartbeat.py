"""Whether any worker is alive, by the heartbeats of workers."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from procrastinate.contrib.django.models import ProcrastinateWorker

from common.queries import Param, Question

_LIVE_WORKER = Question(
    lambda: (
        ProcrastinateWorker.objects.filter(last_heartbeat__gt=Param("since", models.DateTimeField()))
        .order_by("last_heartbeat")
        .values_list("last_heartbeat")
    )
)


def is_any_worker_alive(now: datetime) -> bool:
    """Whether any worker has sent a heartbeat within WORKER_LOST_AFTER seconds."""
    return bool(_LIVE_WORKER.rows(limit=1, since=now - settings.WORKER_LOST_AFTER * timedelta(seconds=1)))
