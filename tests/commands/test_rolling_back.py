"""Migrations can go back as docs/upgrading.md says: to the last one that cannot, and forward to the same tables."""

from typing import Any

import psycopg
import pytest
from django.db.migrations.loader import MigrationLoader

from tests.commands.conftest import Run
from tests.databases import own_database
from tests.servers import url_of

APPS = ("accounts", "bans", "common", "edges", "livestreams", "reminders")
# What migrations make, without the place of a column in its table. Partitions have what their table has; only the names
# of their indexes depend on when they were made.
SHAPE = """
    WITH tables AS (
        SELECT oid, oid::regclass::text AS name, reloptions FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    )
    SELECT 'options', name, reloptions::text, NULL FROM tables
    UNION ALL SELECT 'column', name, column_name,
        concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
    FROM tables JOIN information_schema.columns ON table_schema = 'public' AND table_name = name
    UNION ALL SELECT 'index', name, indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM tables JOIN pg_index ON indrelid = oid
    UNION ALL SELECT 'constraint', name, conname, pg_get_constraintdef(pg_constraint.oid)
    FROM tables JOIN pg_constraint ON conrelid = tables.oid
    UNION ALL SELECT 'trigger', name, tgname, pg_get_triggerdef(pg_trigger.oid)
    FROM tables JOIN pg_trigger ON tgrelid = tables.oid WHERE NOT tgisinternal
    UNION ALL SELECT 'function', proname, oidvectortypes(proargtypes), prosrc
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def shape(database: psycopg.Connection[Any]) -> set[Any]:
    return set(database.execute(SHAPE).fetchall())


def earliest() -> dict[str, str]:
    """By app the migration to go back to: the newest that cannot be unapplied, or the initial one."""
    loader = MigrationLoader(None)
    return {
        app: max(
            name
            for (of, name), migration in loader.disk_migrations.items()
            if of == app and (name.startswith("0001") or not all(each.reversible for each in migration.operations))
        )
        for app in APPS
    }


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_migrations_go_back_and_forward_again(run: Run) -> None:
    with own_database() as place, psycopg.connect(**place, autocommit=True) as database:
        on_it = {"DATABASE_URL": url_of(place), "DATABASE_DIRECT_URL": ""}
        before = shape(database)
        for app, name in earliest().items():
            back = run("migrate", app, name, "--verbosity", "0", **on_it)
            assert back.returncode == 0, back.stderr
        assert len(shape(database)) < len(before) - 100
        forward = run("migrate", "--verbosity", "0", **on_it)
        assert forward.returncode == 0, forward.stderr
        assert shape(database) == before
