"""An upgrade as docs/upgrading.md describes it: servers of the old version run while the new one migrates."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex, RemoveIndex

from benchmarks.faults.locks import Locks
from benchmarks.growth.rows import Size, fill
from tests.conftest import make_user
from tests.databases import own_database
from tests.deploy.installed import ROOT, installed
from tests.deploy.test_restarts import DRAIN, IDLE, RATE
from tests.load import Load, load, mixed_calls
from tests.nginx import BEHIND, needs_nginx, running_proxy
from tests.patience import PATIENCE, wait_until
from tests.servers import free_port, serving, url_of, with_database_url

pytestmark = [needs_nginx, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

# Each kind of change that CONTRIBUTING.md allows for a large table, in a table that every call of the load uses.
NEXT = """
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models

POSITIVE = models.CheckConstraint(condition=models.Q(extra__gte=0), name="stream_extra_is_positive")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("livestreams", {newest!r})]
    operations = [
        migrations.AddField("livestream", "extra", models.IntegerField(null=True)),
        migrations.AddField("livestream", "other", models.IntegerField(db_default=1)),
        AddIndexConcurrently("livestream", models.Index(fields=["extra", "id"], name="stream_by_extra")),
        AddConstraintNotValid("livestream", POSITIVE),
        ValidateConstraint("livestream", POSITIVE.name),
    ]
"""
INSIDE = {"DATABASE_DIRECT_URL": "", **BEHIND, **DRAIN}


def newest_index_migrations(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    """The newest migrations of each app, the newest first, as long as they change indexes only.

    The present code works without them.
    """
    for leaf in loader.graph.leaf_nodes():
        key, app = leaf, leaf[0]
        if not (ROOT / app).is_dir():  # of a library
            continue
        while all(isinstance(operation, AddIndex | RemoveIndex) for operation in loader.get_migration(*key).operations):
            node = loader.graph.node_map[key]
            if any(child.key[0] != app for child in node.children):
                break
            yield key
            (key,) = (parent.key for parent in node.parents if parent.key[0] == app)


def manage(home: Path, url: str, *words: str) -> None:
    environment = with_database_url(url) | INSIDE
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def versions(folder: Path) -> tuple[Path, Path, Mapping[str, str]]:
    """Folders of the old and of the new version, and the newest migration of the old one by app.

    The old one lacks the newest migrations of indexes, and the new one has one more than the present code.
    """
    old, new = installed(folder / "old"), installed(folder / "new")
    loader = MigrationLoader(connection)
    removed = list(newest_index_migrations(loader))
    assert removed, "there is a migration to go back over"
    for app, name in removed:
        (old / app / "migrations" / f"{name}.py").unlink()
    left = {app: max(n for a, n in loader.graph.nodes if a == app and (a, n) not in removed) for app, _ in removed}
    (newest,) = (name for app, name in loader.graph.leaf_nodes("livestreams"))
    (new / "livestreams" / "migrations" / "9999_extra.py").write_text(NEXT.format(newest=newest))
    return old, new, left


def wait_for_answers(made: Load, count: int) -> None:
    until = made.answers[200] + count
    wait_until(lambda: made.answers[200] >= until)


def test_an_upgrade_under_load_fails_no_call_and_locks_no_table_for_long(tmp_path: Path) -> None:
    old, new, left = versions(tmp_path)
    sent = mixed_calls(make_user("creator"), make_user("viewer"))
    locks = Locks()
    with own_database() as place, ExitStack() as running:
        url = url_of(place)
        database: psycopg.Connection[Any] = running.enter_context(closing(psycopg.connect(**place, autocommit=True)))
        fill(database.execute, Size(users=1_000, streams=30_000, bans=30_000))
        for app, name in left.items():
            manage(ROOT, url, "migrate", app, name, "--verbosity", "0")

        ports = [free_port(), free_port()]
        servers = [running.enter_context(serving(port, old, INSIDE, database=url)) for port in ports]
        proxy_folder = tmp_path / "proxy"
        proxy_folder.mkdir()
        proxy = running.enter_context(running_proxy(proxy_folder, ports, IDLE))
        with load(proxy.connect, sent, rate=RATE) as made, locks.sampled(database):
            wait_for_answers(made, RATE)
            manage(new, url, "migrate", "--verbosity", "0")
            wait_for_answers(made, RATE)
            for server in servers:
                server.stop()
                running.enter_context(serving(server.port, new, INSIDE, database=url))
                wait_for_answers(made, RATE)
        row = database.execute("SELECT count(extra), sum(other) FROM livestreams_livestream").fetchone()

    assert set(made.answers) == {200}, made.answers
    assert row == (0, 30_002), "the last migration was applied"
    assert not locks.are_broken, locks.text
