"""Streams that are active now, and the creators with most viewers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F
from rest_framework.response import Response

from accounts.serializers import UserSummarySerializer
from common.orders import Order
from common.pagination import Listing
from common.queries import Question, Window
from edges.models import CreatorAudience, ViewerCount
from edges.serializers import LiveNowSerializer
from edges.services import CREATORS, LIVE
from livestreams.models import LiveStream, Status
from livestreams.serializers import LiveStreamSerializer

FEATURED = 10


def _live() -> models.QuerySet[ViewerCount]:
    return ViewerCount.objects.filter(is_live=True)


def _active() -> models.QuerySet[LiveStream]:
    return LiveStream.objects.filter(status=Status.ACTIVE)


# One list with two orders. Each order reads an index of the table that has its column, so the two are lists of rows of
# different tables.
LIVE_BY_VIEWERS = Listing(
    "live-by-viewers",
    LiveNowSerializer,
    _live,
    values={},
    orders={"viewers": Order(F("viewers"))},
    subject="stream",
    from_replica=True,
)
LIVE_BY_START = Listing(
    "live-by-start",
    LiveNowSerializer,
    _active,
    values={},
    orders={"newest": Order(F("started_at"))},
    from_replica=True,
)
_LISTS = {"viewers": LIVE_BY_VIEWERS, "newest": LIVE_BY_START}


def whats_live_now(query: Mapping[str, Any], *, caller: str, now: datetime) -> Response:
    """Active streams with their numbers of viewers, in the order `sort_by` of the query."""
    LIVE.refresh(now)
    return _LISTS[query["sort_by"]].page(query, caller=caller)


def _first(rows: models.QuerySet[Any], *order: str) -> models.QuerySet[Any]:
    """The first rows in this order, as many as `limit` of `Question.rows` says."""
    first = Window(rows.order_by(*order).values("pk"), skips=False)
    return rows.model._base_manager.filter(pk__in=first).order_by(*order)


_FEATURED = Question(
    lambda: _first(_live(), "-viewers", "-stream").values_list(
        *(f"stream__{column}" for column in LiveNowSerializer.columns())
    ),
    from_replica=True,
)
_STARTED_LAST = Question(
    lambda: _first(_active(), "-started_at", "-pk").values_list(*LiveStreamSerializer.columns()), from_replica=True
)
_MOST_WATCHED = Question(
    lambda: _first(CreatorAudience.objects.filter(creator__is_active=True), "-viewers", "-creator").values_list(
        *(f"creator__{column}" for column in UserSummarySerializer.columns()), "viewers"
    ),
    from_replica=True,
)


def featured(*, now: datetime) -> list[dict[str, Any]]:
    """The active streams with most viewers, at most `FEATURED`, written for an anonymous caller."""
    LIVE.refresh(now)
    return [LiveNowSerializer.to_wire(row) for row in _FEATURED.rows(limit=FEATURED)]


def catch_streamers(limit: int) -> list[dict[str, Any]]:
    """The creators of the active streams that started last, each with the stream."""
    streams = [LiveStreamSerializer.to_wire(row) for row in _STARTED_LAST.rows(limit=limit)]
    return [{"creator": stream["creator"], "activeLiveStream": stream} for stream in streams]


def most_watched_creators(limit: int, *, now: datetime) -> list[dict[str, Any]]:
    """The creators with the largest numbers of different viewers in the last 30 days."""
    CREATORS.refresh(now)
    return [
        UserSummarySerializer.to_wire(row) | {"isFollowing": None, "uniqueViewers": viewers}
        for *row, viewers in _MOST_WATCHED.rows(limit=limit)
    ]
