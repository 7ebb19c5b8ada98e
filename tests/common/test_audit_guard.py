"""The triggers that protect append-only tables, and their check by the doctor."""

from datetime import datetime

import pytest
from django.db import IntegrityError, connection, models, transaction

from accounts.models import User
from common import audit, audit_guard
from common.audit_doctor import examine
from common.models import AuditArchive, AuditEntry, AuditRedaction, AuditSeal
from tests.common.sealing import sealed

APPEND_ONLY = audit_guard.append_only_models()
TABLES = [
    "common_auditarchive",
    "common_auditentry",
    "common_auditentry_later",
    "common_auditredaction",
    "common_auditseal",
]
WHOLE = ["common_auditarchive", "common_auditredaction", "common_auditseal"]  # without partitions
ENTRIES, TRIGGER, FUNCTION = "common_auditentry", audit_guard.TRIGGER, audit_guard.FUNCTION


@pytest.fixture
def _filled(creator: User, now: datetime) -> None:
    audit.record("greet", creator, by=creator, now=now, before={}, after={"said": "merhaba"})
    sealed(now=now)
    AuditArchive.objects.create(
        number=1, file="1.ndjson.gz", sha256="", first_id=-2, last_id=-1, rows=0, archived_at=now
    )
    AuditRedaction.objects.create(number=1, person=creator.pk, seal=1, rows=1, made_at=now)


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def found() -> dict[str, tuple[str, str]]:
    return {finding.code: (finding.meaning, finding.remedy) for finding in examine()}


def test_the_audit_tables_are_append_only() -> None:
    assert set(APPEND_ONLY) == {AuditArchive, AuditEntry, AuditRedaction, AuditSeal}


def test_the_tables_with_the_trigger_are_those_of_append_only_models_and_their_partitions(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = %s ORDER BY 1", [TRIGGER])
        found = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [ENTRIES])
        partitions = {row[0] for row in cursor.fetchall()}
    assert found == sorted(audit_guard.append_only_tables())
    assert set(found) == {ENTRIES, *WHOLE} | partitions
    assert {f"{ENTRIES}_earlier", f"{ENTRIES}_later"} < partitions


@pytest.mark.parametrize("model", APPEND_ONLY)
@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table}"],
)
@pytest.mark.usefixtures("_filled")
def test_the_database_refuses_to_change_append_only_tables_in_replica_mode_too(
    model: type[models.Model], role: str, statement: str
) -> None:
    table, column = model._meta.db_table, model._meta.pk.column
    rows = model._default_manager.count()
    assert rows > 0
    execute(f"SET LOCAL session_replication_role = {role}")
    with (
        pytest.raises(IntegrityError, match=f"the audit trail only grows: .* on {table} is refused"),
        transaction.atomic(),
    ):
        execute(statement.format(table=table, column=column))
    assert model._default_manager.count() == rows


def test_the_migrated_tables_have_no_fault(db: None) -> None:
    assert list(audit_guard.faults()) == []
    assert found() == {}


REPLACE_TRIGGER = (
    f"CREATE OR REPLACE TRIGGER {TRIGGER} BEFORE UPDATE OR DELETE OR TRUNCATE ON {{table}} FOR EACH STATEMENT"
)
NO_OP = f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
TAMPERING = {
    "a disabled trigger": ([f"ALTER TABLE {{table}} DISABLE TRIGGER {TRIGGER}"], f"{TRIGGER} on {{table}} is disabled"),
    "all triggers disabled": (["ALTER TABLE {table} DISABLE TRIGGER ALL"], f"{TRIGGER} on {{table}} is disabled"),
    "an ordinary trigger": (
        [f"ALTER TABLE {{table}} ENABLE TRIGGER {TRIGGER}"],
        f"{TRIGGER} on {{table}} is not enabled ALWAYS",
    ),
    "no trigger": ([f"DROP TRIGGER {TRIGGER} ON {{table}}"], f"{TRIGGER} on {{table}} is missing"),
    "a trigger for one event only": (
        [
            f"CREATE OR REPLACE TRIGGER {TRIGGER} BEFORE TRUNCATE ON {{table}} EXECUTE FUNCTION {FUNCTION}()",
            f"ALTER TABLE {{table}} ENABLE ALWAYS TRIGGER {TRIGGER}",
        ],
        f"{TRIGGER} on {{table}} is not the one of the migration",
    ),
    "a trigger that calls another function": (
        [
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            f"{REPLACE_TRIGGER} EXECUTE FUNCTION nothing()",
            f"ALTER TABLE {{table}} ENABLE ALWAYS TRIGGER {TRIGGER}",
        ],
        f"{TRIGGER} on {{table}} is not the one of the migration",
    ),
    "a trigger with a condition": (
        [
            f"{REPLACE_TRIGGER} WHEN (current_user <> 'thief') EXECUTE FUNCTION {FUNCTION}()",
            f"ALTER TABLE {{table}} ENABLE ALWAYS TRIGGER {TRIGGER}",
        ],
        f"{TRIGGER} on {{table}} is not the one of the migration",
    ),
    "a second trigger": (
        [
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            'CREATE TRIGGER "A swallow" BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION swallow()',
        ],
        "{table} has a trigger that no migration made: A swallow",
    ),
    "a rule": (
        ["CREATE RULE quiet AS ON INSERT TO {table} DO INSTEAD NOTHING"],
        "{table} has a rule that no migration made: quiet",
    ),
    "a function that does nothing": ([NO_OP], f"function {FUNCTION} is not the one of the migration (body)"),
    "a function with settings": (
        [f"ALTER FUNCTION {FUNCTION}() SET search_path = pg_temp"],
        f"function {FUNCTION} is not the one of the migration (settings)",
    ),
    "row-level security": (["ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"], "{table} has row-level security"),
    "a child table": (["CREATE TABLE forged () INHERITS ({table})"], "forged inherits from {table}"),
    "an unlogged table": (["ALTER TABLE {table} SET UNLOGGED"], "{table} is not logged"),
}


@pytest.mark.parametrize(
    ("case", "table"),
    # A partitioned table and its partitions have no other children. PostgreSQL has no unlogged partitioned table.
    [
        (case, table)
        for case in TAMPERING
        for table in TABLES
        if table in WHOLE or case not in {"a child table", "an unlogged table"}
    ],
)
def test_tampering_is_found_and_its_remedy_repairs_it(case: str, table: str, db: None) -> None:
    plant, message = TAMPERING[case]
    execute(*(statement.format(table=table) for statement in plant))

    meaning, remedy = found()["audit_trail_unguarded"]
    assert message.format(table=table) in meaning
    execute(*remedy.partition("as the owner: ")[2].split("; "))
    assert found() == {}


def test_a_view_in_place_of_the_table_is_found(db: None) -> None:
    execute(f"ALTER TABLE {ENTRIES} RENAME TO hidden", f"CREATE VIEW {ENTRIES} AS SELECT * FROM hidden")
    assert f"{ENTRIES} is not an ordinary table" in found()["audit_trail_unguarded"][0]


def test_a_partition_that_became_unlogged_is_found(db: None) -> None:
    execute(f"ALTER TABLE {ENTRIES}_later SET UNLOGGED")
    assert f"{ENTRIES}_later is not logged" in found()["audit_trail_unguarded"][0]


@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.usefixtures("_filled")
def test_a_statement_that_names_a_partition_is_refused_too(statement: str, role: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {ENTRIES} LIMIT 1")
        (partition,) = cursor.fetchone()
    assert partition != ENTRIES
    execute(f"SET LOCAL session_replication_role = {role}")
    with pytest.raises(IntegrityError, match=f"on {partition} is refused"), transaction.atomic():
        execute(statement.format(partition))
    assert AuditEntry.objects.exists()
