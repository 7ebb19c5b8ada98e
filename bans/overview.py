"""Bans as the front page of the admin shows them: expressions that `config/front_page` reads in one statement.

Each reads a bounded number of rows from an index, whatever the size of the tables. Their parameters are `user`, the
reader, and the times `now`, `soon` (in an hour), `lately` (ten minutes ago) and `hour` (the start of this hour).
"""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, Func, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from bans.models import Appeal, LiveStreamBan
from common.queries import ID, TIME, CountAmong, CountUpTo, Param
from edges.models import ViewerCount
from livestreams.models import Status

MOST_COUNTED = 1_000  # exact up to here
MOST_WALKED = 2_000  # rows that are read to count those that match, where no index has only them
STREAMS_SHOWN = 8
DECISIONS_SHOWN = 10
HOURS = 24

Review = LiveStreamBan.Review
ActionType = LiveStreamBan.ActionType

_NOW, _SOON, _LATELY = Param("now", TIME), Param("soon", TIME), Param("lately", TIME)


def counted(rows: QuerySet[Any], *order: str) -> CountUpTo:
    """`MOST_COUNTED` + 1 stands for any larger number."""
    return CountUpTo(rows, MOST_COUNTED + 1, order=order)


def waiting() -> JSONObject:
    """The numbers of bans in each part of the queue, and when the oldest pending appeal was made."""
    pending = Appeal.objects.filter(state=Appeal.State.PENDING)
    is_appealed = Exists(pending.filter(ban=OuterRef("pk")))
    unreviewed = LiveStreamBan.objects.filter(review=Review.UNREVIEWED)
    is_live = Q(stream__status=Status.ACTIVE)
    ends_soon = Q(expires_at__gt=_NOW, expires_at__lte=_SOON)
    ends_otherwise = Q(expires_at__isnull=True) | Q(expires_at__lte=_NOW) | Q(expires_at__gt=_SOON)
    return JSONObject(
        appeals=counted(pending, "-created_at", "-id"),
        oldest_appeal=Subquery(pending.order_by("created_at", "id").values("created_at")[:1]),
        live=counted(unreviewed.filter(~is_appealed, is_live)),
        ending=counted(unreviewed.filter(~is_appealed, ~is_live, ends_soon), "expires_at", "id"),
        rest=CountAmong(unreviewed, ~is_appealed & ~is_live & ends_otherwise, MOST_WALKED, order=["created_at", "id"]),
    )


def live(*, with_bans: bool) -> JSONObject:
    """The number of active streams, and those with most viewers; `with_bans`: with their bans of the last ten minutes.

    Lifted bans are not among them.
    """
    active = ViewerCount.objects.filter(is_live=True)
    bans = LiveStreamBan.objects.filter(stream=OuterRef("stream"), created_at__gt=_LATELY)
    shown = {
        "id": "stream_id",
        "title": "stream__title",
        "host": "stream__creator__username",
        "started_at": "stream__started_at",
        "viewers": "viewers",
    }
    if with_bans:
        shown["bans"] = counted(bans, "-created_at", "-id")
    rows = active.order_by("-viewers", "-stream").values(row=JSONObject(**shown))
    return JSONObject(count=counted(active, "-viewers", "-stream"), rows=ArraySubquery(rows[:STREAMS_SHOWN]))


def decisions() -> ArraySubquery:
    """The last bans that the user has reviewed, newest first."""
    reviewed = LiveStreamBan.all_objects.filter(reviewed_by=Param("user", ID)).order_by("-reviewed_at", "-id")
    row = JSONObject(
        id="pk",
        person="target__username",
        stream="stream__title",
        review="review",
        action_type="action_type",
        reviewed_at="reviewed_at",
        updated_at="updated_at",
        appeal="appeal__state",
        appealed_at="appeal__updated_at",
    )
    return ArraySubquery(reviewed.values(row=row)[:DECISIONS_SHOWN])


class _HoursAgo(Func):
    """The start of the hour that a row of `bucket` names, or with `later=1` its end."""

    template = "(%(expressions)s - (bucket.hours_ago - %(later)s) * interval '1 hour')"
    output_field = models.DateTimeField()

    def __init__(self, *, later: int) -> None:
        super().__init__(Param("hour", TIME), later=later)


class _CountedByHour(Subquery):
    template = (
        "ARRAY(SELECT (SELECT COUNT(*) FROM (%(subquery)s LIMIT %(up_to)s) AS counted)"
        " FROM generate_series(%(oldest)s, 0, -1) AS bucket (hours_ago))"
    )


def by_hour(action_type: ActionType) -> _CountedByHour:
    """The numbers of bans of this kind in each of the last `HOURS` hours, oldest first, also of lifted ones."""
    bans = LiveStreamBan.all_objects.filter(
        action_type=action_type, created_at__gte=_HoursAgo(later=0), created_at__lt=_HoursAgo(later=1)
    )
    numbers = ArrayField(models.IntegerField())
    rows = bans.order_by("created_at").values("pk")
    return _CountedByHour(rows, output_field=numbers, up_to=MOST_COUNTED + 1, oldest=HOURS - 1)
