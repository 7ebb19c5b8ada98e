"""Bans as the front page of the admin shows them: expressions that `config/front_page` reads in one statement.

Each reads a bounded number of rows from an index, whatever the size of the tables. Their parameters are `user`, the
reader, and the times `now`, `lately` (ten minutes ago) and `hour` (the start of this hour).
"""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import JSONObject

from bans.models import Appeal, LiveStreamBan
from bans.queue import UNREVIEWED, Queue, condition_of
from common.queries import ID, TIME, CountAmong, CountUpTo, Param
from edges.models import ViewerCount

MOST_COUNTED = 1_000  # exact up to here
MOST_WALKED = 2_000  # rows that are read to count those that match, where no index has only them
STREAMS_SHOWN = 8
RAIDS_SHOWN = 4
DECISIONS_SHOWN = 10
HOURS = 24

Review = LiveStreamBan.Review
ActionType = LiveStreamBan.ActionType

_NOW, _LATELY = Param("now", TIME), Param("lately", TIME)


def counted(rows: QuerySet[Any], *order: str) -> CountUpTo:
    """`MOST_COUNTED` + 1 stands for any larger number."""
    return CountUpTo(rows, MOST_COUNTED + 1, order=order)


def waiting() -> JSONObject:
    """The number of bans in each queue, and when the oldest pending appeal was made."""
    pending = Appeal.objects.filter(state=Appeal.State.PENDING)
    bans, unreviewed = LiveStreamBan.all_objects, LiveStreamBan.all_objects.filter(UNREVIEWED)
    return JSONObject(
        appeals=counted(pending, "-created_at", "-id"),
        oldest_appeal=Subquery(pending.order_by("created_at", "id").values("created_at")[:1]),
        live=counted(bans.waiting(_NOW, Queue.LIVE)),
        ending=counted(bans.waiting(_NOW, Queue.ENDING), "expires_at", "id"),
        rest=CountAmong(unreviewed, condition_of(Queue.REST, _NOW), MOST_WALKED, order=["created_at", "id"]),
    )


def live(*, with_bans: bool) -> JSONObject:
    """The number of active streams, and those with most viewers; `with_bans`: with their bans of the last ten minutes.

    Lifted bans are not among them.
    """
    active = ViewerCount.objects.filter(is_live=True)
    bans = LiveStreamBan.objects.filter(stream=OuterRef("stream"), created_at__gt=_LATELY)
    shown: dict[str, Any] = {
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
    reviewed = LiveStreamBan.all_objects.filter(reviewed_by=Param("user", ID), reviewed_at__isnull=False).order_by(
        "-reviewed_at", "-id"
    )
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


# The newest batches with unreviewed bans. A loose index scan (the recursive CTE) finds the few ids among many bans. Ids
# begin with the second of their creation, so the newest ones are the largest.
_UNREVIEWED = "review = 'unreviewed' AND deleted_at IS NULL"
_RAIDS = f"""
    WITH RECURSIVE batch(id) AS (
        (SELECT batch_id FROM bans_livestreamban WHERE batch_id IS NOT NULL AND {_UNREVIEWED}
            ORDER BY batch_id DESC LIMIT 1)
        UNION ALL
        SELECT (SELECT batch_id FROM bans_livestreamban WHERE batch_id < batch.id AND {_UNREVIEWED}
                ORDER BY batch_id DESC LIMIT 1)
        FROM batch WHERE batch.id IS NOT NULL
    ), newest AS (
        SELECT id FROM batch WHERE id IS NOT NULL LIMIT {RAIDS_SHOWN + 1:d}
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', newest.id, 'stream', stream.title, 'by', author.username, 'made_at', one.created_at,
        'reason', one.reason,
        'people', (SELECT count(*) FROM (
            SELECT FROM bans_livestreamban WHERE batch_id = newest.id LIMIT {MOST_COUNTED + 1:d}) AS counted),
        'waiting', (SELECT count(*) FROM (
            SELECT FROM bans_livestreamban WHERE batch_id = newest.id AND {_UNREVIEWED}
            LIMIT {MOST_COUNTED + 1:d}) AS counted)
    ) ORDER BY newest.id DESC), '[]')
    FROM newest
    CROSS JOIN LATERAL (SELECT * FROM bans_livestreamban WHERE batch_id = newest.id LIMIT 1) AS one
    JOIN livestreams_livestream AS stream ON stream.id = one.stream_id
    JOIN accounts_user AS author ON author.id = one.created_by_id
"""  # noqa: S608 - the conditions are ours


def raids() -> RawSQL:
    """The newest `RAIDS_SHOWN` batches with unreviewed bans, and one more if there are more."""
    return RawSQL(_RAIDS, [], output_field=models.JSONField())  # noqa: S611


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
