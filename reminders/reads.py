"""Queries of reminders, notifications and calendar events: wire dictionaries, pages of lists and events."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Exists, F, OuterRef, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext_lazy as _
from rest_framework.response import Response

from accounts.models import User
from accounts.services import UserMissing
from common.list_statements import EXACT_UP_TO
from common.orders import Order
from common.pagination import Listing, bounded
from common.queries import ID, TIME, Param, Question
from common.replica.last_writes import LastLsn
from common.replica.reading import reading
from common.replica.state import is_configured as is_replica_configured
from edges.reads import refuse_unless_readable
from livestreams.models import LiveStream, of_living_stream
from livestreams.services import audience_restriction, readable, refuse_blocked
from reminders.calendars import Entry
from reminders.models import CalendarAddress, Notification, Reminder, blocks_of, digest_of
from reminders.serializers import MyReminderSerializer, NotificationSerializer, ReminderSerializer
from reminders.services import CalendarAddressMissing, NotificationMissing, ReminderMissing, StreamWithoutPlan

LONGEST_FEED = 200  # events; rendering them takes about 10 ms
FEED_SPAN = timedelta(days=90)  # how long a feed shows a stream after its start


def _restriction_of_caller(stream: str) -> Any:
    return audience_restriction(stream=OuterRef(stream), user=Param("caller", ID), now=Param("now", TIME))


# --- reminders ------------------------------------------------------------------------------------


def _on_living_streams(*, user: Any, **_others: Any) -> models.QuerySet[Any]:
    return Reminder.objects.filter(of_living_stream(), user=user)


def _with_outcome(*, now: Any, **_others: Any) -> models.QuerySet[Any]:
    return Reminder.objects.with_outcome(now).annotate(asked_at=now)


_MY_REMINDERS = Listing(
    "reminders",
    MyReminderSerializer,
    _on_living_streams,
    values={"user": ID, "now": TIME},
    detail=_with_outcome,
    orders={"createdAt": Order(F("created_at"))},
    from_replica=True,
)
_REMINDER = Question(
    lambda: (
        _with_outcome(now=Param("now", TIME))
        .filter(user=Param("caller", ID), stream=Param("stream", ID), stream__deleted_at__isnull=True)
        .values_list(*ReminderSerializer.columns(), _restriction_of_caller("stream"))
    )
)


def my_reminders(query: Mapping[str, Any], *, caller: str, now: datetime) -> Response:
    return _MY_REMINDERS.page(query, caller=caller, user=caller, now=now)


def my_reminder(stream_id: str, *, caller: str, now: datetime) -> dict[str, Any]:
    """Raises StreamMissing, Banned, ReminderMissing."""
    found = reminder_and_restriction(stream_id, caller=caller, now=now)
    if found is None:
        refuse_unless_readable(stream_id, caller=caller, now=now)
        raise ReminderMissing
    reminder, restriction = found
    refuse_blocked(restriction)
    return reminder


def reminder_and_restriction(stream_id: str, *, caller: str, now: datetime) -> tuple[dict[str, Any], Any] | None:
    """The reminder of `caller` on a living stream, and what restricts them on the stream; None without a reminder."""
    rows = _REMINDER.rows(caller=caller, stream=stream_id, now=now)
    if not rows:
        return None
    *row, restriction = rows[0]
    return ReminderSerializer.to_wire(row, caller), restriction


# --- notifications --------------------------------------------------------------------------------


def _notifications_of(*, user: Any, read: bool | None = None, category: str | None = None) -> models.QuerySet[Any]:
    # `category` filters nothing: all notifications are of the one category that exists.
    mine = Notification.objects.filter(of_living_stream(), user=user)
    return mine if read is None else mine.filter(read_at__isnull=not read)


_MY_NOTIFICATIONS = Listing(
    "notifications",
    NotificationSerializer,
    _notifications_of,
    values={"user": ID},
    orders={"createdAt": Order(F("created_at"))},
    partitioned_by=["created_at"],
    from_replica=True,
)
_UNREAD = Question(lambda: _notifications_of(user=Param("user", ID), read=False).values_list("pk"), from_replica=True)
_NOTIFICATION = Question(
    lambda: Notification.objects.filter(pk=Param("id", ID)).values_list(*NotificationSerializer.columns())
)
_MY_NOTIFICATION_EXISTS = Question(
    lambda: _notifications_of(user=Param("caller", ID)).filter(pk=Param("id", ID)).values_list("pk")
)


def my_notifications(query: Mapping[str, Any], *, caller: str) -> Response:
    return _MY_NOTIFICATIONS.page(query, caller=caller, user=caller)


def unread_count(*, caller: str) -> Response:
    """`unreadCount`, up to EXACT_UP_TO; the answer says so with X-Total-Count."""
    count, headers = bounded(_UNREAD.count(up_to=EXACT_UP_TO + 1, user=caller))
    return Response({"unreadCount": count}, headers=headers)


def notification(notification_id: str, *, caller: str) -> dict[str, Any]:
    """The notification must exist."""
    (row,) = _NOTIFICATION.rows(id=notification_id)
    return NotificationSerializer.to_wire(row, caller)


def refuse_unless_notified(notification_id: str, *, caller: str) -> None:
    """Raises NotificationMissing when `caller` has no such notification, or only one of a deleted stream."""
    if not _MY_NOTIFICATION_EXISTS.rows(id=notification_id, caller=caller):
        raise NotificationMissing


# --- calendars ------------------------------------------------------------------------------------


class StreamWithoutDates(StreamWithoutPlan):
    message = _("the stream has no planned start, so there is nothing to enter into a calendar")


class Feed(NamedTuple):
    """The events of a user's calendar feed, in the order of their start. `name` is the full name or the username."""

    name: str
    username: str
    entries: list[Entry]


def _with_lead() -> models.QuerySet[Any]:
    # A block hides the caller's reminder, and with it the alarm. The event itself stays.
    block = blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=Param("now", TIME))
    mine = Reminder.objects.filter(~Exists(block), stream=OuterRef("pk"), user=Param("caller", ID))
    return LiveStream.objects.annotate(lead=Subquery(mine.values(minutes=Coalesce("minute", 0))[:1]))


def _entry() -> models.QuerySet[Any]:
    return _with_lead().filter(pk=Param("id", ID)).values_list(*Entry._fields, _restriction_of_caller("pk"))


def _entries_of_member() -> models.QuerySet[Any]:
    return _nearest(_with_lead().matching(member=Param("member", ID)))  # type: ignore[attr-defined]


def _entries_of_reminders() -> models.QuerySet[Any]:
    caller: Any = Param("caller", ID)
    block = blocks_of(stream=OuterRef("pk"), user=caller, now=Param("now", TIME))
    return _nearest(_with_lead().filter(~Exists(block), reminders__user=caller))


def _nearest(streams: models.QuerySet[Any]) -> models.QuerySet[Any]:
    now: Any = Param("now", TIME)
    begun = streams.alias(begin=Coalesce("started_at", "planned_start_at")).filter(begin__gte=Param("since", TIME))
    # Beyond LONGEST_FEED, the streams whose start is nearest to now are kept.
    distance = Greatest(F("begin") - now, now - F("begin"), output_field=models.DurationField())
    return begun.order_by(distance, "pk").values_list(*Entry._fields)


def _of_address(has_replica: bool) -> models.QuerySet[Any]:
    """The user of an address, and the position of their last write, None without a replica."""
    digest = Param("digest", models.BinaryField())
    found = CalendarAddress.objects.filter(digest=digest, user__is_active=True)
    columns = ["user_id", "user__username", "user__name", "user__surname"]
    return found.values_list(*columns, *([LastLsn(F("user_id"))] if has_replica else []))


_ENTRY = Question(_entry)
_ENTRIES_OF_MEMBER = Question(_entries_of_member, from_replica=True)
_ENTRIES_OF_REMINDERS = Question(_entries_of_reminders, from_replica=True)
_OF_ADDRESS = Question(_of_address)
_MEMBER = Question(lambda: User.objects.filter(pk=Param("id", ID)).only("username", "name", "surname"))


def calendar_entry(stream_id: str, *, caller: str | None, now: datetime) -> Entry:
    """The event of one stream. Raises StreamMissing, Banned, StreamWithoutDates."""
    entry = Entry(*readable(_ENTRY.rows(id=stream_id, caller=caller, now=now)))
    if entry.begin is None:
        raise StreamWithoutDates
    return entry


def calendar_feed(user_id: str, *, caller: str | None, now: datetime) -> Feed:
    """The streams of a user as creator or accepted guest. Raises UserMissing."""
    member: User | None = _MEMBER.instance(id=user_id)
    if member is None:
        raise UserMissing
    rows = _ENTRIES_OF_MEMBER.rows(limit=LONGEST_FEED, member=user_id, caller=caller, now=now, since=now - FEED_SPAN)
    return Feed(member.shown_name, member.username, _by_begin(Entry(*row) for row in rows))


def _by_begin(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.begin, entry.id))


class NoSuchAddress(CalendarAddressMissing):
    message = _("this calendar address does not exist, or has been revoked")


def own_calendar(secret: str, *, now: datetime) -> Feed:
    """The streams of the user whose calendar address has this secret, and those on which they have a reminder.

    A stream that a ban keeps the user from is there only if it is their own. Raises NoSuchAddress, also when the user
    is deactivated.
    """
    owners = _OF_ADDRESS.rows(is_replica_configured(), digest=digest_of(secret))
    if not owners:
        raise NoSuchAddress
    ((user_id, username, name, surname, *last_lsn),) = owners
    given = {"caller": user_id, "now": now, "since": now - FEED_SPAN}
    with reading(*last_lsn or [None]):
        rows = _ENTRIES_OF_MEMBER.rows(limit=LONGEST_FEED, member=user_id, **given)
        rows += _ENTRIES_OF_REMINDERS.rows(limit=LONGEST_FEED, **given)
    entries = {entry.id: entry for entry in (Entry(*row) for row in rows)}.values()
    # The queries find only streams that begin.
    nearest = sorted(entries, key=lambda entry: (abs(entry.begin - now), entry.id))[:LONGEST_FEED]  # type: ignore[operator]
    return Feed(f"{name} {surname}".strip() or username, username, _by_begin(nearest))
