"""Queries of streams: wire dictionaries and pages of lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q, Value
from django.utils import timezone
from rest_framework.response import Response

from accounts.models import User
from accounts.services import UserMissing
from common.orders import Order, Part, RankedOrder
from common.pagination import Listing
from common.queries import ID, PLANNED_TIME, TEXT, TIME, Param, Question
from common.word_search import Search
from livestreams.models import BEGIN, OPEN, OVER, LiveStream, Status
from livestreams.serializers import (
    RANK,
    SORTABLE,
    DeletedStreamSerializer,
    LiveStreamSerializer,
    UpcomingStreamSerializer,
)
from livestreams.services import Restriction, StreamMissing, audience_restriction, readable, reminder_waits

# --- one stream -----------------------------------------------------------------------------------


def _with_restriction(streams: models.QuerySet[LiveStream]) -> models.QuerySet[Any]:
    restriction = audience_restriction(stream=OuterRef("pk"), user=Param("caller", ID), now=Param("now", TIME))
    return streams.values_list(*LiveStreamSerializer.columns(), restriction)


def _with_members(streams: models.QuerySet[LiveStream]) -> models.QuerySet[Any]:
    return streams.values_list("creator_id", "guest_id", "guest_status", *LiveStreamSerializer.columns())


_STREAM_AND_RESTRICTION = Question(lambda: _with_restriction(LiveStream.objects.filter(pk=Param("id", ID))))
_STREAM_OF_CHANNEL = Question(
    lambda: _with_restriction(LiveStream.objects.filter(channel_name=Param("channel_name", TEXT)))
)
_ACTIVE_STREAM_OF_USER = Question(
    lambda: _with_restriction(LiveStream.objects.filter(creator=Param("creator", ID), status=Status.ACTIVE))
)
_CHANGED_STREAM = Question(
    lambda: LiveStream.all_objects.filter(pk=Param("id", ID)).values_list(*LiveStreamSerializer.columns())
)
_STREAM = Question(lambda: _with_members(LiveStream.objects.filter(pk=Param("id", ID))))
_STREAM_TO_RESTORE = Question(
    lambda: _with_members(
        LiveStream.all_objects.filter(Q(deleted_at=None) | Q(creator=Param("caller", ID)), pk=Param("id", ID))
    )
)
_ACTIVE_STREAM = Question(
    lambda: LiveStream.objects.filter(creator=Param("creator", ID), status=Status.ACTIVE).values_list(
        *LiveStreamSerializer.columns()
    )
)
_USER_EXISTS = Question(lambda: User.objects.filter(pk=Param("id", ID)).values_list("pk"))


def stream_and_restriction(stream_id: str, *, caller: str) -> tuple[dict[str, Any], Restriction | None]:
    """The stream, and what restricts `caller` on it. Raises StreamMissing."""
    rows = _STREAM_AND_RESTRICTION.rows(id=stream_id, caller=caller, now=timezone.now())
    if not rows:
        raise StreamMissing
    (*row, restriction) = rows[0]
    return LiveStreamSerializer.to_wire(row, caller), restriction


def stream_of_channel(channel_name: str, *, caller: str) -> dict[str, Any]:
    """The stream with this channel name. Raises StreamMissing, and Banned when a ban blocks `caller` from it."""
    rows = _STREAM_OF_CHANNEL.rows(channel_name=channel_name, caller=caller, now=timezone.now())
    return LiveStreamSerializer.to_wire(readable(rows), caller)


def active_stream_of_user(user_id: str, *, caller: str | None) -> dict[str, Any] | None:
    """The active stream of this creator. Raises UserMissing, and Banned when a ban blocks `caller` from the stream."""
    rows = _ACTIVE_STREAM_OF_USER.rows(creator=user_id, caller=caller, now=timezone.now())
    if not rows:
        _refuse_unless_user(user_id)
        return None
    return LiveStreamSerializer.to_wire(readable(rows), caller)


class StreamToChange(NamedTuple):
    """What the permission checks of a change read, and the row from which its response is made."""

    creator_id: str
    guest_id: str | None
    guest_status: str | None
    row: Sequence[Any]

    def changed(self, stream: LiveStream, *, caller: str) -> dict[str, Any]:
        """The wire dictionary after `caller` has changed it to `stream`."""
        if stream.guest_id != self.guest_id:  # another user, who was not read
            return new_stream(stream.pk, caller=caller)
        return LiveStreamSerializer.to_wire(LiveStreamSerializer.changed_row(self.row, stream), caller)


def stream_to_change(stream_id: str) -> StreamToChange:
    """Raises StreamMissing."""
    return _to_change(_STREAM.rows(id=stream_id))


def stream_to_restore(stream_id: str, *, caller: str) -> StreamToChange:
    """As `stream_to_change`, but finds also the deleted streams of the creator `caller`. Raises StreamMissing."""
    return _to_change(_STREAM_TO_RESTORE.rows(id=stream_id, caller=caller))


def _to_change(rows: list[list[Any]]) -> StreamToChange:
    if not rows:
        raise StreamMissing
    (creator_id, guest_id, guest_status, *row) = rows[0]
    return StreamToChange(creator_id, guest_id, guest_status, row)


def new_stream(stream_id: str, *, caller: str) -> dict[str, Any]:
    """The stream that `caller` has just written, also if it has been deleted since. It must exist."""
    (row,) = _CHANGED_STREAM.rows(id=stream_id)
    return LiveStreamSerializer.to_wire(row, caller)


def active_stream_of(user_id: str) -> dict[str, Any] | None:
    """The active stream of this creator, written for them."""
    rows = _ACTIVE_STREAM.rows(creator=user_id)
    return LiveStreamSerializer.to_wire(rows[0], user_id) if rows else None


# --- lists ----------------------------------------------------------------------------------------


_STARTED = {Status.ACTIVE, Status.ENDED}
# In which states streams have which times, as constraints of the table guarantee it.
_STATES: dict[str, dict[str, Any]] = {
    "started_at": {"present": {"status": _STARTED}, "missing": {"status": set(Status) - _STARTED}},
    "ended_at": {"present": {"status": {Status.ENDED}}, "missing": {"status": set(Status) - {Status.ENDED}}},
    "planned_start_at": {"missing": {"status": set(Status) - {Status.SCHEDULED}}},
}


def _order(column: str) -> Order:
    return Order(F(column), is_nullable=LiveStream._meta.get_field(column).null, **_STATES.get(column, {}))


_RANKED = RankedOrder(
    # What is live first, then what begins soonest.
    Part(BEGIN, lambda rows: rows.filter(status__in=OPEN), {"status": set(OPEN)}, is_descending=False),
    Part(F("created_at"), lambda rows: rows.filter(status__in=OVER), {"status": set(OVER)}, is_descending=True),
)


def _sorted_streams(name: str, *, walked: int = 2_500) -> Listing:
    values = {"creator": ID, "guest": ID, "interest": TEXT, "planned_from": PLANNED_TIME, "planned_to": PLANNED_TIME}
    orders = {sort: _order(column) for sort, column in SORTABLE.items()} | {RANK: _RANKED}
    search = Search(LiveStream.objects.all, text="title_folded", walked=walked)
    return Listing(
        name,
        LiveStreamSerializer,
        LiveStream.objects.matching,
        values=values,
        orders=orders,
        search=search,
        from_replica=True,
    )


STREAMS = _sorted_streams("streams")
GUESTED = _sorted_streams("guest-streams")
PAST = Listing(
    "past-streams",
    LiveStreamSerializer,
    LiveStream.objects.matching,
    values={"creator": ID},
    orders={"endedAt": Order(F("ended_at"))},
    from_replica=True,
)


def _upcoming(*, earliest: Any, latest: Any, member: Any = None, **_others: Any) -> models.QuerySet[Any]:
    return LiveStream.objects.upcoming(earliest=earliest, latest=latest, member=member)


def _with_reminder(*, now: Any, viewer: Any = None, **_others: Any) -> models.QuerySet[Any]:
    if viewer is None:
        active: Any = Value(None, output_field=models.BooleanField())
    else:
        active = reminder_waits(stream=OuterRef("pk"), user=viewer, now=now)
    return LiveStream.objects.annotate(reminder_active=active)


UPCOMING = Listing(
    "upcoming-streams",
    UpcomingStreamSerializer,
    _upcoming,
    values={"earliest": TIME, "latest": TIME, "now": TIME, "member": ID, "viewer": ID},
    orders={"begin": Order(BEGIN)},
    detail=_with_reminder,
    from_replica=True,
    of_detail={"now", "viewer"},
    counted_in_order={"latest"},
)


def _own_upcoming(*, member: Any, **_others: Any) -> models.QuerySet[Any]:
    return LiveStream.objects.matching(member=member).filter(status__in=OPEN)


MY_UPCOMING = Listing(
    "my-upcoming-streams",
    UpcomingStreamSerializer,
    _own_upcoming,
    values={"now": TIME, "member": ID, "viewer": ID},
    orders={"begin": Order(BEGIN)},
    detail=_with_reminder,
    from_replica=True,
    of_detail={"now", "viewer"},
)


def _deleted(*, creator: Any, kept_since: Any) -> models.QuerySet[Any]:
    return LiveStream.all_objects.filter(creator=creator, deleted_at__gt=kept_since)


DELETED = Listing(
    "deleted-streams",
    DeletedStreamSerializer,
    _deleted,
    values={"creator": ID, "kept_since": TIME},
    orders={"deletedAt": Order(F("deleted_at"))},
    from_replica=True,
)


def streams(query: Mapping[str, Any], *, caller: str) -> Response:
    return STREAMS.page(query, caller=caller)


def guest_streams(query: Mapping[str, Any], *, caller: str) -> Response:
    """Streams that name `caller` as guest, whatever the answer."""
    return GUESTED.page(query, caller=caller, guest=caller)


def past_streams(query: Mapping[str, Any], *, caller: str | None, creator: str) -> Response:
    return PAST.page(query, caller=caller, creator=creator, status=(Status.ENDED,))


def upcoming_streams(
    query: Mapping[str, Any], *, caller: str | None, now: datetime, member: str | None = None
) -> Response:
    """Upcoming streams; with `member` only those of this creator or accepted guest. `query` has the window."""
    window = {"earliest": query["earliest"], "latest": query["latest"]}  # they follow the clock
    return UPCOMING.page(query, caller=caller, viewer=caller, member=member, now=now, **window)


def my_upcoming_streams(query: Mapping[str, Any], *, caller: str, now: datetime) -> Response:
    """Scheduled, preparing and active streams of `caller` as creator or accepted guest, the earliest first."""
    ascending = {**query, "sort_order": "asc"}
    return MY_UPCOMING.page(ascending, caller=caller, viewer=caller, member=caller, now=now)


def deleted_streams(query: Mapping[str, Any], *, caller: str, now: datetime) -> Response:
    """Deleted streams of the creator `caller` that are kept."""
    return DELETED.page(query, caller=caller, creator=caller, kept_since=now - settings.DELETED_RETENTION)


def page_of_user(user_id: str, page: Response) -> Response:
    """Raises UserMissing instead of returning an empty page when the user does not exist."""
    if not page.data["list"]:
        _refuse_unless_user(user_id)
    return page


def _refuse_unless_user(user_id: str) -> None:
    if not _USER_EXISTS.rows(id=user_id):
        raise UserMissing
