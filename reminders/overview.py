"""Reminders and deliveries as the front page of the admin shows them: expressions that are read in one statement.

Each reads a bounded number of rows from an index. Their parameters are the times `now` and `soon` (in an hour).
"""

from typing import Any

from django.db import models
from django.db.models import Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import JSONObject
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker
from procrastinate.jobs import Status as JobStatus

from common.queries import TIME, CountAmong, CountUpTo, Param
from reminders.models import Checkpoint, Chunk, Delivery, Round

MOST_COUNTED = 1_000  # exact up to here
MOST_WALKED = 5_000  # rows that are read to count those that match, where no index has only them

# As the finder does (see services/rounds.py), but for what comes due. Only lead times have a due time: who asked to be
# notified at the start is, whenever that is.
_DUE = f"""
    WITH RECURSIVE asked(minute) AS (
        (SELECT minute FROM reminders_leadtime WHERE minute > 0 ORDER BY minute LIMIT 1)
        UNION ALL
        SELECT (SELECT next.minute FROM reminders_leadtime AS next
                WHERE next.minute > asked.minute ORDER BY next.minute LIMIT 1)
        FROM asked WHERE asked.minute IS NOT NULL
    )
    SELECT jsonb_build_object('found', count(*) FILTER (WHERE walked.is_due), 'read', count(*)) FROM (
        SELECT reminder.minute = asked.minute AS is_due
        FROM asked
        CROSS JOIN LATERAL (
            SELECT near.id FROM livestreams_livestream AS near
            WHERE near.status = 'scheduled' AND near.deleted_at IS NULL
                AND near.planned_start_at > %s + asked.minute * interval '1 minute'
                AND near.planned_start_at <= %s + asked.minute * interval '1 minute'
            OFFSET 0
        ) AS stream
        CROSS JOIN LATERAL (
            SELECT each.minute FROM reminders_reminder AS each WHERE each.stream_id = stream.id OFFSET 0
        ) AS reminder
        WHERE EXISTS (
            SELECT FROM reminders_leadtime AS lead
            WHERE lead.stream_id = stream.id AND lead.minute = asked.minute OFFSET 0
        )
        LIMIT {MOST_WALKED:d}
    ) AS walked
"""  # noqa: S608 - the limit is ours


def reminders_due() -> RawSQL:
    """How many reminders come due in the next hour, as `CountAmong` gives it."""
    return RawSQL(_DUE, [Param("now", TIME), Param("soon", TIME)], output_field=models.JSONField())  # noqa: S611


def dispatch() -> JSONObject:
    """The times from which the lag follows, as in `services/state.py`, and the last heartbeat of a worker.

    `open` and `waiting` may lie in the future.
    """
    return JSONObject(
        found_until=Subquery(Checkpoint.objects.values("found_until")[:1]),
        open=_first(Round.objects.filter(state=Round.State.OPEN), "due_at"),
        waiting=_first(Chunk.objects.filter(state=Chunk.State.WAITING), "due_at"),
        heartbeat=_first(ProcrastinateWorker.objects.all(), "-last_heartbeat"),
    )


def _first(rows: QuerySet[Any], order: str) -> Subquery:
    return Subquery(rows.order_by(order).values(order.removeprefix("-"))[:1])


def deliveries() -> JSONObject:
    """How many deliveries were given up, and how many the receiver stopped."""
    return JSONObject(
        failed=_in_state(Delivery.State.FAILED),
        stopped=_in_state(Delivery.State.STOPPED),
    )


def _in_state(state: Delivery.State) -> CountUpTo:
    return CountUpTo(Delivery.objects.filter(state=state), MOST_COUNTED + 1, order=["-created_at", "-id"])


def failed_jobs() -> CountAmong:
    """How many of the newest jobs failed. Jobs that succeed are deleted at once, and those that failed after a week."""
    is_failed = Q(status=JobStatus.FAILED.value)
    return CountAmong(ProcrastinateJob.objects.all(), is_failed, MOST_WALKED, order=["-id"])
