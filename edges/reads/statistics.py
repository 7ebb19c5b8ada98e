"""The statistics of one stream."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.models import Case, OuterRef, When

from common.queries import ID, TIME, Param, Question
from common.times import optional_wire_time, wire_time
from edges.services.presence import window
from edges.services.statistics import Numbers, are_many, current_numbers, have_counted_later, numbers_of
from edges.services.viewer_counts import COUNTED_EACH_TIME
from livestreams.models import GuestStatus, LiveStream
from livestreams.services import StreamMissing, audience_restriction, readable

MOST_POINTS = 1_500  # a point a minute for 25 hours
LONGEST = timedelta(days=30)
MINUTE = timedelta(minutes=1)


class _Sampled(NamedTuple):
    """The samples of a point."""

    most: int
    last: int
    first_at: datetime


def _with_broadcasters() -> models.QuerySet[Any]:
    restriction = audience_restriction(stream=OuterRef("pk"), user=Param("caller", ID), now=Param("now", TIME))
    streams = LiveStream.objects.filter(pk=Param("id", ID))
    return streams.values_list("creator_id", "guest_id", "guest_status", restriction)


def _with_numbers() -> models.QuerySet[Any]:
    kept = [f"statistics__{name}" for name in ("stream_id", "settled_at", "peak", "peak_at", *Numbers._fields)]
    # NULL once the statistics are settled: the kept numbers are final, so no rows are read.
    counted = [
        Case(When(statistics__settled_at=None, then=number))
        for number in numbers_of(OuterRef("pk"), up_to=COUNTED_EACH_TIME + 1)
    ]
    return LiveStream.objects.filter(pk=Param("id", ID)).values_list("started_at", "ended_at", *kept, *counted)


_BROADCASTERS = Question(_with_broadcasters)
_NUMBERS = Question(_with_numbers)
# Of each point the largest sample, the last one, from which the points after it go on, and the time of the first one.
_SAMPLES = """
    SELECT floor(extract(epoch FROM at - %(begin)s) / %(seconds)s)::int AS point, max(viewers),
        (array_agg(viewers ORDER BY at DESC))[1], min(at)
    FROM edges_viewersample WHERE stream_id = %(stream)s AND at < %(end)s
    GROUP BY point
"""


def broadcasters(stream_id: str, *, caller: str, now: datetime) -> Collection[str]:
    """The ids of the creator, and of the guest who has accepted.

    Raises StreamMissing, and Banned when a ban blocks `caller` from the stream.
    """
    creator_id, guest_id, guest_status = readable(_BROADCASTERS.rows(id=stream_id, caller=caller, now=now))
    return {creator_id, guest_id} if guest_status == GuestStatus.ACCEPTED else {creator_id}


def statistics_of(stream_id: str, *, now: datetime) -> dict[str, Any]:
    """Raises StreamMissing."""
    rows = _NUMBERS.rows(id=stream_id, window=window())
    if not rows:
        raise StreamMissing
    started_at, ended_at, kept_id, settled_at, peak, peak_at, *numbers = rows[0]
    size = len(Numbers._fields)
    kept, counted = Numbers(*numbers[:size]) if kept_id else None, Numbers(*numbers[size:])
    if kept is None and are_many(counted):
        have_counted_later(stream_id)
    found = current_numbers(counted, kept, is_settled=settled_at is not None)
    seconds, points = _viewers_over_time(stream_id, started_at, ended_at or now)
    return {
        "streamId": stream_id,
        "isFinal": settled_at is not None,
        "uniqueViewers": found.audience,
        "peakViewers": peak or 0,
        "peakAt": optional_wire_time(peak_at),
        "watchSeconds": round(found.watched_seconds),
        "averageWatchSeconds": round(found.watched_seconds / found.audience) if found.audience else 0,
        "remindersSet": found.reminders,
        "remindersConverted": found.converted,
        "bans": found.bans,
        "secondsPerPoint": seconds,
        "viewersOverTime": points,
    }


def _viewers_over_time(
    stream_id: str, started_at: datetime | None, until: datetime
) -> tuple[int, list[dict[str, Any]]]:
    """The seconds of each point, and the points. At most `MOST_POINTS`, of the first `LONGEST` of the stream."""
    if started_at is None:
        return int(MINUTE.total_seconds()), []
    begin = started_at.replace(second=0, microsecond=0)
    minutes = max(1, -(-min(until - begin, LONGEST) // MINUTE))
    each = -(-minutes // MOST_POINTS)
    points, step = -(-minutes // each), each * MINUTE
    seconds = int(step.total_seconds())
    with connection.cursor() as cursor:
        given: dict[str, Any] = {
            "stream": bytes.fromhex(stream_id),
            "begin": begin,
            "end": begin + points * step,
            "seconds": seconds,
        }
        cursor.execute(_SAMPLES, given)
        sampled = {point: _Sampled(*samples) for point, *samples in cursor.fetchall()}
    found, last = [], 0
    for point in range(points):
        at, samples = begin + point * step, sampled.get(point)
        # Without a sample at its beginning, a point begins with the number of the one before.
        most = last if samples is None else samples.most if samples.first_at == at else max(last, samples.most)
        last = last if samples is None else samples.last
        found.append({"at": wire_time(at), "viewers": most})
    return seconds, found
