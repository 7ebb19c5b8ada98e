"""Finds the entries that filters ask for, and reads at most a bounded number of others.

The entries are those of one or more sources, each in the order of its index: entries of an actor, of a target, of an
action, of a rare entry point, or all. The other conditions are compared with at most `LOOKED_AT` entries of the
sources. When these have too few, the page says up to where it looked, and its link continues there.
"""

# ruff: noqa: S608 - names of columns are ours

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from common.entry_points import EntryPoint
from common.refusals import Text

PAGE = 50
LOOKED_AT_FIRST, LOOKED_AT = 500, 10_000
AT_ENDS = 2_000  # entries by time whose ids are read at each end of a range of times
LARGEST_ID = 2**63 - 1
# The partial index by entry point has these: few entries, which are far apart among those of the API and of tasks.
RARE = frozenset({EntryPoint.ADMIN.value, EntryPoint.COMMAND.value})


@dataclass(frozen=True)
class Wanted:
    """What the entries must match: every condition that is not None, and one of the values of each."""

    actors: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    entry_point: str | None = None
    request_id: str | None = None
    touching: str | None = None
    """The id of an actor or of a target."""
    since: datetime | None = None
    until: datetime | None = None
    given: dict[str, str] = field(default_factory=dict)
    """The filter as the reader gave it, for the audit row of an export."""
    notes: tuple[Text, ...] = ()
    """What the filter does not consider, in words."""


@dataclass(frozen=True)
class Found:
    """Ids, newest first. `older` is the id before which the search continues; None at the end."""

    ids: list[int]
    older: int | None


@dataclass(frozen=True)
class _Source:
    """`column` equals one of `values`, which an index has in the order of ids; "" for all entries."""

    column: str
    array: str
    values: list[Any]


def find(wanted: Wanted, *, before: int | None = None, most: int = PAGE) -> Found:
    """The newest `most` entries below the id `before`. Three statements at most."""
    if () in (wanted.actors, wanted.targets, wanted.actions):
        return Found([], None)
    first, last = _ids_of_times(wanted)
    if first is None or last is None:
        return Found([], None)
    last = min(last, (before or LARGEST_ID) - 1)
    sources = _sources(wanted)
    conditions, values = _conditions(wanted, sources[0].column if len(sources) == 1 else "")
    for looked_at in (LOOKED_AT_FIRST, LOOKED_AT):
        each = max(most + 1, looked_at // sum(len(source.values) or 1 for source in sources))
        sql, parameters = _statement(sources, (conditions, values), (first, last), each=each, most=most)
        found = _found(sql, parameters, most)
        # Without conditions the first entries of each source are those of the page.
        if found.older is None or len(found.ids) == most or not conditions:
            break
    return found


def _found(sql: str, parameters: list[Any], most: int) -> Found:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    ids = [pk for pk, _ in rows if pk is not None]
    if len(ids) > most:
        return Found(ids[:most], ids[most - 1])
    return Found(ids, rows[0][1] or None)


# --- sources --------------------------------------------------------------------------------------


def _sources(wanted: Wanted) -> list[_Source]:
    """The most selective condition that has an index."""
    if wanted.touching is not None:
        pk = [bytes.fromhex(wanted.touching)]
        return [_Source("target_id", "bytea", pk), _Source("actor_id", "bytea", pk)]
    if wanted.targets is not None:
        return [_Source("target_id", "bytea", [bytes.fromhex(pk) for pk in wanted.targets])]
    if wanted.actors is not None:
        return [_Source("actor_id", "bytea", [bytes.fromhex(pk) for pk in wanted.actors])]
    if wanted.entry_point in RARE and not (wanted.actions and len(wanted.actions) == 1):
        return [_Source("entry_point", "text", [wanted.entry_point])]
    if wanted.actions is not None:
        return [_Source("action", "text", list(wanted.actions))]
    return [_Source("", "", [])]


def _conditions(wanted: Wanted, source: str) -> tuple[list[str], list[Any]]:
    """What the entries of the source are compared with."""
    tests: list[tuple[str, Any]] = []
    if wanted.targets is not None and source != "target_id":
        tests.append(("entry.target_id = ANY(%s::bytea[])", [bytes.fromhex(pk) for pk in wanted.targets]))
    if wanted.actors is not None and source != "actor_id":
        tests.append(("entry.actor_id = ANY(%s::bytea[])", [bytes.fromhex(pk) for pk in wanted.actors]))
    if wanted.actions is not None and source != "action":
        tests.append(("entry.action = ANY(%s)", list(wanted.actions)))
    if wanted.entry_point is not None and source != "entry_point":
        tests.append(("entry.entry_point = %s", wanted.entry_point))
    if wanted.request_id is not None:
        tests.append(("entry.request_id = %s", wanted.request_id))
    if wanted.since is not None:
        tests.append(("entry.at >= %s", wanted.since))
    if wanted.until is not None:
        tests.append(("entry.at <= %s", wanted.until))
    return [test for test, _ in tests], [value for _, value in tests]


def _statement(
    sources: list[_Source], tests: tuple[list[str], list[Any]], ids: tuple[int, int], *, each: int, most: int
) -> tuple[str, list[Any]]:
    """One row for each id, at least one, with the horizon: the id below which a source was not read; 0 if all were.

    Entries below the horizon are left out, because another source may have entries between them.
    """
    conditions, values = tests
    parts, parameters = [], list[Any]()
    matches = " AND ".join(conditions) or "true"
    first, last = ids
    for number, source in enumerate(sources):
        if source.column:
            key = f"(entry.{source.column}, entry.id)"
            # A condition of the partial index, too.
            also = "entry.entry_point IN ('admin', 'command') AND " if source.column == "entry_point" else ""
            # Comparing pairs instead of two columns leaves no plan without the index of the pair. Otherwise PostgreSQL
            # expects the next match soon, walks the primary key, and for a rare value to its end. Partitions are not
            # pruned then, which costs a look-up in the index of each.
            parts.append(
                f"""
                SELECT {number} AS source, sought.value::text AS value, looked.id, looked.matches
                FROM unnest(%s::{source.array}[]) AS sought (value), LATERAL (
                    SELECT entry.id, ({matches}) AS matches FROM common_auditentry entry
                    WHERE {also}{key} BETWEEN (sought.value, %s) AND (sought.value, %s)
                    ORDER BY entry.{source.column} DESC, entry.id DESC LIMIT %s
                ) AS looked
                """
            )
            parameters += [source.values, *values, first, last, each]
        else:
            parts.append(
                f"""
                SELECT {number} AS source, '' AS value, looked.id, looked.matches FROM (
                    SELECT entry.id, ({matches}) AS matches FROM common_auditentry entry
                    WHERE entry.id BETWEEN %s AND %s ORDER BY entry.id DESC LIMIT %s
                ) AS looked
                """
            )
            parameters += [*values, first, last, each]
    union = " UNION ALL ".join(parts)
    sql = f"""
        WITH looked_at AS MATERIALIZED ({union}),
        ends AS (SELECT min(id) AS id FROM looked_at GROUP BY source, value HAVING count(*) >= %s),
        horizon AS (SELECT coalesce(max(id), 0) AS id FROM ends),
        page AS (
            SELECT DISTINCT looked_at.id FROM looked_at, horizon
            WHERE looked_at.matches AND looked_at.id >= horizon.id ORDER BY looked_at.id DESC LIMIT %s
        )
        SELECT page.id, horizon.id FROM horizon LEFT JOIN page ON true ORDER BY page.id DESC
    """
    return sql, [*parameters, each, most + 1]


# --- times ----------------------------------------------------------------------------------------

_RANGE = """
    SELECT min(id), max(id) FROM (
        (SELECT id FROM common_auditentry WHERE at BETWEEN %(since)s AND %(until)s ORDER BY at, id LIMIT %(most)s)
        UNION ALL
        (SELECT id FROM common_auditentry WHERE at BETWEEN %(since)s AND %(until)s ORDER BY at DESC, id DESC
            LIMIT %(most)s)
    ) AS ends
"""


def _ids_of_times(wanted: Wanted) -> tuple[int | None, int | None]:
    """The lowest and the highest id of the entries of these times; None when there are none.

    Ids are in the order of times but for the length of a transaction and the clocks of machines. So in a range of more
    than twice `AT_ENDS` entries, the lowest id is among the first entries, and the highest among the last.
    """
    if wanted.since is None and wanted.until is None:
        return 0, LARGEST_ID
    given = {"since": wanted.since or "-infinity", "until": wanted.until or "infinity", "most": AT_ENDS}
    with connection.cursor() as cursor:
        cursor.execute(_RANGE, given)
        first, last = cursor.fetchone()
    return first, last
