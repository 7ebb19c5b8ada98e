"""The rows that examples of commands name by their ids."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from livestreams.models import LiveStream, Status
from reminders.models import Chunk, Delivery, Kind, Round

NAMED_STREAM = "6741c8f0a1b2c3d4e5f60718"
DELETED_STREAM = "6741c8f0a1b2c3d4e5f60719"
CANCELLED_STREAM = "6741c8f0a1b2c3d4e5f6071b"
DELIVERY = "6741c8f0a1b2c3d4e5f6071a"
JOB = 4711


def make_rows_of_examples(stream: LiveStream) -> None:
    """Streams like this one, a delivery that was given up two days ago, and a job that failed."""
    values = LiveStream.objects.filter(pk=stream.pk).values().get()
    now = timezone.now()
    _make_stream(values, NAMED_STREAM)
    _make_stream(values, DELETED_STREAM, deleted_at=now)
    _make_stream(values, CANCELLED_STREAM, status=Status.CANCELLED_BY_HOST)
    before = now - timedelta(days=2)  # `doctor` reports the last day
    round_ = Round.objects.create(
        stream_id=CANCELLED_STREAM, kind=Kind.CANCELLED, state=Round.State.CUT, due_at=before, good_until=before,
        opened_at=before, closed_at=before, reminders=1,
    )  # fmt: skip
    chunk = Chunk.objects.create(
        round=round_, number=1, due_at=before, state=Chunk.State.NOTIFIED, notified=1, closed_at=before
    )
    Delivery.objects.create(
        id=DELIVERY, chunk=chunk, channel="webhook", state=Delivery.State.FAILED, attempts=10, closed_at=before,
        created_at=before, attempted_at=before, last_error="the receiver answered 503",
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (id, queue_name, task_name, args, status)"
            " VALUES (%s, 'delivering', 'common.tasks.remove_files', '{\"names\": []}', 'failed')",
            [JOB],
        )


def make_role(name: str, options: str = "") -> None:
    """Roles belong to the server, which several test processes share. The first one creates it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DO $$ BEGIN CREATE ROLE {name} {options};"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )


def _make_stream(values: dict[str, Any], stream_id: str, **changed: Any) -> None:
    LiveStream.all_objects.create(**values | {"id": stream_id, "channel_name": stream_id, **changed})
