"""Convert a table into one that is partitioned by month, without reading it under a lock.

Called by migrations only. Do not edit it: a change needs a new module and a new migration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from common import partitions

# The bound between the old rows and the first month must not be passed while it is validated.
AWAY = timedelta(days=7)
CHECK = "before_the_first_month"


@dataclass(frozen=True)
class Conversion:
    """`key` is the column of the partition key. `after` are statements that complete the empty new table."""

    table: str
    key: str
    after: Sequence[str]
    renamed_indexes: Sequence[str]
    renamed_constraints: Sequence[str] = ()
    sequence: str = ""

    @property
    def old(self) -> str:
        return f"{self.table}_earlier"

    def bound(self) -> None:
        """Promise that no row is of a later month: at once for new rows, then, without a lock, for the old ones."""
        with connection.cursor() as cursor:
            if _is_partitioned(cursor, self.table):
                return
            month = partitions.month_of(datetime.now(UTC) + AWAY) + 1
            literal = (
                str(month * partitions.IDS_PER_MONTH)
                if self.sequence
                else f"'{partitions.begin_of(month).isoformat()}'"
            )
            cursor.execute(f"ALTER TABLE {self.table} DROP CONSTRAINT IF EXISTS {CHECK}")
            cursor.execute(f"ALTER TABLE {self.table} ADD CONSTRAINT {CHECK} CHECK ({self.key} < {literal}) NOT VALID")
            # The bound as text, where the next step finds it also after an interruption.
            cursor.execute(f"COMMENT ON CONSTRAINT {CHECK} ON {self.table} IS '{literal.replace("'", "''")}'")
            cursor.execute(f"ALTER TABLE {self.table} VALIDATE CONSTRAINT {CHECK}")

    def replace(self) -> None:
        """Put a partitioned table in the place of the old one, which becomes its first partition.

        The bound of that partition follows from the valid constraint, so PostgreSQL reads no row to attach it.
        """
        with transaction.atomic(), connection.cursor() as cursor:
            if _is_partitioned(cursor, self.table):
                return
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            cursor.execute(f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(
                "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint"
                " WHERE conrelid = to_regclass(%s) AND conname = %s AND convalidated",
                [self.table, CHECK],
            )
            bound = cursor.fetchone()[0]
            granted = _grants(cursor, self.table)
            last, granted_on_sequence = None, []
            if self.sequence:
                cursor.execute(f"SELECT pg_sequence_last_value('{self.sequence}')")
                last = cursor.fetchone()[0]
                granted_on_sequence = _grants(cursor, self.sequence)
            for statement in self._statements(bound):
                cursor.execute(statement)
            if last is not None:
                cursor.execute("SELECT setval(%s, %s)", [self.sequence, last])
            _grant(cursor, f"TABLE {self.table}", granted)
            for name in (self.old, f"{self.table}_later"):
                _grant(cursor, f"TABLE {name}", [(role, "SELECT") for role, kind in granted if kind == "SELECT"])
            if self.sequence:
                _grant(cursor, f"SEQUENCE {self.sequence}", granted_on_sequence)

    def _statements(self, bound: str) -> list[str]:
        table, old, later = self.table, self.old, f"{self.table}_later"
        drawn = [f"ALTER TABLE {old} ALTER id DROP IDENTITY", f"CREATE SEQUENCE {self.sequence} AS bigint"]
        owned = [f"ALTER TABLE {name} ALTER id SET DEFAULT nextval('{self.sequence}')" for name in (old, table)] + [
            f"ALTER SEQUENCE {self.sequence} OWNED BY {table}.id"
        ]
        return [
            f"ALTER TABLE {table} RENAME TO {old}",
            *(f"ALTER INDEX {name} RENAME TO {name}_earlier" for name in self.renamed_indexes),
            *(f"ALTER TABLE {old} RENAME CONSTRAINT {name} TO {name}_earlier" for name in self.renamed_constraints),
            *(drawn if self.sequence else []),
            f"CREATE TABLE {table} (LIKE {old} INCLUDING CONSTRAINTS) PARTITION BY RANGE ({self.key})",
            f"ALTER TABLE {table} DROP CONSTRAINT {CHECK}",
            *(owned if self.sequence else []),
            *self.after,
            f"ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ({bound})",
            f"ALTER TABLE {old} DROP CONSTRAINT {CHECK}",
            f"SELECT create_month_partition('{table}', '{later}', '{old}', $${bound}$$, 'MAXVALUE')",
        ]


def _is_partitioned(cursor: Any, table: str) -> bool:
    cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)", [table])
    return bool(cursor.fetchone()[0])


def _grants(cursor: Any, relation: str) -> list[tuple[str, str]]:
    """The privileges of other roles than the owner."""
    cursor.execute(
        "SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END, g.privilege_type"
        " FROM pg_class c, aclexplode(c.relacl) g WHERE c.oid = to_regclass(%s) AND g.grantee <> c.relowner ORDER BY 1",
        [relation],
    )
    found: list[tuple[str, str]] = cursor.fetchall()
    return found


def _grant(cursor: Any, relation: str, granted: list[tuple[str, str]]) -> None:
    """Exactly these privileges, whatever the default privileges of new tables are."""
    for role in {role for role, _ in granted} | {role for role, _ in _grants(cursor, relation.split()[1])}:
        cursor.execute(f"REVOKE ALL ON {relation} FROM {role}")
    for role, kind in granted:
        cursor.execute(f"GRANT {kind} ON {relation} TO {role}")
