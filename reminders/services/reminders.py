"""Set, replace and remove reminders."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import audit
from common.fields import new_object_id
from common.queries import ID, Param, Question
from common.refusals import BadInput, Conflict, Missing
from livestreams.models import UPCOMING, LiveStream
from livestreams.services import audience_restriction, readable, share_stream_lock
from reminders.models import Reminder, notifications_of, scheduled_for, state_of


class ReminderMissing(Missing):
    code = "reminder_not_found"
    message = _("you have no reminder on this stream")


class StreamNotAwaited(Conflict):
    code = "stream_not_awaited"
    message = _("only a scheduled or preparing stream can have reminders")


class StreamWithoutPlan(Conflict):
    code = "stream_without_plan"
    message = _("the stream has no planned start to count from; ask to be notified when it really starts")


class MomentPassed(BadInput):
    code = "moment_passed"
    message = _("minute: the moment so long before the planned start has passed already")


class Reminded(NamedTuple):
    """A reminder as its user sees it. `minute` is as it was sent; None and 0 both mean at the start."""

    stream_id: str
    minute: int | None
    scheduled_for: datetime | None
    state: Reminder.State


def _stream_of_caller() -> models.QuerySet[Any]:
    caller = Param("caller", ID)
    return LiveStream.objects.filter(pk=Param("stream", ID)).values_list(
        "status",
        "planned_start_at",
        "plan_set_at",
        Exists(notifications_of(stream=OuterRef("pk"), user=caller, planned=OuterRef("planned_start_at"))),
        _restriction(),
    )


def _restriction() -> Combinable:
    now = Param("now", models.DateTimeField())
    return audience_restriction(stream=OuterRef("pk"), user=Param("caller", ID), now=now)


_STREAM_OF_CALLER = Question(_stream_of_caller)
_PLAN_OF_CALLER = Question(
    lambda: LiveStream.objects.filter(pk=Param("stream", ID)).values_list("planned_start_at", _restriction())
)

# ON CONFLICT makes two devices of one user set one reminder. A lead time whose round is open is closed: the round would
# not include the new reminder. The row of the lead time is inserted after the row of the reminder is locked, so that
# concurrent calls lock both in the same order and cannot deadlock.
_SET = """
    WITH old AS MATERIALIZED (
        SELECT id, minute, language FROM reminders_reminder
        WHERE stream_id = %(stream)s AND user_id = %(user)s FOR UPDATE
    ),
    closed AS (
        SELECT FROM reminders_round WHERE kind = 'reminder' AND stream_id = %(stream)s AND minute = %(lead)s
            AND planned_start_at = %(planned)s
    ),
    replaced AS (
        UPDATE reminders_reminder AS known SET minute = %(minute)s::smallint, language = %(language)s,
            updated_at = greatest(known.updated_at, %(now)s)
        FROM old
        WHERE known.id = old.id AND NOT EXISTS (SELECT FROM closed)
            AND (known.minute, known.language) IS DISTINCT FROM (%(minute)s::smallint, %(language)s)
        RETURNING known.id
    ),
    made AS (
        INSERT INTO reminders_reminder (id, stream_id, user_id, minute, language, created_at, updated_at)
        SELECT %(id)s, %(stream)s, %(user)s, %(minute)s::smallint, %(language)s, %(now)s, %(now)s
        WHERE NOT EXISTS (SELECT FROM closed) AND NOT EXISTS (SELECT FROM old)
        ON CONFLICT DO NOTHING
        RETURNING id
    ),
    saved AS (SELECT id FROM made UNION ALL SELECT id FROM replaced),
    lead AS (
        INSERT INTO reminders_leadtime (stream_id, minute)
        SELECT %(stream)s, %(lead)s::smallint FROM saved WHERE %(lead)s > 0 ON CONFLICT DO NOTHING
    )
    SELECT (SELECT id FROM saved), (SELECT minute FROM old), (SELECT language FROM old),
        EXISTS (SELECT FROM closed)
"""


@transaction.atomic
def set_reminder(stream_id: str, *, by: User, now: datetime, minute: int | None, language: str) -> Reminded:
    """Set or replace the one reminder of `by` on this stream. Without a change no audit row is written.

    `minute` (0..10080) is before the planned start; None and 0 mean at the start, whenever it comes. `language` is a
    code of LANGUAGES. Raises StreamMissing, Banned, StreamNotAwaited, StreamWithoutPlan, MomentPassed.
    """
    # A shared advisory lock: any number of users set reminders concurrently, but none while the stream starts, moves or
    # is cancelled, a user is banned from it, or a round of it is cut. So the checks below never use a snapshot that is
    # older than such a change, and no reminder is left out of a round that is being cut.
    share_stream_lock(stream_id)
    rows = _STREAM_OF_CALLER.rows(stream=stream_id, caller=by.pk, now=now)
    status, planned, plan_set_at, is_notified = readable(rows)
    if status not in UPCOMING:
        raise StreamNotAwaited
    if minute:
        if planned is None:
            raise StreamWithoutPlan
        if planned - timedelta(minutes=minute) <= now:
            raise MomentPassed
    values = {
        "id": bytes.fromhex(new_object_id()),
        "stream": bytes.fromhex(stream_id),
        "user": bytes.fromhex(by.pk),
        "minute": minute,
        "lead": minute or 0,
        "planned": planned,
        "language": language,
        "now": now,
    }
    saved = before = None
    # Neither inserted nor found: another device of this user has inserted it after the statement's snapshot was taken.
    # The next statement finds its row.
    while saved is None and before is None:
        saved, before = _save(values)
    if saved is not None:
        after = {"stream_id": stream_id, "minute": minute, "language": language}
        audit.record("set_reminder", Reminder(pk=saved), by=by, now=now, before=before or {}, after=after)
    state = state_of(minute, status, planned, plan_set_at, None, is_notified, False, now)  # noqa: FBT003 - not blocked
    return Reminded(stream_id, minute, scheduled_for(minute, planned), state)


def _save(values: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
    """The id of the reminder if it was inserted or changed, and its values before. Raises MomentPassed."""
    with connection.cursor() as cursor:
        cursor.execute(_SET, values)
        saved, old_minute, old_language, is_closed = cursor.fetchone()
    if is_closed:
        raise MomentPassed
    before = None if old_language is None else {"minute": old_minute, "language": old_language}
    return (None if saved is None else bytes(saved).hex()), before


def lock_reminder(stream_id: str, *, by: User) -> None:
    """Lock the plan of the stream and the reminder of `by`, if there is one, until the transaction ends."""
    share_stream_lock(stream_id)
    Reminder.objects.for_update().filter(stream=stream_id, user=by).first()


@transaction.atomic
def remove_reminder(stream_id: str, *, by: User, now: datetime) -> Reminded:
    """Raises StreamMissing, Banned, ReminderMissing."""
    (planned,) = readable(_PLAN_OF_CALLER.rows(stream=stream_id, caller=by.pk, now=now))
    reminder = Reminder.objects.for_update().filter(stream=stream_id, user=by).first()
    if reminder is None:
        raise ReminderMissing
    before = {"stream_id": stream_id, "minute": reminder.minute}
    audit.record("remove_reminder", reminder, by=by, now=now, before=before, after={})
    reminder.delete()
    due = scheduled_for(reminder.minute, planned)
    return Reminded(stream_id, reminder.minute, due, Reminder.State.CANCELLED)
