"""How many different viewers each creator had in the last 30 days."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count

from edges.models import CountingPass, CreatorAudience, Participant
from edges.services.counting import Counting

WINDOW = timedelta(days=30)
# Creators of whom no stream was active since are counted again after this time, because the window moves on.
COUNTED_AT_LEAST_EVERY = timedelta(days=1)
CHUNK = 50  # creators

# The next creators of whom a stream is active, ended since the pass before this one, or was counted long ago. Each part
# reads an index in the order of creators, or the few rows of an index that can match.
_NEXT = """
    (SELECT creator_id FROM livestreams_livestream
        WHERE status = 'active' AND creator_id > %(after)s ORDER BY creator_id LIMIT %(limit)s)
    UNION
    (SELECT creator_id FROM livestreams_livestream
        WHERE ended_at > %(since)s AND deleted_at IS NULL AND creator_id > %(after)s
        ORDER BY creator_id LIMIT %(limit)s)
    UNION
    (SELECT creator_id FROM edges_creatoraudience
        WHERE counted_at < %(long_ago)s AND creator_id > %(after)s ORDER BY creator_id LIMIT %(limit)s)
    ORDER BY creator_id LIMIT %(limit)s
"""
_NOBODY = bytes(12)


def _count(after: str | None, current: CountingPass) -> str | None:
    now = current.begun_at
    values: dict[str, Any] = {
        "after": bytes.fromhex(after) if after else _NOBODY,
        # Of the first pass: all of the window.
        "since": current.before_at or now - WINDOW,
        "long_ago": now - COUNTED_AT_LEAST_EVERY,
        "limit": CHUNK,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, values)
        creators = [bytes(creator).hex() for (creator,) in cursor.fetchall()]
    if creators:
        _write(creators, now)
    return creators[-1] if len(creators) == CHUNK else None


def _write(creators: list[str], now: datetime) -> None:
    """Count these creators, and write what changed or is old."""
    seen = Participant.objects.of_creators(creators, seen_after=now - WINDOW)
    counted = dict(seen.values_list("stream__creator").annotate(viewers=Count("user", distinct=True)).order_by())
    rows = CreatorAudience.objects.filter(creator__in=creators)
    known = {row.creator_id: row for row in rows}
    changed = [
        CreatorAudience(creator_id=creator, viewers=viewers, counted_at=now)
        for creator, viewers in counted.items()
        if creator not in known
        or known[creator].viewers != viewers
        or known[creator].counted_at < now - COUNTED_AT_LEAST_EVERY
    ]
    CreatorAudience.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["creator"], update_fields=["viewers", "counted_at"]
    )
    if gone := known.keys() - counted.keys():
        rows.filter(creator__in=gone).delete()


CREATORS = Counting("viewers of creators", _count, rest=100, longest=timedelta(minutes=10))
