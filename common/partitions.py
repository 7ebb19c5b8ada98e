"""Tables that are partitioned by month, the functions in the database that maintain them, and their check.

The functions are created by migration common.0004. Do not edit them: a change needs new constants and a new migration.
Decision 25 says why the tables are partitioned like this.

The partitions of a table, in the order of their keys:

    <table>_earlier   from MINVALUE; it has what existed before the table was partitioned
    <table>_2026_12   one for each month
    <table>_later     to MAXVALUE; it is empty unless no month was added for a long time

Together they cover every key, so an INSERT never fails for lack of a partition. There is no DEFAULT partition, because
PostgreSQL reads partitions in the order of their keys only without one.
"""

# ruff: noqa: S608 - names of tables are ours or those of the catalogue

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import OperationalError, connection, transaction

from common.doctor import Finding, warning
from common.locks import AdvisoryLock

TRIGGER = "audit_trail_only_grows"  # of append-only tables: common/audit_guard.py

MONTHS_AHEAD = 3
ATTEMPTS = 5
PAUSE = 1.0  # seconds between attempts
# Keys of the audit trail come from a sequence that each month begins at the number of the month times this.
IDS_PER_MONTH = 10**12
SEQUENCE = "common_auditentry_id_seq"
LOCK = AdvisoryLock("months of partitioned tables")

# The first two are arithmetic. Months are numbered from January 1970, so December 2026 is 683.
MONTH_OF = """
CREATE OR REPLACE FUNCTION month_of(moment timestamptz) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT ((extract(year FROM moment AT TIME ZONE 'UTC') - 1970) * 12
        + extract(month FROM moment AT TIME ZONE 'UTC') - 1)::int
$$
"""
# The bounds of a partition as numbers of months: NULL for MINVALUE and MAXVALUE.
BOUNDS = rf"""
CREATE OR REPLACE FUNCTION month_partitions(parent text)
RETURNS TABLE (partition text, first_month int, end_month int) LANGUAGE sql STABLE AS $$
    WITH found AS (
        SELECT c.relname::text AS name, a.atttypid = 'bigint'::regtype AS by_id,
            regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?([^'')]+)''?\) TO \(''?([^'')]+)') AS ends
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        JOIN pg_partitioned_table p ON p.partrelid = i.inhparent
        JOIN pg_attribute a ON a.attrelid = i.inhparent AND a.attnum = p.partattrs[0]
        WHERE i.inhparent = to_regclass(parent)
    )
    SELECT name,
        CASE WHEN ends[1] = 'MINVALUE' THEN NULL WHEN by_id THEN (ends[1]::bigint / {IDS_PER_MONTH})::int
            ELSE month_of(ends[1]::timestamptz) END,
        CASE WHEN ends[2] = 'MAXVALUE' THEN NULL WHEN by_id THEN (ends[2]::bigint / {IDS_PER_MONTH})::int
            ELSE month_of(ends[2]::timestamptz) END
    FROM found ORDER BY 2 NULLS FIRST
$$
"""
BOUND = f"""
CREATE OR REPLACE FUNCTION month_bound(parent text, month int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN a.atttypid = 'bigint'::regtype THEN (month * {IDS_PER_MONTH}::bigint)::text
        ELSE quote_literal(make_timestamptz(1970 + month / 12, 1 + month % 12, 1, 0, 0, 0, 'UTC')) END
    FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(parent)
$$
"""
SUFFIX = """
CREATE OR REPLACE FUNCTION month_suffix(month int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '_' || (1970 + month / 12) || '_' || lpad((1 + month % 12)::text, 2, '0')
$$
"""
# A partition is created as a separate table like another one, with its indexes, constraints and triggers, and attached
# when it is complete. Queries name the parent, so nobody needs privileges on it, but `doctor` reads single ones.
CREATE = """
CREATE OR REPLACE FUNCTION create_month_partition(parent text, name text, template text, from_bound text, to_bound text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    grantee text;
    defined record;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, template);
    FOR grantee IN
        SELECT DISTINCT r.rolname FROM pg_class c, aclexplode(c.relacl) g JOIN pg_roles r ON r.oid = g.grantee
        WHERE c.oid = to_regclass(name) AND g.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %I FROM %I', name, grantee);
    END LOOP;
    FOR grantee IN
        SELECT r.rolname FROM pg_class c, aclexplode(c.relacl) g JOIN pg_roles r ON r.oid = g.grantee
        WHERE c.oid = to_regclass(parent) AND g.grantee <> c.relowner AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE format('GRANT SELECT ON TABLE %I TO %I', name, grantee);
    END LOOP;
    FOR defined IN
        SELECT tgname, tgenabled, pg_get_triggerdef(oid) AS text FROM pg_trigger
        WHERE tgrelid = to_regclass(parent) AND NOT tgisinternal
    LOOP
        EXECUTE regexp_replace(defined.text, ' ON \\S+ ', format(' ON %I ', name));
        IF defined.tgenabled = 'A' THEN
            EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, defined.tgname);
        END IF;
    END LOOP;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        parent, name, from_bound, to_bound);
END
$$
"""
# The last partition is taken off, months are added in its place, and it is put back behind them. If it has rows, it
# becomes the partition of the months up to that of its last row, so that no row is moved.
ADD = f"""
CREATE OR REPLACE FUNCTION add_month_partitions(parent text, ahead int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' SET search_path = {{schema}}, pg_temp AS $$
DECLARE
    later text := parent || '_later';
    template text := later;
    first int;
    next int;
    newest int;
    added int := 0;
BEGIN
    PERFORM {LOCK.call()};
    SELECT first_month INTO STRICT first FROM month_partitions(parent) WHERE partition = later;
    IF first > month_of(now()) + least(ahead, 24) THEN
        RETURN 0;
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, later);
    next := first;
    SELECT month_of_newest(parent, later) INTO newest;
    IF newest IS NOT NULL THEN
        template := parent || month_suffix(first);
        next := greatest(newest, month_of(now())) + 1;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', later, template);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent, template, month_bound(parent, first), month_bound(parent, next));
        added := 1;
    END IF;
    WHILE next <= month_of(now()) + least(ahead, 24) LOOP
        PERFORM create_month_partition(parent, parent || month_suffix(next), template, month_bound(parent, next),
            month_bound(parent, next + 1));
        next := next + 1;
        added := added + 1;
    END LOOP;
    IF newest IS NOT NULL THEN
        PERFORM create_month_partition(parent, later, template, month_bound(parent, next), 'MAXVALUE');
    ELSE
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (MAXVALUE)',
            parent, later, month_bound(parent, next));
    END IF;
    RETURN added;
END
$$
"""
NEWEST = f"""
CREATE OR REPLACE FUNCTION month_of_newest(parent text, name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    key name;
    by_id boolean;
    newest int;
BEGIN
    SELECT a.attname, a.atttypid = 'bigint'::regtype INTO key, by_id
    FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(parent);
    EXECUTE format(
        CASE WHEN by_id THEN 'SELECT (max(%I) / {IDS_PER_MONTH})::int FROM %I'
        ELSE 'SELECT month_of(max(%I)) FROM %I' END, key, name) INTO newest;
    RETURN newest;
END
$$
"""
# Removes the partitions of all months before `end_month`, with their rows. The first partition covers those months
# again afterwards, without rows. It needs the privileges of the owner.
REMOVE = f"""
CREATE OR REPLACE FUNCTION remove_month_partitions(parent text, before int) RETURNS int
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    earlier text := parent || '_earlier';
    found record;
    until int;
    removed int := 0;
BEGIN
    PERFORM {LOCK.call()};
    SELECT max(end_month) INTO until FROM month_partitions(parent) WHERE end_month <= before;
    IF until IS NULL THEN
        RETURN 0;
    END IF;
    FOR found IN SELECT partition FROM month_partitions(parent) WHERE end_month <= until LOOP
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, found.partition);
        EXECUTE format('DROP TABLE %I', found.partition);
        removed := removed + 1;
    END LOOP;
    PERFORM create_month_partition(parent, earlier, parent || '_later', 'MINVALUE', month_bound(parent, until));
    RETURN removed;
END
$$
"""
# The same with the owner's privileges, for a service that may delete the rows of the table one by one.
REMOVE_DELETABLE = """
CREATE OR REPLACE FUNCTION remove_deletable_months(parent text, before int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF NOT has_table_privilege(session_user, to_regclass(parent), 'DELETE') OR EXISTS (
        SELECT FROM pg_trigger WHERE tgrelid = to_regclass(parent) AND tgname = '{trigger}'
    ) THEN
        RAISE EXCEPTION 'rows of % must not be deleted', parent USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN remove_month_partitions(parent, before);
END
$$
"""
# Later ids of the audit trail belong to the present month. Only ids that no transaction will draw are skipped.
BEGIN_MONTH = f"""
CREATE OR REPLACE FUNCTION begin_month_of_audit_trail() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {{schema}}, pg_temp AS $$
DECLARE
    first_id bigint := month_of(now()) * {IDS_PER_MONTH}::bigint;
BEGIN
    PERFORM {LOCK.call()};
    IF coalesce(pg_sequence_last_value('{SEQUENCE}'), 0) >= first_id THEN
        RETURN false;
    END IF;
    PERFORM setval('{SEQUENCE}', first_id);
    RETURN true;
END
$$
"""
FUNCTIONS = (MONTH_OF, BOUNDS, BOUND, SUFFIX, NEWEST, CREATE, ADD, REMOVE, REMOVE_DELETABLE, BEGIN_MONTH)
DEFINERS = (
    "add_month_partitions(text, int)",
    "remove_deletable_months(text, int)",
    "begin_month_of_audit_trail()",
)


def create_functions(cursor: Any) -> None:
    """For the migration. Functions with the privileges of their owner are not for everybody: `grant_service_role`."""
    cursor.execute("SELECT quote_ident(current_schema())")
    schema = cursor.fetchone()[0]
    for text in FUNCTIONS:
        cursor.execute(text.replace("{schema}", schema).replace("{trigger}", TRIGGER))
    for signature in DEFINERS:
        cursor.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")


# --- calling them ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Partition:
    """Months are numbered from January 1970. `first` is None for MINVALUE, `end` (exclusive) is None for MAXVALUE."""

    table: str
    first: int | None
    end: int | None


def month_of(moment: datetime) -> int:
    moment = moment.astimezone(UTC)
    return (moment.year - 1970) * 12 + moment.month - 1


def begin_of(month: int) -> datetime:
    return datetime(1970 + month // 12, 1 + month % 12, 1, tzinfo=UTC)


def are_set_up() -> bool:
    """Whether the functions exist: not in a database that is migrated to an earlier state."""
    return bool(_rows("SELECT to_regprocedure('begin_month_of_audit_trail()') IS NOT NULL")[0][0])


def parents() -> list[str]:
    """The tables that are partitioned by month."""
    return [
        row[0]
        for row in _rows(
            "SELECT relname FROM pg_class c WHERE relkind = 'p' AND relnamespace = current_schema()::regnamespace"
            " AND to_regclass(relname || '_later') IS NOT NULL ORDER BY relname"
        )
    ]


def partitions_of(parent: str) -> list[Partition]:
    """In the order of their keys; empty for a table without partitions."""
    return [Partition(*row) for row in _rows("SELECT * FROM month_partitions(%s)", parent)]


def rows_in(table: str) -> int:
    return int(_rows(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")[0][0])


def rows_and_oldest(table: str, time: str) -> tuple[int, datetime | None]:
    """The number of rows, and the lowest value of their column `time`; None without rows."""
    quoted = connection.ops.quote_name
    ((count, oldest),) = _rows(f"SELECT count(*), min({quoted(time)}) FROM {quoted(table)}")
    return count, oldest


def add_months() -> int:
    """Add the partitions of the next MONTHS_AHEAD months where they are missing. Returns how many were added.

    Idempotent, also for several processes at once. Writers wait for it for a moment only: it gives up the wait for its
    lock after two seconds, so that they do not queue behind it, and tries again. Raises OperationalError at last.
    """
    return sum(patiently("SELECT add_month_partitions(%s, %s)", parent, MONTHS_AHEAD) for parent in parents())


def begin_month_of_audit_trail() -> bool:
    """Let the ids of the audit trail continue in the range of this month. Returns whether that was still to be done."""
    return bool(patiently("SELECT begin_month_of_audit_trail()"))


def patiently(query: str, *parameters: Any, then: Callable[[], None] = lambda: None) -> Any:
    """The value of `query`, which locks a table in use; `then` is called in its transaction.

    Raises OperationalError when each attempt timed out.
    """
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                value = _rows(query, *parameters)[0][0]
                then()
                return value
        except OperationalError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE)
    raise AssertionError("unreachable")


def _rows(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


# --- the check ------------------------------------------------------------------------------------


def examine() -> Iterator[Finding]:
    """For `settings.DOCTOR_CHECKS`."""
    ((this_month,),) = _rows("SELECT month_of(now())")
    for parent in parents():
        last = partitions_of(parent)[-1]
        if last.first is None or last.first <= this_month + 1:
            yield warning(
                "partitions_missing",
                f"{parent} has no partition for the next month. Rows are still stored, in its last partition.",
                "Keep a worker running, which adds partitions each night, or run: python manage.py migrate",
            )
        if _rows(f"SELECT EXISTS (SELECT FROM {connection.ops.quote_name(last.table)})")[0][0]:
            yield warning(
                "partitions_overflowing",
                f"{last.table} has rows, because the partitions of their months were missing. They cannot be removed"
                " month by month.",
                "Run python manage.py migrate. It makes that partition one of several months.",
            )
