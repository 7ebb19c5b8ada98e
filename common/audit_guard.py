"""The trigger that protects the append-only tables, and the check that it is in place.

The constants here are executed by migrations (common.0001, 0010, 0012) and compared by `doctor`. Do not edit them: a
change of the protection needs new constants and a new migration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models

from common.models import AppendOnlyModel

FUNCTION = "refuse_change_of_audit_trail"
TRIGGER = "audit_trail_only_grows"
BODY = """
    BEGIN
        RAISE EXCEPTION 'the audit trail only grows: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    """
CREATE_FUNCTION = f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $${BODY}$$"

# Names and texts of an erased person are replaced by this function alone. It has the privileges of its caller, and the
# service has none to update the trail. The trigger finds it in the stack of calls, whose other words are translated.
REDACTING = "redact_audit_rows(bigint[],text[],text[],text[],text[])"
FIRST_REDACTING_BODY = """
    DECLARE
        changed int;
    BEGIN
        UPDATE common_auditentry AS entry
        SET actor_name = given.actor_name, before = given.before::jsonb, after = given.after::jsonb,
            reason = given.reason
        FROM unnest(ids, actor_names, befores, afters, reasons) AS given (id, actor_name, before, after, reason)
        WHERE entry.id = given.id;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(ids) THEN
            RAISE EXCEPTION '% of % audit rows were found', changed, cardinality(ids);
        END IF;
        RETURN changed;
    END
    """
# Since migration common.0012 also the address of the client, of the entries whose actor is renamed.
REDACTING_BODY = FIRST_REDACTING_BODY.replace(
    "reason = given.reason\n",
    "reason = given.reason,\n"
    "            client_address = CASE WHEN given.actor_name = entry.actor_name THEN entry.client_address"
    " ELSE '' END\n",
)


def _create_redacting(body: str) -> str:
    arguments = "ids bigint[], actor_names text[], befores text[], afters text[], reasons text[]"
    return f"CREATE OR REPLACE FUNCTION redact_audit_rows({arguments}) RETURNS int LANGUAGE plpgsql AS $${body}$$"


CREATE_FIRST_REDACTING = _create_redacting(FIRST_REDACTING_BODY)
CREATE_REDACTING = _create_redacting(REDACTING_BODY)
GUARDING_BODY = """
    DECLARE
        calls text;
    BEGIN
        IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'common_auditentry' THEN
            GET DIAGNOSTICS calls = PG_CONTEXT;
            IF calls LIKE '%redact_audit_rows(bigint[],text[],text[],text[],text[])%' THEN
                RETURN NULL;
            END IF;
        END IF;
        RAISE EXCEPTION 'the audit trail only grows: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    """
CREATE_GUARDING = f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $${GUARDING_BODY}$$"

# pg_trigger.tgtype (src/include/catalog/pg_trigger.h): BEFORE 2, DELETE 8, UPDATE 16, TRUNCATE 32; no bit for
# FOR EACH STATEMENT.
TRIGGER_TYPE = 2 | 8 | 16 | 32


def create_trigger(table: str) -> str:
    return (
        f"CREATE OR REPLACE TRIGGER {TRIGGER} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()"
    )


def enable_trigger(table: str) -> str:
    """ALWAYS: also with session_replication_role = replica, which disables ordinary triggers."""
    return f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {TRIGGER}"


def append_only_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if issubclass(model, AppendOnlyModel)]


def append_only_tables() -> list[str]:
    """The tables of these models, each followed by its partitions."""
    tables = [model._meta.db_table for model in append_only_models()]
    return [name for table in tables for name in (table, *_partitions(table))]


_PARTITIONS = """
    SELECT inhrelid::regclass::text AS name FROM pg_inherits
    WHERE inhparent = (SELECT oid FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'p') ORDER BY 1
"""


def _partitions(table: str) -> list[str]:
    return [row["name"] for row in _rows(_PARTITIONS, table)]


@dataclass(frozen=True)
class Fault:
    """A difference, and the SQL with which the owner of the tables repairs it."""

    meaning: str
    repair: str


def faults() -> Iterator[Fault]:
    """All differences from the protection that the migrations set up."""
    yield from _function_faults()
    for model in append_only_models():
        table = model._meta.db_table
        yield from _faults_of(table, parents=[])
        for partition in _partitions(table):
            yield from _faults_of(partition, parents=[table])


def _faults_of(table: str, *, parents: list[str]) -> Iterator[Fault]:
    yield from _trigger_faults(table)
    yield from _rule_faults(table)
    yield from _table_faults(table, parents)


def _rows(query: str, *parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# --- the function ---------------------------------------------------------------------------------

# Columns instead of pg_get_functiondef: its layout may differ between versions of PostgreSQL.
_FUNCTION = """
    SELECT p.prosrc AS body, l.lanname AS language, p.prosecdef AS security_definer, p.proconfig AS settings
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.oid = to_regprocedure(%s)
"""


def _function_faults() -> Iterator[Fault]:
    yield from _faults_of_function(f"{FUNCTION}()", GUARDING_BODY, CREATE_GUARDING)
    yield from _faults_of_function(REDACTING, REDACTING_BODY, CREATE_REDACTING)


def _faults_of_function(signature: str, body: str, repair: str) -> Iterator[Fault]:
    name = signature.partition("(")[0]
    expected = {"body": body, "language": "plpgsql", "security_definer": False, "settings": None}
    found = _rows(_FUNCTION, signature)
    if not found:
        yield Fault(f"the function {name} is missing", repair)
    elif found[0] != expected:
        different = ", ".join(key for key, value in expected.items() if found[0][key] != value)
        yield Fault(f"the function {name} is not the one of the migration ({different})", repair)


# --- triggers -------------------------------------------------------------------------------------

_TRIGGERS = """
    SELECT t.tgname AS name, t.tgenabled AS enabled, t.tgtype AS type,
        t.tgfoid IS NOT DISTINCT FROM to_regprocedure(%s) AS calls_function,
        t.tgqual IS NULL AND t.tgnargs = 0 AND t.tgattr::text = '' AS is_unconditional
    FROM pg_trigger t
    WHERE t.tgrelid = to_regclass(%s) AND NOT t.tgisinternal AND t.tgparentid = 0  -- those of the parent are its own
    ORDER BY t.tgname
"""


def _trigger_faults(table: str) -> Iterator[Fault]:
    triggers = {row["name"]: row for row in _rows(_TRIGGERS, f"{FUNCTION}()", table)}
    ours = triggers.pop(TRIGGER, None)
    restore = f"{create_trigger(table)}; {enable_trigger(table)}"
    if ours is None:
        yield Fault(f"the trigger {TRIGGER} on {table} is missing", restore)
    else:
        if (ours["type"], ours["calls_function"], ours["is_unconditional"]) != (TRIGGER_TYPE, True, True):
            yield Fault(f"the trigger {TRIGGER} on {table} is not the one of the migration", restore)
        if ours["enabled"] != "A":
            state = "disabled" if ours["enabled"] == "D" else "not enabled ALWAYS"
            yield Fault(f"the trigger {TRIGGER} on {table} is {state}", enable_trigger(table))
    for name in triggers:
        yield Fault(
            f"{table} has a trigger that no migration made: {name}",
            f"DROP TRIGGER {connection.ops.quote_name(name)} ON {table}",
        )


# --- rules and the table itself -------------------------------------------------------------------

_RULES = "SELECT rulename AS name FROM pg_rewrite WHERE ev_class = to_regclass(%s) ORDER BY rulename"


def _rule_faults(table: str) -> Iterator[Fault]:
    for row in _rows(_RULES, table):
        yield Fault(
            f"{table} has a rule that no migration made: {row['name']}",
            f"DROP RULE {connection.ops.quote_name(row['name'])} ON {table}",
        )


_TABLE = """
    SELECT c.relkind AS kind, c.relpersistence AS persistence, c.relrowsecurity AS row_security,
        EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS policies,
        array(SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid ORDER BY 1) AS parents,
        array(SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = c.oid ORDER BY 1) AS children
    FROM pg_class c
    WHERE c.oid = to_regclass(%s)
"""


def _table_faults(table: str, parents: list[str]) -> Iterator[Fault]:
    """`parents` are the tables that it inherits from, as the migrations made it."""
    found = _rows(_TABLE, table)
    if not found or found[0]["kind"] not in {"r", "p"}:
        yield Fault(f"{table} is not an ordinary table", f"restore {table} from a backup")
        return
    state = found[0]
    if state["persistence"] != "p":
        yield Fault(f"{table} is not logged, so a crash empties it", f"ALTER TABLE {table} SET LOGGED")
    if state["row_security"] or state["policies"]:
        yield Fault(
            f"{table} has row-level security, which can hide rows", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
        )
    for parent in state["parents"]:
        if parent in parents:
            continue
        yield Fault(
            f"{table} inherits from {parent}, whose owner can change its rows",
            f"ALTER TABLE {table} NO INHERIT {parent}",
        )
    # The partitions of a partitioned table are examined like the table itself.
    for child in state["children"] if state["kind"] == "r" else []:
        yield Fault(
            f"{child} inherits from {table}, so rows come from where no trigger protects them",
            f"ALTER TABLE {child} NO INHERIT {table}",
        )
