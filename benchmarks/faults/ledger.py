"""Compares what was acknowledged, by answers with 2xx, with what the database has at the end."""

from collections.abc import Sequence
from typing import LiteralString

import psycopg

from benchmarks.faults.driver import Seen

# One statement for each kind of fact. It returns the numbers of the facts that do not hold: their place in the arrays.
_HAS_ONE_ID: dict[str, LiteralString] = {
    "created": "EXISTS (SELECT FROM livestreams_livestream row WHERE row.id = fact.first)",
    "cancelled": "EXISTS (SELECT FROM livestreams_livestream row WHERE row.id = fact.first"
    " AND row.status = 'cancelled_by_host')",
    "banned": "EXISTS (SELECT FROM bans_livestreamban row WHERE row.stream_id = fact.first"
    " AND row.target_id = fact.second AND row.deleted_at IS NULL)",
    "lifted": "EXISTS (SELECT FROM bans_livestreamban row WHERE row.id = fact.first AND row.deleted_at IS NOT NULL)",
    "reminded": "EXISTS (SELECT FROM reminders_reminder row WHERE row.stream_id = fact.first"
    " AND row.user_id = fact.second)",
    "joined": "EXISTS (SELECT FROM edges_participant row WHERE row.stream_id = fact.first"
    " AND row.user_id = fact.second)",
}


def lost(connection: psycopg.Connection, calls: Sequence[Seen]) -> list[Seen]:
    """The acknowledged writes that the database does not have."""
    missing: list[Seen] = []
    for kind, holds in _HAS_ONE_ID.items():
        facts = [seen for seen in calls if seen.fact and seen.fact[0] == kind]
        ids = [[_id(seen.fact[place]) for seen in facts] for place in (1, -1)]
        found = connection.execute(
            "SELECT fact.number FROM unnest(%s::bytea[], %s::bytea[]) WITH ORDINALITY AS fact(first, second, number)"
            f" WHERE NOT {holds}",
            ids,
        )
        missing += [facts[number - 1] for (number,) in found]
    return missing


def _id(text: str) -> bytes:
    """An id that the answer did not contain is that of no row."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
