"""How much tables grow that are updated often, and how many of their updates are HOT, with several fill factors.

Each table is copied without foreign keys, filled, and updated with the statements of the service. VACUUM runs when
autovacuum would have begun: after `scale` of the rows. So the figures do not depend on the speed of the machine.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from benchmarks.own_database import own_database

FILL_FACTORS = (100, 90, 80, 70)
SCALES = (0.2, 0.05)  # the first is PostgreSQL's own autovacuum_vacuum_scale_factor
AT_ONCE = 200  # rows in one statement, as so many transactions between two prunings of a page


@dataclass(frozen=True)
class Case:
    """`fill` has the parameter %(rows)s; `update` %(ids)s, positions from 1, and %(step)s.

    Each row is updated `rounds` times.
    """

    table: str
    what: str
    fill: str
    update: str
    rounds: int


_ID = "decode(lpad(to_hex({0}), 24, '0'), 'hex')"
_ROW = _ID.format("n")
_SOME = f"(SELECT {_ROW} FROM unnest(%(ids)s::int[]) AS n)"
_NOW = "timestamptz '2026-01-01' + %(step)s * interval '2 minutes'"

CASES = (
    Case(
        "accounts_session",
        "a refresh",
        "INSERT INTO {table} (id, user_id, refresh_id, created_at, expires_at) SELECT"
        f" {_ROW}, {_ID.format('n %% 1000')}, md5(n::text), '2026-01-01', '2026-02-01'"
        " FROM generate_series(1, %(rows)s) n",
        "UPDATE {table} SET refresh_id = md5(random()::text), refreshes = refreshes + 1,"
        f" refreshed_at = {_NOW}, expires_at = {_NOW} + interval '30 days' WHERE id IN {_SOME}",
        10,
    ),
    Case(
        "edges_participant",
        "a renewal of a join token every two minutes",
        "INSERT INTO {table} (id, stream_id, user_id, first_seen_at, last_seen_at) SELECT"
        f" {_ROW}, {_ID.format('n %% 20')}, {_ROW}, '2026-01-01', '2026-01-01' FROM generate_series(1, %(rows)s) n",
        f"UPDATE {{table}} SET last_seen_at = {_NOW}, watched_seconds = watched_seconds + 120 WHERE id IN {_SOME}",
        30,
    ),
    Case(
        "edges_streamstatistics",
        "a counting of an active stream",
        f"INSERT INTO {{table}} (stream_id) SELECT {_ROW} FROM generate_series(1, %(rows)s) n",
        "UPDATE {table} SET audience = audience + 1, watched_seconds = watched_seconds + 60"
        f" WHERE stream_id IN {_SOME}",
        30,
    ),
    Case(
        "edges_viewercount",
        "a counting of an active stream",
        "INSERT INTO {table} (stream_id, viewers, counted_at, is_live) SELECT"
        f" {_ROW}, 5, '2026-01-01', true FROM generate_series(1, %(rows)s) n",
        f"UPDATE {{table}} SET viewers = (random() * 1000)::int, counted_at = {_NOW} WHERE stream_id IN {_SOME}",
        30,
    ),
    Case(
        "common_ratecounter",
        "a call that is counted",
        "INSERT INTO {table} (key, count, ends_at) SELECT"
        " md5(n::text)::uuid, 1, '2026-01-01' FROM generate_series(1, %(rows)s) n",
        "UPDATE {table} SET count = count + 10"
        " WHERE key IN (SELECT md5(n::text)::uuid FROM unnest(%(ids)s::int[]) AS n)",
        30,
    ),
    Case(
        "common_lastwrite",
        "a change",
        "INSERT INTO {table} (caller, lsn, written_at) SELECT"
        f" {_ROW}, 1, '2026-01-01' FROM generate_series(1, %(rows)s) n",
        f"UPDATE {{table}} SET lsn = lsn + 1, written_at = {_NOW} WHERE caller IN {_SOME}",
        30,
    ),
)


@dataclass(frozen=True)
class Measured:
    """Sizes in bytes: of the table and its indexes when filled, and after the updates."""

    filled: int
    table: int
    indexes_filled: int
    indexes: int
    hot: float  # of all updates
    wal: int  # bytes an update


def measured(case: Case, *, rows: int, fill_factor: int, scale: float) -> Measured:
    from django.db import connection  # noqa: PLC0415 - after the database is named

    chance = random.Random(7)
    table = f"bloat_{case.table}"
    with connection.cursor() as cursor:

        def value(query: str, *parameters: Any) -> Any:
            cursor.execute(query, parameters)
            return cursor.fetchone()[0]

        cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute(f"CREATE TABLE {table} (LIKE {case.table} INCLUDING ALL)")
        cursor.execute(f"ALTER TABLE {table} SET (fillfactor = {fill_factor}, autovacuum_enabled = false)")
        cursor.execute(case.fill.format(table=table), {"rows": rows})
        cursor.execute(f"VACUUM ANALYZE {table}")
        filled, indexes_filled = value("SELECT pg_relation_size(%s)", table), value("SELECT pg_indexes_size(%s)", table)
        before = value("SELECT pg_current_wal_insert_lsn()")
        dead = 0
        for step, ids in enumerate(_batches(case, rows, chance)):
            cursor.execute(case.update.format(table=table), {"ids": ids, "step": step * AT_ONCE // rows})
            dead += len(ids)
            if dead > 50 + scale * rows:
                cursor.execute(f"VACUUM {table}")
                dead = 0
        wal = value("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", before)
        cursor.execute("SELECT pg_stat_force_next_flush()")
        hot = value(
            "SELECT n_tup_hot_upd::float / n_tup_upd FROM pg_stat_user_tables WHERE relid = to_regclass(%s)", table
        )
        size, indexes = value("SELECT pg_relation_size(%s)", table), value("SELECT pg_indexes_size(%s)", table)
        cursor.execute(f"DROP TABLE {table}")
    return Measured(filled, size, indexes_filled, indexes, hot, int(wal) // (rows * case.rounds))


def _batches(case: Case, rows: int, chance: random.Random) -> Iterator[list[int]]:
    """Each row once in each round, in an order of chance."""
    for _ in range(case.rounds):
        ids = list(range(1, rows + 1))
        chance.shuffle(ids)
        for start in range(0, rows, AT_ONCE):
            yield ids[start : start + AT_ONCE]


def report(rows: int, tables: list[str]) -> None:
    """Print a Markdown table."""
    print("| table, and what updates it | fill factor | vacuum after | HOT | table | indexes | WAL an update |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for case, scale, fill_factor in product(CASES, SCALES, FILL_FACTORS):
        if not tables or case.table in tables:
            found = measured(case, rows=rows, fill_factor=fill_factor, scale=scale)
            print(
                f"| `{case.table}`: {case.what} | {fill_factor} | {scale:.0%} | {found.hot:.0%}"
                f" | {_mb(found.filled)} → {_mb(found.table)} | {_mb(found.indexes_filled)} → {_mb(found.indexes)}"
                f" | {found.wal:,} B |",
                flush=True,
            )


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("tables", nargs="*", help="default: all")
    options = parser.parse_args()
    with own_database("bloat"):
        import django  # noqa: PLC0415 - after the database is named
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        report(options.rows, options.tables)


if __name__ == "__main__":
    main()
