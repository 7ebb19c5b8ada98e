"""Rounds: claim what came due exactly once, and cut it into chunks of about a thousand users."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from common import audit
from common.jobs import URGENT, defer, defer_in_batches
from common.queries import ID, Param, Question
from livestreams.models import LiveStream, Status
from livestreams.services import StreamMissing, take_stream_lock
from reminders.models import VALID_IN, Checkpoint, Chunk, Kind, Reminder, Round, came_due
from reminders.services.recipients import count_notifications, count_without_notification

CUT_ROUNDS = "reminders.tasks.cut_rounds"
NOTIFY_CHUNKS = "reminders.tasks.notify_chunks"
OPEN_DUE_ROUNDS_OF_STREAM = "reminders.tasks.open_due_rounds_of_stream"

CHUNK = 1_000  # users
ROUNDS_AT_ONCE = 1_000  # opened by one transaction, in a third of a second
# Tolerance for clocks that differ between machines. Searching the overlap again is cheap and has no effect: a round is
# opened once.
OVERLAP = timedelta(minutes=10)
LOST_AFTER = timedelta(minutes=3)
# How far before the first run the checkpoint starts, so that what came due before any worker ran is counted as missed.
INITIAL_LOOKBACK = timedelta(days=366)


class Due(NamedTuple):
    """A lead time of a stream that came due and has no round."""

    stream_id: str
    minute: int
    planned_start_at: datetime
    plan_set_at: datetime

    @property
    def due_at(self) -> datetime:
        return came_due(self.minute, self.planned_start_at, self.plan_set_at)


# A loose index scan (the recursive CTE) finds the few distinct lead times; each is joined to the streams whose planned
# start is just that far away. No reminder is read, so the cost does not depend on their number. OFFSET 0 is an
# optimizer fence: the planner overestimates how many streams are due, and without it would scan all lead times and
# rounds.
_DUE = """
    WITH RECURSIVE asked(minute) AS (
        (SELECT minute FROM reminders_leadtime ORDER BY minute LIMIT 1)
        UNION ALL
        SELECT (SELECT next.minute FROM reminders_leadtime AS next
                WHERE next.minute > asked.minute ORDER BY next.minute LIMIT 1)
        FROM asked WHERE asked.minute IS NOT NULL
    )
    SELECT stream.id, asked.minute, stream.planned_start_at, stream.plan_set_at
    FROM asked
    CROSS JOIN LATERAL (
        SELECT near.id, near.planned_start_at, near.plan_set_at FROM livestreams_livestream AS near
        WHERE near.status = 'scheduled' AND near.deleted_at IS NULL
            AND near.planned_start_at > %(since)s + asked.minute * interval '1 minute'
            AND near.planned_start_at <= %(until)s + asked.minute * interval '1 minute'
        OFFSET 0
    ) AS stream
    WHERE EXISTS (
        SELECT FROM reminders_leadtime AS lead WHERE lead.stream_id = stream.id AND lead.minute = asked.minute OFFSET 0
    ) AND NOT EXISTS (
        SELECT FROM reminders_round AS done
        WHERE done.stream_id = stream.id AND done.kind = 'reminder' AND done.minute = asked.minute
            AND done.planned_start_at = stream.planned_start_at
            AND done.due_at = greatest(stream.planned_start_at - asked.minute * interval '1 minute', stream.plan_set_at)
        OFFSET 0
    )
    ORDER BY stream.planned_start_at, stream.id, asked.minute
"""
_DUE_OF_STREAM = """
    SELECT stream.id, lead.minute, stream.planned_start_at, stream.plan_set_at
    FROM livestreams_livestream AS stream JOIN reminders_leadtime AS lead ON lead.stream_id = stream.id
    WHERE stream.id = %(stream)s AND stream.status = 'scheduled' AND stream.deleted_at IS NULL
        AND stream.planned_start_at <= %(until)s + lead.minute * interval '1 minute'
    AND NOT EXISTS (
        SELECT FROM reminders_round AS done
        WHERE done.stream_id = stream.id AND done.kind = 'reminder' AND done.minute = lead.minute
            AND done.planned_start_at = stream.planned_start_at
            AND done.due_at = greatest(stream.planned_start_at - lead.minute * interval '1 minute', stream.plan_set_at)
    )
    ORDER BY lead.minute
"""


# --- what is due ----------------------------------------------------------------------------------


def due_lead_times(now: datetime, *, found_until: datetime, limit: int | None = None) -> list[Due]:
    """The lead times that came due by `now` and have no round; those up to `found_until` have theirs already."""
    sql = _DUE if limit is None else f"{_DUE} LIMIT {limit:d}"
    return _found(sql, {"since": min(found_until, now) - OVERLAP, "until": now})


def due_of_stream(stream_id: str, now: datetime) -> list[Due]:
    """The same for one stream, however long ago they came due."""
    return _found(_DUE_OF_STREAM, {"stream": bytes.fromhex(stream_id), "until": now})


def _found(sql: str, values: dict[str, Any]) -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [Due(bytes(stream_id).hex(), *times) for stream_id, *times in cursor.fetchall()]


def found_until() -> datetime | None:
    """The checkpoint: every lead time that was due by then has its round. None before the finder has run."""
    return Checkpoint.objects.values_list("found_until", flat=True).first()


def open_due_rounds(now: datetime, *, wait: bool = False) -> list[str]:
    """Open the round of every lead time that came due, advance the checkpoint, and return the ids of the rounds.

    While another finder runs this does nothing, unless `wait` is set. Each transaction opens `ROUNDS_AT_ONCE`, so that
    many that are due in the same minute keep no lock for long; the last one advances the checkpoint.
    """
    opened: list[str] = []
    while True:
        batch = _open_batch(now, wait=wait)
        opened += batch
        if len(batch) < ROUNDS_AT_ONCE:
            return opened


@transaction.atomic
def _open_batch(now: datetime, *, wait: bool) -> list[str]:
    checkpoint = _locked_checkpoint(now, wait=wait)
    if checkpoint is None:
        return []
    due = due_lead_times(now, found_until=checkpoint.found_until, limit=ROUNDS_AT_ONCE)
    if len(due) < ROUNDS_AT_ONCE and now > checkpoint.found_until:
        Checkpoint.objects.update(found_until=now)
    return _open_each(due, now)


@transaction.atomic
def open_due_rounds_of_stream(stream_id: str, now: datetime) -> list[str]:
    """The same for one stream that was moved: its lead times may lie before the checkpoint."""
    _locked_checkpoint(now, wait=True)
    return _open_each(due_of_stream(stream_id, now), now)


def _locked_checkpoint(now: datetime, *, wait: bool) -> Checkpoint | None:
    """The row of the checkpoint, locked; None without `wait` while another transaction holds the lock."""
    Checkpoint.objects.bulk_create([Checkpoint(found_until=now - INITIAL_LOOKBACK)], ignore_conflicts=True)
    return Checkpoint.objects.for_update(skip_locked=not wait).first()


def _open_each(due: Iterable[Due], now: datetime, *, grace: timedelta | None = None) -> list[str]:
    grace = settings.REMINDER_GRACE if grace is None else grace
    return _open(
        [
            Round(
                stream_id=each.stream_id,
                kind=Kind.REMINDER,
                minute=each.minute,
                planned_start_at=each.planned_start_at,
                due_at=each.due_at,
                good_until=each.due_at + grace,
                opened_at=now,
            )
            for each in due
        ],
        now,
    )


def _open(rounds: list[Round], now: datetime) -> list[str]:
    if not rounds:
        return []
    Round.objects.bulk_create(rounds)
    changes: list[audit.Change] = [
        (
            round_,
            {},
            {
                "stream_id": round_.stream_id,
                "kind": round_.kind,
                "minute": round_.minute,
                "planned_start_at": round_.planned_start_at,
            },
        )
        for round_ in rounds
    ]
    audit.record_many("open_round", changes, by=None, now=now)
    ids = [round_.pk for round_ in rounds]
    defer_in_batches(CUT_ROUNDS, "round_ids", ids, priority=_priority(rounds[0].kind))
    return ids


def _priority(kind: str) -> int:
    return 0 if kind == Kind.REMINDER else URGENT


# --- changes of a stream --------------------------------------------------------------------------

_REMINDERS = Question(lambda: Reminder.objects.filter(stream=Param("stream", ID)).values_list("pk"))


def follow_stream(stream: LiveStream, *, changed: Collection[str], now: datetime) -> None:
    """Open rounds or defer the search for due ones after a change of `stream`; see `settings.STREAM_FOLLOWERS`.

    Called in the transaction of the change, under the lock of the stream.
    """
    if changed.isdisjoint({"status", "planned_start_at", "deleted_at"}) or stream.is_deleted:  # type: ignore[attr-defined]
        return
    match stream.status:
        case Status.ACTIVE if "status" in changed:
            _open_at_once(stream, Kind.LIVE, due_at=now, now=now)
        case Status.CANCELLED_BY_HOST | Status.CANCELLED_BY_GUEST if "status" in changed:
            # The news of a cancellation is useful until the stream would have started, so its grace begins there.
            _open_at_once(stream, Kind.CANCELLED, due_at=max(now, stream.planned_start_at or now), now=now)
        case Status.SCHEDULED if not _is_awaited(stream):
            return
        case Status.SCHEDULED if "deleted_at" in changed:
            _pass_over(stream, now)
        case Status.SCHEDULED:
            defer(OPEN_DUE_ROUNDS_OF_STREAM, stream_id=stream.pk)


def _pass_over(stream: LiveStream, now: datetime) -> None:
    """Open the rounds of a restored stream that came due while it was deleted, as missed.

    In the transaction of the change, so that no finder opens them first. Nothing that holds the checkpoint waits for
    the lock of a stream.
    """
    _locked_checkpoint(now, wait=True)
    _open_each(due_of_stream(stream.pk, now), now, grace=timedelta(0))


def _is_awaited(stream: LiveStream) -> bool:
    return bool(_REMINDERS.rows(stream=stream.pk, limit=1))


def _open_at_once(stream: LiveStream, kind: Kind, *, due_at: datetime, now: datetime) -> None:
    if not _is_awaited(stream):
        return
    round_ = Round(
        stream=stream,
        kind=kind,
        planned_start_at=stream.planned_start_at,
        due_at=now,
        good_until=due_at + settings.REMINDER_GRACE,
        opened_at=now,
    )
    _open([round_], now)


# --- chunks ---------------------------------------------------------------------------------------


def is_round_true(round_: Round, stream: LiveStream) -> bool:
    """Whether the notification of `round_` is still true of `stream`."""
    if stream.is_deleted or stream.status not in VALID_IN[round_.kind]:
        return False
    if round_.minute is None or round_.planned_start_at is None:
        return True  # no lead time
    # A start that was moved away and back came due again, in a round of its own.
    return stream.planned_start_at == round_.planned_start_at and round_.due_at == came_due(
        round_.minute, round_.planned_start_at, stream.plan_set_at
    )


def awaiting(round_: Round) -> QuerySet[Reminder]:
    """The reminders that the round is for, whether or not their users have been notified."""
    reminders = Reminder.objects.filter(stream=round_.stream_id)
    return reminders if round_.minute is None else reminders.filter(minute=round_.minute)


@transaction.atomic
def cut_round(round_id: str, *, now: datetime) -> list[str]:
    """Cut an open round into chunks, defer their jobs, and return the ids of the chunks. Idempotent.

    A round that is no longer true of its stream becomes void. One that is too late becomes missed, and its `reminders`
    are then the users who would have been notified: not those who are blocked or have this notification already.
    """
    stream_id = Round.objects.filter(pk=round_id).values_list("stream_id", flat=True).first()
    if stream_id is None:
        return []
    # An exclusive advisory lock: waits for the transactions that are setting reminders, and keeps out new ones.
    take_stream_lock(stream_id)
    round_ = Round.objects.for_update().filter(pk=round_id, state=Round.State.OPEN).first()
    if round_ is None:
        return []
    stream = LiveStream.all_objects.locked(round_.stream_id, otherwise=StreamMissing)
    chunks: list[Chunk] = []
    round_.reminders = awaiting(round_).count()
    if not is_round_true(round_, stream) or not round_.reminders:
        round_.state = Round.State.VOID
    elif now > round_.good_until:
        round_.state = Round.State.MISSED
        round_.reminders = count_without_notification(round_, None, None, now=now)
        count_notifications(round_.kind, "missed", round_.reminders)
    else:
        round_.state = Round.State.CUT
        chunks = _chunks(round_)
        Chunk.objects.bulk_create(chunks)
    round_.closed_at = now
    round_.save(update_fields=["state", "reminders", "closed_at"])
    after = {"state": round_.state, "reminders": round_.reminders, "chunks": len(chunks)}
    audit.record("cut_round", round_, by=None, now=now, before={"state": Round.State.OPEN}, after=after)
    ids = [chunk.pk for chunk in chunks]
    defer_in_batches(NOTIFY_CHUNKS, "chunk_ids", ids, priority=_priority(round_.kind))
    return ids


def _chunks(round_: Round) -> list[Chunk]:
    numbered = awaiting(round_).annotate(number=Window(RowNumber(), order_by=F("user").asc()))
    last_of_each = list(
        numbered.annotate(rest=F("number") % CHUNK).filter(rest=0).order_by("number").values_list("user_id", flat=True)
    )
    if round_.reminders == len(last_of_each) * CHUNK:
        last_of_each.pop()
    edges = [None, *last_of_each, None]
    return [
        Chunk(round=round_, number=number, after_user=after, up_to_user=up_to, due_at=round_.due_at)
        for number, (after, up_to) in enumerate(pairwise(edges))
    ]


# --- recovery -------------------------------------------------------------------------------------


def requeue_lost_work(now: datetime) -> None:
    """Defer jobs again for rounds and chunks that are still open after LOST_AFTER. Their jobs may have failed.

    If the first job is only waiting, the second one is a duplicate that does nothing.
    """
    before = now - LOST_AFTER
    rounds = Round.objects.filter(state=Round.State.OPEN, opened_at__lt=before).order_by("due_at", "pk")
    defer_in_batches(CUT_ROUNDS, "round_ids", list(rounds.values_list("pk", flat=True)))
    chunks = Chunk.objects.filter(state=Chunk.State.WAITING, round__closed_at__lt=before).order_by("due_at", "pk")
    defer_in_batches(NOTIFY_CHUNKS, "chunk_ids", list(chunks.values_list("pk", flat=True)))
