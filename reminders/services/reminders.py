"""The reminder: set, replaced, removed."""

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
from common.refusals import Conflict, Invalid, Missing, Refusal
from livestreams.models import UPCOMING, LiveStream
from livestreams.services import StreamMissing, audience_restriction, refuse_blocked, share_turn
from reminders.models import Reminder, scheduled_for, state_of, told_of


class ReminderMissing(Missing):
    code = "reminder_not_found"
    message = _("you have no reminder on this stream")


class StreamNotAwaited(Conflict):
    code = "stream_not_awaited"
    message = _("only a scheduled or preparing stream can have reminders")


class StreamWithoutPlan(Conflict):
    code = "stream_without_plan"
    message = _("the stream has no planned start to count from; ask to be told when it really starts")


class MomentPassed(Invalid):
    code = "moment_passed"
    message = _("minute: the moment so long before the planned start has passed already")
    reasons = Refusal.reasons

    def __init__(self) -> None:
        Refusal.__init__(self)


class Reminded(NamedTuple):
    """A reminder as people see it. `minute` is as it was asked; None and 0 both mean at the start."""

    stream_id: str
    minute: int | None
    scheduled_for: datetime | None
    state: Reminder.State


def _at_the_stream() -> models.QuerySet[Any]:
    caller = Param("caller", ID)
    return LiveStream.objects.filter(pk=Param("stream", ID)).values_list(
        "status",
        "planned_start_at",
        "plan_set_at",
        Exists(told_of(stream=OuterRef("pk"), user=caller, planned=OuterRef("planned_start_at"))),
        _restriction(),
    )


def _restriction() -> Combinable:
    now = Param("now", models.DateTimeField())
    return audience_restriction(stream=OuterRef("pk"), user=Param("caller", ID), now=now)


_AT_THE_STREAM = Question(_at_the_stream)
_ITS_PLAN = Question(
    lambda: LiveStream.objects.filter(pk=Param("stream", ID)).values_list("planned_start_at", _restriction())
)

# Two devices of one person make one reminder. Once its round is open a lead time is taken: who comes later would be
# left out of it. The lead time is written by whoever holds the reminder, so that no two wait for each other.
_SET = """
    WITH old AS MATERIALIZED (
        SELECT id, minute, language FROM reminders_reminder
        WHERE stream_id = %(stream)s AND user_id = %(user)s FOR UPDATE
    ),
    taken AS (
        SELECT FROM reminders_round WHERE kind = 'reminder' AND stream_id = %(stream)s AND minute = %(lead)s
            AND planned_start_at = %(planned)s
    ),
    replaced AS (
        UPDATE reminders_reminder AS known SET minute = %(minute)s::smallint, language = %(language)s,
            updated_at = greatest(known.updated_at, %(now)s)
        FROM old
        WHERE known.id = old.id AND NOT EXISTS (SELECT FROM taken)
            AND (known.minute, known.language) IS DISTINCT FROM (%(minute)s::smallint, %(language)s)
        RETURNING known.id
    ),
    made AS (
        INSERT INTO reminders_reminder (id, stream_id, user_id, minute, language, created_at, updated_at)
        SELECT %(id)s, %(stream)s, %(user)s, %(minute)s::smallint, %(language)s, %(now)s, %(now)s
        WHERE NOT EXISTS (SELECT FROM taken) AND NOT EXISTS (SELECT FROM old)
        ON CONFLICT DO NOTHING
        RETURNING id
    ),
    written AS (SELECT id FROM made UNION ALL SELECT id FROM replaced),
    lead AS (
        INSERT INTO reminders_leadtime (stream_id, minute)
        SELECT %(stream)s, %(lead)s::smallint FROM written WHERE %(lead)s > 0 ON CONFLICT DO NOTHING
    )
    SELECT (SELECT id FROM written), (SELECT minute FROM old), (SELECT language FROM old),
        EXISTS (SELECT FROM taken)
"""


@transaction.atomic
def set_reminder(stream_id: str, *, by: User, now: datetime, minute: int | None, language: str) -> Reminded:
    """Make or replace the one reminder of `by` on this stream; what is equal already leaves no trace.

    `minute` (0..10080) is before the planned start; None and 0 mean at the start, whenever it comes. `language` is a
    code of LANGUAGES. Raises StreamMissing, Banned, StreamNotAwaited, StreamWithoutPlan, MomentPassed.
    """
    # Any number of people set reminders at once, and none while the stream starts, moves or is cancelled, somebody is
    # banned from it, or its reminders are cut into chunks. So nobody is refused or left out by what they could not see.
    share_turn(stream_id)
    rows = _AT_THE_STREAM.rows(stream=stream_id, caller=by.pk, now=now)
    if not rows:
        raise StreamMissing
    status, planned, plan_set_at, told, restriction = rows[0]
    refuse_blocked(restriction)
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
    written = before = None
    # Another device of this person may have been faster; what it made is seen the next time.
    while written is None and before is None:
        written, before = _write(values)
    if written is not None:
        after = {"stream_id": stream_id, "minute": minute, "language": language}
        audit.record("set_reminder", Reminder(pk=written), by=by, now=now, before=before or {}, after=after)
    state = state_of(minute, status, planned, plan_set_at, None, told, False, now)  # noqa: FBT003 - not blocked
    return Reminded(stream_id, minute, scheduled_for(minute, planned), state)


def _write(values: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
    """The id of the reminder that was made or changed, and what was there before. Raises MomentPassed."""
    with connection.cursor() as cursor:
        cursor.execute(_SET, values)
        written, old_minute, old_language, taken = cursor.fetchone()
    if taken:
        raise MomentPassed
    before = None if old_language is None else {"minute": old_minute, "language": old_language}
    return (None if written is None else bytes(written).hex()), before


@transaction.atomic
def remove_reminder(stream_id: str, *, by: User, now: datetime) -> Reminded:
    """Raises StreamMissing, Banned, ReminderMissing."""
    rows = _ITS_PLAN.rows(stream=stream_id, caller=by.pk, now=now)
    if not rows:
        raise StreamMissing
    planned, restriction = rows[0]
    refuse_blocked(restriction)
    reminder = Reminder.objects.for_update().filter(stream=stream_id, user=by).first()
    if reminder is None:
        raise ReminderMissing
    before = {"stream_id": stream_id, "minute": reminder.minute}
    audit.record("remove_reminder", reminder, by=by, now=now, before=before, after={})
    reminder.delete()
    due = scheduled_for(reminder.minute, planned)
    return Reminded(stream_id, reminder.minute, due, Reminder.State.CANCELLED)
