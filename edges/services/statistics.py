"""The numbers of a stream that are counted from its rows: audience, watch time, reminders and bans.

Few rows are counted at each call. The numbers of streams with more are kept in `StreamStatistics`: workers count them
once a minute while the stream is active, and once more when it is over.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.models import Case, Exists, F, Func, OuterRef, When
from django.db.models.functions import Cast

from common.queries import ID, CountUpTo, Param, Question, TotalUpTo
from edges.hooks import STREAM_BANS, STREAM_REMINDERS
from edges.models import HAS_LEFT, CountingPass, Participant, StreamStatistics
from edges.services.counting import ALL, LOWEST_ID, Counting
from edges.services.presence import window
from edges.services.viewer_counts import COUNTED_EACH_TIME

CHUNK = 50  # streams
JOIN_ORDER = ["first_seen_at"]

_DURATION, _INTEGER = models.DurationField(), models.IntegerField()


class Numbers(NamedTuple):
    """`audience` joined as audience, and watched for `watched_seconds` together.

    `reminders` are set for the stream, and the users of `converted` of them joined it.
    """

    audience: int
    watched_seconds: float
    reminders: int
    converted: int
    bans: int


class _Seconds(Func):
    template = "EXTRACT(EPOCH FROM %(expressions)s)::float8"
    output_field = models.FloatField()


def _watched() -> Case:
    """What a participant has watched. Who was there at the end has watched until then, without a renewal after it."""
    end, seen = F("stream__ended_at"), F("last_seen_at")
    was_there = {"stream__ended_at__gt": seen, "stream__ended_at__lte": seen + Param("window", _DURATION)}
    since = models.ExpressionWrapper(end - seen, output_field=_DURATION)
    return Case(When(~HAS_LEFT, **was_there, then=F("watched_seconds") + _Seconds(since)), default=F("watched_seconds"))


def numbers_of(stream: Any, *, up_to: int) -> Sequence[Any]:
    """Expressions for the `Numbers` of `stream`, each of which reads at most `up_to` rows. Takes a Param `window`."""
    audience = Participant.objects.joined_as_audience(stream=stream)
    reminders = STREAM_REMINDERS.function()(stream=stream)
    joined = Exists(Participant.objects.filter(stream=OuterRef("stream"), user=OuterRef("user")))
    # Each order is that of an index. Without a limit all rows are read, and the order does not matter.
    by_join, by_user = (JOIN_ORDER, ["user"]) if up_to < ALL else ([], [])
    numbers = {
        "audience": CountUpTo(audience, up_to, order=by_join),
        "watched_seconds": TotalUpTo(audience, _watched(), up_to, order=by_join),
        "reminders": CountUpTo(reminders, up_to, order=by_user),
        "converted": Cast(TotalUpTo(reminders, Cast(joined, _INTEGER), up_to, order=by_user), _INTEGER),
        "bans": CountUpTo(STREAM_BANS.function()(stream=stream), up_to),
    }
    return [numbers[name] for name in Numbers._fields]


def current_number(counted: int, kept: int) -> int:
    """`counted` is exact up to `COUNTED_EACH_TIME`; above, no more rows were read.

    `kept` is what workers counted last.
    """
    return counted if counted <= COUNTED_EACH_TIME else max(counted, kept)


def current_numbers(counted: Numbers, kept: Numbers | None, *, is_settled: bool) -> Numbers:
    """As `current_number`, of all numbers. Sums are kept if the number of their rows is."""
    kept = kept or Numbers(0, 0.0, 0, 0, 0)
    if is_settled:
        return kept
    few_viewers = counted.audience <= COUNTED_EACH_TIME
    few_reminders = counted.reminders <= COUNTED_EACH_TIME
    return Numbers(
        audience=current_number(counted.audience, kept.audience),
        watched_seconds=counted.watched_seconds if few_viewers else kept.watched_seconds,
        reminders=current_number(counted.reminders, kept.reminders),
        converted=counted.converted if few_reminders else kept.converted,
        bans=current_number(counted.bans, kept.bans),
    )


def are_many(counted: Numbers) -> bool:
    """Whether `current_numbers` needs numbers that were counted before."""
    return max(counted.audience, counted.reminders, counted.bans) > COUNTED_EACH_TIME


def have_counted_later(stream_id: str) -> None:
    """Have workers count a stream that started before there were statistics."""
    StreamStatistics.objects.bulk_create([StreamStatistics(stream_id=stream_id)], ignore_conflicts=True)


_COUNTED = Question(
    lambda: (
        StreamStatistics.objects.filter(settled_at=None, stream__gt=Param("after", ID))
        .order_by("stream")
        .values_list("stream_id", "stream__ended_at", *Numbers._fields, *numbers_of(OuterRef("stream"), up_to=ALL))
    )
)
_WRITE = """
    UPDATE edges_streamstatistics AS known SET
        audience = counted.audience, watched_seconds = counted.watched_seconds, reminders = counted.reminders,
        converted = counted.converted, bans = counted.bans, settled_at = CASE WHEN is_last THEN %s END
    FROM unnest(%s::bytea[], %s::boolean[], %s::int[], %s::float8[], %s::int[], %s::int[], %s::int[]) AS
        counted (stream_id, is_last, audience, watched_seconds, reminders, converted, bans)
    WHERE known.stream_id = counted.stream_id
"""


def _count(after: str | None, current: CountingPass) -> str | None:
    now, size = current.begun_at, len(Numbers._fields)
    rows = _COUNTED.rows(limit=CHUNK, after=after or LOWEST_ID, window=window())
    changed = []
    for stream_id, ended_at, *numbers in rows:
        kept, counted = numbers[:size], numbers[size:]
        # Until then, users who were there at the end may still leave.
        is_last = ended_at is not None and ended_at + window() < now
        if is_last or kept != counted:
            changed.append((bytes.fromhex(stream_id), is_last, *counted))
    if changed:
        with connection.cursor() as cursor:
            cursor.execute(_WRITE, [now, *map(list, zip(*changed, strict=True))])
    return rows[-1][0] if len(rows) == CHUNK else None


# Almost a minute, because the task that counts comes a little sooner than a minute after the one before.
STATISTICS = Counting("statistics of streams", _count, rest=100, longest=timedelta(seconds=50))
