"""The doctor's checks of indexes, constraints and triggers in the database, named in `settings.DOCTOR_CHECKS`."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader

from common import audit_guard
from common.doctor import Finding, error, some, unknown_migrations, warning

# An index that is being built is invalid too.
_INVALID_INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND pg_table_is_visible(indrelid)
        AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index WHERE index_relid IS NOT NULL)
    ORDER BY 1
"""
_UNVALIDATED = """
    SELECT format('%s of %s', conname, conrelid::regclass) FROM pg_constraint
    WHERE NOT convalidated AND pg_table_is_visible(conrelid) ORDER BY 1
"""
# Triggers of the audit trail have a check of their own: common/audit_guard.py. Foreign keys are triggers as well.
_DISABLED_TRIGGERS = """
    SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE tgenabled IN ('D', 'R') AND pg_table_is_visible(tgrelid) AND relname <> ALL (%s)
    ORDER BY 1
"""
_PARTITIONED = "SELECT relname FROM pg_class WHERE relkind = 'p' AND pg_table_is_visible(oid)"


def examine() -> Iterator[Finding]:
    if names := _names(_INVALID_INDEXES):
        yield error(
            "indexes_invalid",
            f"Indexes are invalid, because a command that built them was interrupted or failed: {some(names)}. They"
            " speed up no query, and a unique one may let equal rows in.",
            "Run REINDEX INDEX CONCURRENTLY for each. Drop what is left of an earlier try, whose name ends in _ccnew."
            " Drop and create one of a partitioned table.",
        )
    if names := _names(_UNVALIDATED):
        yield warning(
            "constraints_unvalidated",
            f"Constraints were added as NOT VALID, and older rows may violate them: {some(names)}.",
            "Run ALTER TABLE … VALIDATE CONSTRAINT for each, and correct the rows that it names.",
        )
    if names := _names(_DISABLED_TRIGGERS, sorted(audit_guard.append_only_tables())):
        yield error(
            "triggers_disabled",
            "Triggers are disabled for these tables, so that foreign keys are not checked or jobs are not announced: "
            f"{some(names)}.",
            "Find out who did that; a restore that was interrupted does it. Then run, as a superuser: ALTER TABLE …"
            " ENABLE TRIGGER ALL",
        )
    # A newer version may have removed what this one has.
    if not unknown_migrations(MigrationLoader(connection)) and (missing := sorted(_missing())):
        yield error(
            "schema_incomplete",
            f"{len(missing)} indexes or constraints of the migrations are not in the database: {some(missing)}.",
            "Find out who removed them. Create them again as in python manage.py sqlmigrate APP MIGRATION, or restore a"
            " backup.",
        )


def _names(query: str, *parameters: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return [name for (name,) in cursor.fetchall()]


def _missing() -> Iterator[str]:
    """What the models declare and their tables lack."""
    partitioned = set(_names(_PARTITIONED))
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.managed and not model._meta.proxy:
                found = connection.introspection.get_constraints(cursor, model._meta.db_table)
                yield from _named(model, found)
                yield from _of_columns(model, found, partitioned)


def _named(model: type[models.Model], found: Mapping[str, Any]) -> Iterator[str]:
    for declared in (*model._meta.indexes, *model._meta.constraints):
        if declared.name not in found:
            yield f"{declared.name} of {model._meta.db_table}"


def _of_columns(model: type[models.Model], found: Mapping[str, Any], partitioned: Collection[str]) -> Iterator[str]:
    """Those that Django names itself. A partitioned table may have no primary key: see common/partitions.py."""
    if model._meta.db_table not in partitioned and not any(each["primary_key"] for each in found.values()):
        yield f"primary key of {model._meta.db_table}"
    for field in model._meta.local_concrete_fields:
        kinds = {
            "unique": field.unique and not field.primary_key,
            "index": getattr(field, "db_index", False) and not field.unique,
            "foreign_key": getattr(field, "db_constraint", False),
        }
        for kind in (kind for kind, is_declared in kinds.items() if is_declared):
            if not any(each[kind] and each["columns"] == [field.column] for each in found.values()):
                yield f"{kind.replace('_', ' ')} of {model._meta.db_table}.{field.column}"
