"""Queries of viewers and revocations: wire dictionaries and pages of lists."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, OuterRef, Subquery
from rest_framework.response import Response

from accounts.models import User
from common.orders import Order
from common.pagination import Listing
from common.queries import ID, TIME, CountUpTo, Param, Question, Unindexed
from common.times import optional_wire_time, wire_time
from common.word_search import Search
from edges.models import Participant, ViewerCount
from edges.serializers import ViewerSerializer
from edges.services import JoinToken, RevocationPage
from edges.services.presence import seen_after
from edges.services.statistics import JOIN_ORDER, current_number
from edges.services.viewer_counts import COUNTED_EACH_TIME, counted
from livestreams.models import LiveStream
from livestreams.services import audience_restriction, readable

_RESTRICTION: dict[str, Any] = {"stream": OuterRef("pk"), "user": Param("caller", ID), "now": Param("now", TIME)}


def _restricted() -> models.QuerySet[Any]:
    streams = LiveStream.objects.filter(pk=Param("id", ID))
    return streams.values_list(audience_restriction(**_RESTRICTION))


def _counted() -> models.QuerySet[Any]:
    present = Participant.objects.audience(stream=OuterRef("pk"), seen_after=Param("seen_after", TIME))
    streams = LiveStream.objects.filter(pk=Param("id", ID))
    restriction = audience_restriction(**_RESTRICTION)
    stored = ViewerCount.objects.filter(stream=OuterRef("pk"))
    return streams.values_list(
        CountUpTo(present, COUNTED_EACH_TIME + 1),
        Subquery(stored.values("viewers")),
        Subquery(stored.values("counted_at")),
        restriction,
    )


def _with_audience() -> models.QuerySet[Any]:
    joined = Participant.objects.joined_as_audience(stream=OuterRef("pk"))
    return LiveStream.objects.filter(pk=Param("id", ID)).values_list(
        CountUpTo(joined, COUNTED_EACH_TIME + 1, order=JOIN_ORDER),
        "statistics__audience",
        "statistics__settled_at",
        audience_restriction(**_RESTRICTION),
    )


_RESTRICTION_OF_READER = Question(_restricted)
_AUDIENCE = Question(_with_audience)
_COUNT = Question(_counted)


def _crowd(*, stream: Any, seen_after: Any) -> models.QuerySet[Any]:
    return Participant.objects.crowd(stream=stream, seen_after=seen_after)


def _present(*, stream: Any, seen_after: Any) -> models.QuerySet[Any]:
    return Participant.objects.audience(stream=stream, seen_after=seen_after)


def _few(*, stream: Any, seen_after: Any) -> models.QuerySet[Any]:
    # Counted in the order of the index that has those who were seen last.
    return _present(stream=stream, seen_after=seen_after).order_by("last_seen_hour")


def _joined(*, stream: Any, **_others: Any) -> models.QuerySet[Any]:
    # Users who have left since are still a place in the order.
    return Participant.objects.filter(stream=stream)


def _viewers(
    select: Callable[..., models.QuerySet[Any]], key: Any, counted: Callable[..., models.QuerySet[Any]] | None = None
) -> Listing:
    return Listing(
        "viewers",
        ViewerSerializer,
        select,
        values={"stream": ID, "seen_after": TIME},
        orders={"joined": Order(key)},
        places=_joined,
        counted=counted,
        subject="user",
        of_row=["first_seen_at"],
        search=Search(
            User.objects.all,
            text="names_folded",
            found_by="user",
            column="user__names_folded",
            walked=1_000,
        ),
        from_replica=True,
    )


# Users in the order of their first join, so that renewing a join token moves nobody to another page. The rows, order
# and cursors of the two are the same. Many viewers are read in this order. Few are found by when they were seen last,
# and sorted: of those who joined, many more may have left. PostgreSQL does not know which of the two a stream has.
CROWD = _viewers(_crowd, F("first_seen_at"), counted=_present)
VIEWERS = _viewers(_few, Unindexed(F("first_seen_at")))
_FEW = Question(
    lambda: _few(stream=Param("stream", ID), seen_after=Param("seen_after", TIME)).values_list("pk"), from_replica=True
)


def viewers(stream_id: str, query: Mapping[str, Any], *, caller: str, now: datetime) -> Response:
    """A page of viewers, with the number of users who ever joined as audience.

    Raises StreamMissing, and Banned when a ban blocks `caller` from the stream.
    """
    counted, kept, settled_at = readable(_AUDIENCE.rows(id=stream_id, caller=caller, now=now))
    given: dict[str, Any] = {"stream": stream_id, "seen_after": seen_after(now)}
    more = COUNTED_EACH_TIME + 1
    is_crowd = counted == more and _FEW.count(up_to=more, **given) == more
    page = (CROWD if is_crowd else VIEWERS).page(query, caller=caller, **given)
    page.data["participantAudienceTotal"] = kept if settled_at else current_number(counted, kept or 0)
    return page


def present_viewers(stream_id: str, *, now: datetime, most: int) -> list[tuple[User, datetime, datetime]]:
    """Who watches the stream now, with the first and the last time they were seen; those who came last first."""
    present = Participant.objects.audience(stream=stream_id, seen_after=seen_after(now))
    newest = present.select_related("user").order_by("-first_seen_at", "-user")[:most]
    return [(one.user, one.first_seen_at, one.last_seen_at) for one in newest]


def refuse_unless_readable(stream_id: str, *, caller: str, now: datetime) -> None:
    """Raises StreamMissing, and Banned when a ban blocks `caller` from the stream."""
    readable(_RESTRICTION_OF_READER.rows(id=stream_id, caller=caller, now=now))


def viewer_count(stream_id: str, *, caller: str, now: datetime) -> dict[str, Any]:
    """Raises StreamMissing, and Banned when a ban blocks `caller` from the stream."""
    since = seen_after(now)
    count, known, counted_at = readable(_COUNT.rows(id=stream_id, caller=caller, now=now, seen_after=since))
    if count > COUNTED_EACH_TIME:
        count = counted(stream_id, seen_after=since, known=known, counted_at=counted_at, now=now)
    return {"streamId": stream_id, "viewerCount": count}


def joined(stream: dict[str, Any], token: JoinToken) -> dict[str, Any]:
    """`stream` is a wire dictionary written for the user who joined."""
    expires_at = wire_time(token.expires_at)
    return {"liveStream": stream, "token": token.token, "role": stream["role"], "expiresAt": expires_at}


def left(stream_id: str, left_at: datetime) -> dict[str, Any]:
    return {"streamId": stream_id, "leftAt": wire_time(left_at)}


def revocations(page: RevocationPage) -> dict[str, Any]:
    """The revocations, and the cursor for the next call."""
    return {
        "list": [
            {"userId": user_id, "action": action, "until": optional_wire_time(until), "at": wire_time(at)}
            for user_id, action, until, at in page.rows
        ],
        "cursor": str(page.cursor),
    }
