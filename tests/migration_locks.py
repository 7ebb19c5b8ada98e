"""Finds operations of a migration that lock a table in use while they read or write all of its rows.

An initial migration is exempt, and so is a table that the migration itself creates: nobody uses them yet.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now

INDEX = "builds an index under a lock: use AddIndexConcurrently"
CONSTRAINT = "checks all rows under a lock: use AddConstraintNotValid, then ValidateConstraint"
UNIQUE = "builds a unique index under a lock: build it concurrently, then add the constraint with it"
TOGETHER = "validates in the transaction that locks the table: set atomic = False or use a second migration"
REWRITE = "rewrites the table: add a column, fill it in batches and switch"
NOT_NULL = "checks all rows under a lock: add a CHECK (… IS NOT NULL) that is not valid, validate it, then set NOT NULL"
LOCK = "locks a table for as long as the transaction takes"

# What a statement must not contain, unless its table is created by the migration.
STATEMENTS = {
    r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b).*?\bON\s+(?:ONLY\s+)?(?P<table>\S+)": INDEX,
    r"\bALTER\s+TABLE\s+(?P<table>\S+)[^;]*\bADD\s+(?:CONSTRAINT\s+\S+\s+)?(?:UNIQUE|PRIMARY\s+KEY|EXCLUDE)\b"
    r"(?!\s+USING\s+INDEX)": UNIQUE,
    r"\bALTER\s+TABLE\s+(?P<table>\S+)[^;]*\bADD\s+(?:CONSTRAINT\s+\S+\s+)?(?:CHECK|FOREIGN\s+KEY)\b"
    r"(?![^;]*\bNOT\s+VALID\b)": CONSTRAINT,
    r"\bALTER\s+TABLE\s+(?P<table>\S+)[^;]*\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b": REWRITE,
    r"\bALTER\s+TABLE\s+(?P<table>\S+)[^;]*\bSET\s+NOT\s+NULL\b": NOT_NULL,
    r"\b(?:VACUUM\s+FULL|CLUSTER|REINDEX\s+(?:TABLE|INDEX)(?!\s+CONCURRENTLY\b))\s+(?P<table>\S+)": REWRITE,
    r"\bLOCK\s+(?:TABLE\s+)?(?P<table>\S+)": LOCK,
}


def faults(migration: Migration, before: ProjectState) -> list[str]:
    """One sentence for each operation that would block a server. `before` is the state before the migration."""
    if migration.initial or not migration.dependencies:
        return []
    state, created = before.clone(), set[str]()
    found: list[str] = []
    unvalidated: set[str] = set()
    for operation in migration.operations:
        for each in _in_database(operation):
            if isinstance(each, operations.CreateModel):
                table = each.options.get("db_table") or f"{migration.app_label}_{each.name_lower}"
                created |= {each.name_lower, table}
            elif getattr(each, "model_name_lower", None) not in created:
                found += [f"{each.describe()}: {why}" for why in _why_not(each, migration.app_label, state, created)]
            if isinstance(each, AddConstraintNotValid):
                unvalidated.add(each.constraint.name)
            if isinstance(each, ValidateConstraint) and migration.atomic and each.name in unvalidated:
                found.append(f"{each.describe()}: {TOGETHER}")
        operation.state_forwards(migration.app_label, state)
    return found


def _in_database(operation: Operation) -> Iterator[Operation]:
    if isinstance(operation, operations.SeparateDatabaseAndState):
        yield from operation.database_operations
    else:
        yield operation


def _why_not(operation: Operation, app: str, state: ProjectState, created: set[str]) -> Iterator[str]:
    match operation:
        case AddIndexConcurrently() | AddConstraintNotValid():
            return
        case operations.AddIndex():
            yield INDEX
        case operations.AddConstraint(constraint=models.CheckConstraint()):
            yield CONSTRAINT
        case operations.AddConstraint() | operations.AlterUniqueTogether():
            yield UNIQUE
        case operations.AddField():
            yield from _why_not_added(operation.field)
        case operations.AlterField():
            old = state.models[app, operation.model_name_lower].fields[operation.name_lower]
            yield from _why_not_altered(old, operation.field)
        case operations.RunSQL():
            yield from _why_not_run(operation.sql, created)


def _why_not_added(field: models.Field) -> Iterator[str]:
    # PostgreSQL stores a constant default once. Another default is computed and written for each row.
    is_constant = isinstance(field.db_default, (models.Value, Now, str, int, bool, float))
    if isinstance(field, models.GeneratedField) or (field.has_db_default() and not is_constant):
        yield REWRITE
    if field.unique:
        yield UNIQUE
    elif _is_indexed(field):
        yield INDEX


def _why_not_altered(old: models.Field, new: models.Field) -> Iterator[str]:
    before, after = (field.db_parameters(connection)["type"] for field in (old, new))
    if before != after and not _is_wider(before, after):
        yield REWRITE
    if old.null and not new.null:
        yield NOT_NULL
    if new.unique and not old.unique:
        yield UNIQUE
    elif _is_indexed(new) and not _is_indexed(old):
        yield INDEX


def _is_indexed(field: models.Field) -> bool:
    return getattr(field, "db_index", False)


def _is_wider(before: str | None, after: str | None) -> bool:
    """Whether PostgreSQL changes only the catalogue: the limit of a varchar is raised or removed."""
    old, new = (re.fullmatch(r"varchar\((\d+)\)", kind or "") for kind in (before, after))
    return old is not None and (after == "text" or (new is not None and int(new[1]) >= int(old[1])))


def _why_not_run(statements: Any, created: set[str]) -> Iterator[str]:
    """`statements` is an argument of RunSQL: a text, or a list of texts and of pairs of a text and parameters."""
    for each in [statements] if isinstance(statements, str) else statements:
        text = each if isinstance(each, str) else each[0]
        for pattern, why in STATEMENTS.items():
            for match in re.finditer(pattern, text, re.IGNORECASE | re.DOTALL):
                if match["table"].strip('";') not in created:
                    yield why
