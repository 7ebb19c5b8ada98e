"""The jobs that are stored: find them, let them run again, cancel them. Over Procrastinate's own functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Case, CharField, Max, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast
from procrastinate import exceptions
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from common import audit
from common.clock import database_time


class State(StrEnum):
    """Jobs that succeed are deleted."""

    DUE = "due"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    STALLED = "stalled"  # its worker is gone
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


RETRIABLE = (State.FAILED, State.STALLED)
CANCELLABLE = (State.DUE, State.SCHEDULED)
KIND = "job"  # of targets of the audit trail
# `scheduled` has the time at which the job is to run, and `abort_requested` does not change its state.
_NO_CHANGES = ("scheduled", "abort_requested")


class Seen(NamedTuple):
    """A job as it was when it was listed. Each run, each retry and each cancellation changes one of these columns."""

    id: int
    status: str
    attempts: int
    worker_id: int | None


class Result(StrEnum):
    DONE = "done"
    UNCHANGED = "unchanged"  # it is not as it was listed, or not in a state for this
    SUPERSEDED = "superseded"  # a later job of the same periodic task waits already


@dataclass(frozen=True)
class Wanted:
    """What to find. `task` is the name of a task or its last part; `since` is when the job got into its state."""

    states: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    task: str = ""
    queue: str = ""
    older_than: timedelta | None = None


def jobs(wanted: Wanted, *, now: datetime) -> QuerySet[Any]:
    """The jobs, the oldest first, each with its `state`, and `since` when it has it."""
    changes = ProcrastinateEvent.objects.filter(job=OuterRef("pk")).exclude(type__in=_NO_CHANGES).order_by()
    found = ProcrastinateJob.objects.annotate(
        state=_state(now), since=Subquery(changes.values("job").annotate(last=Max("at")).values("last"))
    ).order_by("pk")
    if wanted.states:
        found = found.filter(state__in=wanted.states)
    if wanted.ids:
        found = found.filter(pk__in=wanted.ids)
    if wanted.task:
        found = found.filter(Q(task_name=wanted.task) | Q(task_name__endswith=f".{wanted.task}"))
    if wanted.queue:
        found = found.filter(queue_name=wanted.queue)
    if wanted.older_than is not None:
        found = found.filter(since__lte=now - wanted.older_than)
    return found


def seen(found: QuerySet[Any]) -> list[Seen]:
    return [Seen(*row) for row in found.values_list("pk", *Seen._fields[1:])]


def _state(now: datetime) -> Case:
    return Case(
        When(status="todo", scheduled_at__gt=now, then=Value(State.SCHEDULED)),
        When(status="todo", then=Value(State.DUE)),
        When(Q(status="doing") & _is_stalled(now), then=Value(State.STALLED)),
        When(status="doing", then=Value(State.RUNNING)),
        default=Cast("status", CharField()),  # an enumeration in the database
        output_field=CharField(),
    )


def _is_stalled(now: datetime) -> Q:
    lost = now - timedelta(seconds=settings.WORKER_LOST_AFTER)
    return Q(worker__isnull=True) | Q(worker__last_heartbeat__lt=lost)


# --- changes --------------------------------------------------------------------------------------


@transaction.atomic
def retry_job(listed: Seen, *, reason: str) -> Result:
    """Let a job that failed, or whose worker is gone, run again now, if it is as it was listed.

    So of any number of callers that have listed it, one lets it run again.
    """
    job, now = _locked(listed), database_time()
    if job is None or not jobs(Wanted(states=RETRIABLE, ids=(listed.id,)), now=now).exists():
        return Result.UNCHANGED
    try:
        with transaction.atomic():
            app.job_manager.retry_job_by_id(listed.id, retry_at=now)
    except exceptions.UniqueViolation:
        return Result.SUPERSEDED
    _record("retry_job", job, now=now, reason=reason, after={"state": State.DUE, "attempts": job.attempts + 1})
    return Result.DONE


@transaction.atomic
def cancel_job(listed: Seen, *, reason: str) -> Result:
    """Cancel a job that waits, if it is as it was listed. The row is kept for JOB_RETENTION_DAYS."""
    job, now = _locked(listed), database_time()
    if job is None or not app.job_manager.cancel_job_by_id(listed.id):
        return Result.UNCHANGED
    _record("cancel_job", job, now=now, reason=reason, after={"state": State.CANCELLED})
    return Result.DONE


def _locked(listed: Seen) -> ProcrastinateJob | None:
    locked = ProcrastinateJob.objects.select_for_update(of=("self",)).filter(pk=listed.id).first()
    if locked is None or Seen(locked.pk, locked.status, locked.attempts, locked.worker_id) != listed:
        return None
    return locked


def _record(action: str, job: ProcrastinateJob, *, now: datetime, reason: str, after: dict[str, Any]) -> None:
    before = {"state": job.status, "attempts": job.attempts}
    after = {"task": job.task_name, "queue": job.queue_name, **after}
    audit.record_numbered(action, KIND, job.pk, by=None, now=now, before=before, after=after, reason=reason)
