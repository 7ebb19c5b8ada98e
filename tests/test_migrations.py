"""Migrations run while the service is in use, so none may lock a table while it reads or writes all of its rows."""

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now

from tests.migration_locks import CONSTRAINT, INDEX, LOCK, NOT_NULL, REWRITE, TOGETHER, UNIQUE, faults

APPS = {"accounts", "bans", "common", "edges", "livestreams", "reminders"}

FULL = models.CheckConstraint(condition=models.Q(seats__gt=0), name="seats_positive")
ONCE = models.UniqueConstraint(fields=["name"], name="name_once")
BY_NAME = models.Index(fields=["name"], name="by_name")


# Written before the first release, when no installation had many rows.
BEFORE_RELEASE = {("edges", "0003_presence")}


def test_no_migration_after_the_initial_ones_locks_a_table_in_use() -> None:
    loader = MigrationLoader(None)
    found = [
        f"{app}.{name}: {fault}"
        for (app, name), migration in loader.graph.nodes.items()
        if app in APPS and (app, name) not in BEFORE_RELEASE
        for fault in faults(migration, loader.project_state((app, name), at_end=False))
    ]
    assert found == []


def before() -> ProjectState:
    state = ProjectState()
    fields: list[tuple[str, models.Field]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
        ("seats", models.IntegerField(null=True)),
    ]
    migrations.CreateModel("Hall", fields).state_forwards("halls", state)
    return state


def migration(*operations: Operation, atomic: bool = True, initial: bool | None = None) -> migrations.Migration:
    given = {
        "dependencies": [("halls", "0001_initial")],
        "operations": operations,
        "atomic": atomic,
        "initial": initial,
    }
    made: migrations.Migration = type("Migration", (migrations.Migration,), given)("0002_more", "halls")
    return made


def add(field: models.Field) -> Operation:
    return migrations.AddField("hall", "added", field)


def alter(name: str, field: models.Field) -> Operation:
    return migrations.AlterField("hall", name, field)


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (migrations.AddIndex("hall", BY_NAME), INDEX),
        (migrations.AddConstraint("hall", FULL), CONSTRAINT),
        (migrations.AddConstraint("hall", ONCE), UNIQUE),
        (migrations.AlterUniqueTogether("hall", {("name", "seats")}), UNIQUE),
        (add(models.UUIDField(db_default=RandomUUID())), REWRITE),
        (add(models.IntegerField(null=True, db_index=True)), INDEX),
        (add(models.IntegerField(null=True, unique=True)), UNIQUE),
        (alter("seats", models.BigIntegerField(null=True)), REWRITE),
        (alter("name", models.CharField(max_length=10)), REWRITE),
        (alter("seats", models.IntegerField()), NOT_NULL),
        (alter("seats", models.IntegerField(null=True, db_index=True)), INDEX),
        (migrations.RunSQL("CREATE INDEX by_name ON halls_hall (name)"), INDEX),
        (migrations.RunSQL(["SELECT 1", "CREATE UNIQUE INDEX by_name ON halls_hall (name)"]), INDEX),
        (migrations.RunSQL("ALTER TABLE halls_hall ADD CONSTRAINT full CHECK (seats > 0)"), CONSTRAINT),
        (migrations.RunSQL("ALTER TABLE halls_hall ADD CONSTRAINT once UNIQUE (name)"), UNIQUE),
        (migrations.RunSQL("ALTER TABLE halls_hall ALTER COLUMN seats TYPE bigint"), REWRITE),
        (migrations.RunSQL("ALTER TABLE halls_hall ALTER seats SET NOT NULL"), NOT_NULL),
        (migrations.RunSQL("LOCK TABLE halls_hall IN SHARE MODE"), LOCK),
        (migrations.SeparateDatabaseAndState([migrations.AddIndex("hall", BY_NAME)], []), INDEX),
    ],
)
def test_an_operation_that_locks_a_table_is_found(operation: Operation, why: str) -> None:
    (fault,) = faults(migration(operation), before())
    assert fault.endswith(why)
    # No process uses the tables of an initial migration.
    assert faults(migration(operation, initial=True), before()) == []


def test_a_constraint_is_not_validated_in_the_transaction_that_added_it() -> None:
    both = [AddConstraintNotValid("hall", FULL), ValidateConstraint("hall", FULL.name)]
    (fault,) = faults(migration(*both), before())
    assert fault.endswith(TOGETHER)
    assert faults(migration(*both, atomic=False), before()) == []
    assert faults(migration(both[1]), before()) == []


@pytest.mark.parametrize(
    "operation",
    [
        AddIndexConcurrently("hall", BY_NAME),
        AddConstraintNotValid("hall", FULL),
        add(models.IntegerField(null=True)),
        add(models.IntegerField(default=3)),
        add(models.IntegerField(db_default=3)),
        add(models.DateTimeField(db_default=Now())),
        alter("name", models.CharField(max_length=200)),
        alter("name", models.TextField()),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY by_name ON halls_hall (name)"),
        migrations.RunSQL("ALTER TABLE halls_hall ADD CONSTRAINT full CHECK (seats > 0) NOT VALID"),
        migrations.RunSQL("ALTER TABLE halls_hall ADD CONSTRAINT once UNIQUE USING INDEX by_name"),
        migrations.RemoveField("hall", "seats"),
        migrations.SeparateDatabaseAndState([], [migrations.AddIndex("hall", BY_NAME)]),
    ],
)
def test_an_operation_that_locks_no_table_for_long_is_allowed(operation: Operation) -> None:
    assert faults(migration(operation, atomic=False), before()) == []


def test_any_operation_is_allowed_on_a_table_that_the_migration_creates() -> None:
    made = migrations.CreateModel("Seat", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())])
    with_it = migration(
        made, migrations.AddIndex("seat", BY_NAME), migrations.RunSQL("CREATE INDEX seat_name ON halls_seat (name)")
    )
    assert connection.vendor == "postgresql"
    assert faults(with_it, before()) == []
