"""manage.py seed_demo"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.conf import global_settings
from django.contrib.auth.hashers import check_password
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from psycopg import sql

from accounts import services
from accounts.models import Session, User
from bans.models import LiveStreamBan, ReportCase
from bans.queue import Queue
from common.models import AuditEntry
from config.demo import FLAG, open_accounts
from config.world import ACCOUNTS, PEOPLE
from edges.models import CreatorAudience, FeedbackCount, StreamStatistics, ViewerCount
from livestreams.models import LiveStream, Status
from tests.commands.conftest import Run, Start
from tests.conftest import make_user, session_of
from tests.patience import PATIENCE
from tests.servers import database_url, free_port

EXTERNAL = ("seed_demo", FLAG)


@pytest.fixture(autouse=True)
def _real_hashing(settings: Any) -> None:
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # as in the process of the command


def test_it_creates_users_with_photos_and_streams_in_every_status(run: Run, subtests: pytest.Subtests) -> None:
    """Seeding takes seconds, so all parts examine one."""
    output = json.loads(run(*EXTERNAL, "--json").stdout)

    assert {key: output[key] for key in ("dry_run", "seeded")} == {"dry_run": False, "seeded": True}
    assert User.objects.count() == len(PEOPLE) == 50
    assert not User.objects.filter(profile_photo=None).exists()
    assert set(LiveStream.objects.values_list("status", flat=True)) == set(Status.values)
    assert LiveStream.all_objects.filter(deleted_at__isnull=False).count() == 2
    assert LiveStream.objects.filter(guest__isnull=False).exists()
    with subtests.test("every created row has an audit row"):
        created = AuditEntry.objects.filter(action__in=("create_user", "create_stream"))
        assert created.count() == User.objects.count() + LiveStream.all_objects.count()
        assert set(AuditEntry.objects.values_list("entry_point", flat=True)) == {"command"}
    with subtests.test("moderators have a busy evening"):
        assert_busy(timezone.now())
    with subtests.test("passwords in an external database are random and printed once"):
        assert_random(output["accounts"])
    with subtests.test("a second run is refused and changes no password"):
        before = list(User.objects.order_by("pk").values_list("password", flat=True))
        assert run(*EXTERNAL).returncode == 2
        assert list(User.objects.order_by("pk").values_list("password", flat=True)) == before


def assert_busy(now: datetime) -> None:
    bans = LiveStreamBan.all_objects
    waiting = {queue: bans.in_queue(queue, now).count() for queue in Queue}
    assert waiting[Queue.APPEALS] == 8
    assert min(waiting.values()) >= 4
    raids = bans.filter(batch_id__isnull=False)
    assert raids.values("batch_id").distinct().count() == 1
    assert raids.filter(review="unreviewed").count() >= 10
    assert sum(waiting.values()) - raids.count() >= 40
    reviewed = bans.filter(reviewed_by__username="defne")
    assert reviewed.count() >= 10
    assert {ban.review for ban in reviewed} == {"upheld", "lifted", "changed"}
    assert ViewerCount.objects.filter(is_live=True, viewers__gte=10).count() >= 3
    assert CreatorAudience.objects.filter(viewers__gt=0).exists()
    settled = StreamStatistics.objects.filter(stream__status=Status.ENDED)
    assert not settled.filter(Q(peak=0) | Q(audience=0) | Q(settled_at=None)).exists()
    assert FeedbackCount.objects.count() == 8
    assert ReportCase.objects.filter(state=ReportCase.State.OPEN).count() == 3


def test_a_dry_run_creates_nothing(run: Run) -> None:
    assert json.loads(run(*EXTERNAL, "--dry-run", "--json").stdout) == {"dry_run": True, "seeded": True}
    assert not User.objects.exists()


def test_of_two_concurrent_copies_one_seeds(start: Start) -> None:
    copies = [start(*EXTERNAL, "--json") for _ in range(2)]

    answers = [copy.communicate(timeout=PATIENCE) for copy in copies]

    # A copy that starts before the other has finished waits for it. A later one is refused.
    assert sum('"seeded":true' in output for output, _ in answers) == 1
    assert all(not errors or "has users already" in errors for _, errors in answers)
    assert User.objects.count() == 50


# --- databases that are not the embedded one ------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)])
def test_an_external_database_is_refused_without_the_flag(run: Run, more: tuple[str, ...]) -> None:
    finished = run("seed_demo", *more)

    assert (finished.returncode, finished.stdout) == (2, "")
    assert "DATABASE_URL names a database" in finished.stderr
    assert FLAG in finished.stderr
    assert not User.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)])
def test_an_external_database_with_users_is_refused_even_with_the_flag(run: Run, more: tuple[str, ...]) -> None:
    make_user("somebody")

    finished = run(*EXTERNAL, *more)

    assert (finished.returncode, finished.stdout) == (2, "")
    assert "has users already" in finished.stderr
    assert User.objects.count() == 1


def assert_random(accounts: list[dict[str, str]]) -> None:
    assert [account["role"] for account in accounts] == ["admin", "moderator", "creator", "guest", "viewer"]
    for account, public in zip(accounts, ACCOUNTS, strict=True):
        user = User.objects.get(username=account["username"])
        assert check_password(account["password"], user.password)
        assert not check_password(public.password, user.password)
        assert len(account["password"]) >= 16
    assert len({account["password"] for account in accounts}) == len(accounts)
    assert open_accounts() == []


def test_the_random_passwords_are_printed_without_json(run: Run) -> None:
    output = run(*EXTERNAL).stdout

    row = next(line for line in output.splitlines() if line.split()[:2] == ["admin", "admin"])
    assert check_password(row.split()[2], User.objects.get(username="admin").password)
    assert "shown only now" in output


# --- the demo command -----------------------------------------------------------------------------


@contextmanager
def connected_to(database: str) -> Iterator[psycopg.Connection[Any]]:
    connection.ensure_connection()
    info = connection.connection.info
    with psycopg.connect(host=info.host, port=info.port, user=info.user, dbname=database, autocommit=True) as other:
        yield other


@pytest.fixture
def bare_database(transactional_db: None) -> Iterator[str]:
    """The name of a database without tables, on the same server."""
    name = f"{connection.settings_dict['NAME']}_bare"
    with connected_to("postgres") as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield name
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize("command", ["demo", "seed_demo"])
def test_a_refused_command_migrates_nothing(run: Run, bare_database: str, command: str) -> None:
    url = database_url().rsplit("/", 1)[0] + f"/{bare_database}"

    finished = run(command, DATABASE_URL=url)

    assert finished.returncode == 2
    assert FLAG in finished.stderr
    with connected_to(bare_database) as own:
        assert own.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall() == []


def test_the_demo_refuses_an_external_database_with_users(run: Run) -> None:
    make_user("somebody")

    finished = run("demo", FLAG, "--port", str(free_port()))

    assert finished.returncode == 2
    assert "has users already" in finished.stderr
    assert User.objects.count() == 1


# --- closing --------------------------------------------------------------------------------------


def test_closing_resets_only_accounts_with_a_demo_password(run: Run) -> None:
    now = session_of(make_user("somebody")).created_at
    admin = services.create_user("admin", "admin-of-the-demo", by=None, now=now, is_staff=True, is_superuser=True)
    own = services.create_user("deniz", "a password of my own", by=None, now=now)
    session = services.log_in("admin", "admin-of-the-demo", now=now)

    assert json.loads(run("seed_demo", "--close", "--dry-run", "--json").stdout) == {
        "dry_run": True,
        "closed": ["admin"],
    }
    assert [user.username for user in open_accounts()] == ["admin"]
    assert json.loads(run("seed_demo", "--close", "--json").stdout) == {"dry_run": False, "closed": ["admin"]}

    admin.refresh_from_db()
    assert not check_password("admin-of-the-demo", admin.password)
    assert Session.objects.get(pk=session.pk).ended_at is not None
    assert check_password("a password of my own", User.objects.get(pk=own.pk).password)
    entry = AuditEntry.objects.get(action="change_password")
    assert (entry.target_id, entry.entry_point, entry.actor_id) == (admin.pk, "command", None)
    assert run("seed_demo", "--close").stdout == "No account opens with a public password.\n"
