"""The numbers of viewers of all active streams, for lists that are sorted by them; peaks, and samples once a minute."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Exists, OuterRef

from common.queries import ID, TIME, CountUpTo, Param, Question
from edges.models import CountingPass, Participant, ViewerCount
from edges.services.counting import ALL, LOWEST_ID, Counting
from edges.services.presence import seen_after
from livestreams.models import LiveStream, Status

CHUNK = 1_000  # streams


def follow_stream(stream: LiveStream, *, changed: Collection[str], now: datetime) -> None:
    """Keep a row for exactly the active streams; see `settings.STREAM_FOLLOWERS`."""
    if "status" not in changed:
        return
    if stream.status == Status.ACTIVE:
        _insert([stream.pk], now)
    elif stream.status == Status.ENDED:
        ViewerCount.objects.filter(stream=stream).delete()


# The rows of streams that are active. Statistics of a stream may be there already.
_STARTED = """
    WITH counted AS (
        INSERT INTO edges_viewercount (stream_id, viewers, counted_at, is_live)
        SELECT id, 0, %(now)s, true FROM unnest(%(streams)s::bytea[]) AS given (id)
        ON CONFLICT (stream_id) DO UPDATE SET is_live = true
    )
    INSERT INTO edges_streamstatistics (stream_id) SELECT id FROM unnest(%(streams)s::bytea[]) AS given (id)
    ON CONFLICT DO NOTHING
"""


def _insert(streams: Iterable[str], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_STARTED, {"now": now, "streams": [bytes.fromhex(stream_id) for stream_id in streams]})


_COUNTED = Question(
    lambda: (
        ViewerCount.objects.filter(is_live=True, stream__gt=Param("after", ID))
        .order_by("stream")
        .values_list(
            "stream_id",
            "viewers",
            "stream__statistics__peak",
            "stream__statistics__sampled",
            CountUpTo(
                Participant.objects.audience(stream=OuterRef("stream"), seen_after=Param("seen_after", TIME)),
                ALL,
            ),
        )
    )
)
# One statement for all rows of a chunk that changed. Most do not, and are not written.
_WRITE = """
    WITH counted AS (
        SELECT * FROM unnest(%(streams)s::bytea[], %(viewers)s::int[]) AS counted (stream_id, viewers)
    ), written AS (
        UPDATE edges_viewercount AS known SET viewers = counted.viewers, counted_at = %(now)s
        FROM counted WHERE known.stream_id = counted.stream_id AND known.viewers <> counted.viewers
    ), sampled AS (
        INSERT INTO edges_viewersample (stream_id, at, viewers)
        SELECT stream_id, %(minute)s::timestamptz, counted.viewers
        FROM counted JOIN edges_streamstatistics AS known USING (stream_id)
        WHERE known.sampled <> counted.viewers AND %(minute)s::timestamptz IS NOT NULL
        ON CONFLICT DO NOTHING
    )
    UPDATE edges_streamstatistics AS known SET
        peak_at = CASE WHEN counted.viewers > known.peak THEN %(now)s ELSE known.peak_at END,
        peak = greatest(known.peak, counted.viewers),
        sampled = CASE WHEN %(minute)s::timestamptz IS NULL THEN known.sampled ELSE counted.viewers END
    FROM counted WHERE known.stream_id = counted.stream_id
"""


def _count(after: str | None, current: CountingPass) -> str | None:
    now = current.begun_at
    is_first = current.before_at is None or current.before_at.minute != now.minute  # in this minute
    # Not at each pass, because it reads all active streams and finds something only during an upgrade.
    if after is None and is_first:
        _correct_rows(now)
    rows = _COUNTED.rows(limit=CHUNK, after=after or LOWEST_ID, seen_after=seen_after(now))
    changed = [
        (bytes.fromhex(stream_id), viewers)
        for stream_id, known, peak, sampled, viewers in rows
        if viewers != known or viewers > (peak or 0) or (is_first and viewers != (sampled or 0))
    ]
    if changed:
        streams, viewers = map(list, zip(*changed, strict=True))
        minute = now.replace(second=0, microsecond=0) if is_first else None
        with connection.cursor() as cursor:
            cursor.execute(_WRITE, {"now": now, "minute": minute, "streams": streams, "viewers": viewers})
    return rows[-1][0] if len(rows) == CHUNK else None


def _correct_rows(now: datetime) -> None:
    """Insert the rows of streams that a server of an older version started, and delete those of streams it ended."""
    ViewerCount.objects.filter(is_live=True).exclude(stream__status=Status.ACTIVE).delete()
    known = Exists(ViewerCount.objects.filter(stream=OuterRef("pk"), is_live=True, stream__statistics__isnull=False))
    # Locked, so that a stream that ends meanwhile gets no row.
    streams = LiveStream.objects.filter(~known, status=Status.ACTIVE).for_update(skip_locked=True)
    if missing := streams.values_list("pk", flat=True)[:CHUNK]:
        _insert(missing, now)


LIVE = Counting("live viewers", _count, rest=10, longest=timedelta(seconds=5))
