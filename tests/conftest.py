"""Shared fixtures: users by role, and API clients that are authenticated as them."""

import gc
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime
from itertools import count, groupby
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.utils import timezone
from psycopg._preparing import PrepareManager
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

import config.urls  # noqa: F401 - registers the pages of the admin, over which tests iterate
from accounts import services, tokens
from accounts.models import Session, User
from common.rate_limits import counters
from tests import leaks
from tests.databases import database, remove_dead_rows
from tests.flush import flush
from tests.kept import KEPT, owner_of
from tests.poolers import pooled_if_chosen
from tests.servers import database_url

PASSWORD = leaks.plant("password", "correct horse battery staple")


# Names that a test module imports only to start servers, workers, commands or other processes.
STARTS_PROCESSES = {
    "subprocess",
    "Popen",
    "running_server",
    "private_server",
    "serving",
    "started_server",
    "running_workers",
    "start_worker",
    "Run",
    "Start",
}

DISCARDING = (b"CREATE", b"ALTER", b"DROP", b"DISCARD ALL", b"DEALLOCATE ALL")


@pytest.hookimpl(optionalhook=True)  # the matrix runs without the plugin
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: a quarter of the time tests wait, for processes, locks and time limits."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the markers `browser` and `slow` by what a test uses. Single tests also set `slow` themselves.

    Modules with the longest tests come first, so that at the end of a run no process waits for another one.
    """
    for item in items:
        if "playwright" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
        if not STARTS_PROCESSES.isdisjoint(vars(getattr(item, "module", item))):
            item.add_marker("slow")
    # Modules are not split: tests of a module may share a server or a database.
    modules = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
    modules.sort(key=lambda tests: -max(map(_time_limit, tests)))
    # Tests that share objects follow each other.
    items[:] = [item for tests in modules for item in sorted(tests, key=lambda item: owner_of(item)[1:])]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Drop the objects that no further test shares."""
    yield
    if KEPT.owner and KEPT.owner != owner_of(nextitem):
        KEPT.drop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test fails when what it lets the service log has a secret."""
    report = yield
    leaks.check(report)
    return report


@pytest.fixture(autouse=True, scope="session")
def _logs_are_watched() -> Iterator[None]:
    with leaks.watching():
        yield


def _time_limit(item: pytest.Item) -> float:
    """The time limit in seconds that a test sets itself, as the longest ones do. 0 for all others."""
    limit = item.get_closest_marker("timeout")
    return float(limit.args[0]) if limit else 0


def pytest_collection() -> None:
    """Collecting makes half a million objects that stay until the end: garbage collection would only look at them."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Exclude what is in memory now from garbage collection."""
    gc.enable()
    gc.collect()
    gc.freeze()


# Once for all tests: a setting that changes sends a signal to everything that depends on any.
SETTINGS = {
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],  # cheap
    "PASSWORD_HASHING_QUEUE": 100,
    "WHITENOISE_AUTOREFRESH": True,  # looks up static files on request instead of at start
    "READY_KEPT_SECONDS": 0,
    "UNREADY_KEPT_SECONDS": 0,
    "IDENTITY_ISSUER": "",
    "IDENTITY_PUBLIC_KEY": "",
    "IDENTITY_JWKS_URL": "",
}


@pytest.fixture(autouse=True, scope="session")
def _settings_of_tests(django_test_environment: None) -> Iterator[None]:
    with override_settings(**SETTINGS):
        yield


@pytest.fixture(scope="session")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of folders that do not exist yet. `tmp_path` would make a folder for each test, and most need none."""
    base = tmp_path_factory.mktemp("media")
    return (base / str(number) for number in count())


@pytest.fixture(autouse=True)
def _place(settings: Any, _folders: Iterator[Path]) -> None:
    """An empty folder for pictures, and no calls counted yet."""
    settings.MEDIA_ROOT = next(_folders)
    counters.forget_counted()


@pytest.fixture(autouse=True, scope="session")
def _quick_flush() -> Iterator[None]:
    """Replace Django's flush after tests that commit by the faster one of `tests/flush.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test: flush())
        yield


@pytest.fixture(autouse=True, scope="session")
def _statements_stay_prepared() -> Iterator[None]:
    """Keep prepared statements when a test, or a savepoint in it, is rolled back.

    psycopg discards all of them, because the transaction may have created tables that no longer exist. Each statement
    is then sent, parsed and planned again, twice. Here only statements that create, alter or drop something discard
    them. A test that commits closes its connection.
    """
    clear = PrepareManager.clear

    def discarded(manager: PrepareManager, prep: Any, results: Sequence[Any]) -> bool:
        return any((result.command_status or b"").startswith(DISCARDING) for result in results) and clear(manager)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrepareManager, "_should_discard", discarded)
        patch.setattr(PrepareManager, "clear", lambda manager: False)  # called after a rollback
        patch.setattr(PrepareManager, "prepared_max", 1000)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Commits do not wait for the disk. After a crash of the machine the test database is created again anyway."""
    options = connection.settings_dict["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c synchronous_commit=off".strip()
    # Tests hold transactions for as long as they take.
    connection.settings_dict["TIME_LIMITS"] = {}


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
    django_db_createdb: bool,
    django_db_modify_db_settings: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """The test database, also for tests without the mark `django_db`, whose fixtures begin a transaction themselves."""
    # The folder of a process of pytest-xdist is in that of the run.
    shared = tmp_path_factory.getbasetemp().parent if hasattr(request.config, "workerinput") else None
    verbosity: int = request.config.option.verbose
    with (
        database(
            django_db_blocker, verbosity=verbosity, keep=django_db_keepdb, recreate=django_db_createdb, shared=shared
        ),
        pooled_if_chosen(django_db_blocker),
    ):
        yield


@pytest.fixture(scope="module")
def database_of_tests(django_db_setup: None, django_db_blocker: Any) -> str:
    """The URL of the test database, for a server that all tests of a module share."""
    with django_db_blocker.unblock():
        return database_url()


@pytest.fixture(scope="module")
def no_dead_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """For a test of a plan. It is set up before the transaction of the test begins, as fixtures of a module are."""
    remove_dead_rows(django_db_blocker)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def make_user(username: str, **fields: Any) -> User:
    """As `create_user`, without its comparison with the names of the staff, which takes half of the time."""
    user = User(username=username, **{"name": username.title()} | fields)
    user.username = user.checked_username()
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def creator(db: None) -> User:
    return make_user("creator", name="Ayşe", surname="Yılmaz")


@pytest.fixture
def guest(db: None) -> User:
    return make_user("guest")


@pytest.fixture
def viewer(db: None) -> User:
    return make_user("viewer")


@pytest.fixture
def stranger(db: None) -> User:
    return make_user("stranger")


@pytest.fixture
def moderator(db: None) -> User:
    return make_user("moderator", is_staff=True)


def session_of(user: User) -> Session:
    """A new session, as a login begins it. Most tests need one, and the checks of a login take a dozen statements."""
    now = timezone.now()
    return Session.objects.create(
        user=user, refresh_id=token_hex(16), created_at=now, expires_at=now + services.SESSION_LIFETIME
    )


def token_of(user: User) -> str:
    """An access token of a new session, for calls over HTTP."""
    return leaks.plant_for_test("token", str(tokens.AccessToken.of(session_of(user), now=timezone.now())))


type Api = Callable[..., APIClient]


def client_of(user: User | None = None) -> APIClient:
    """A client that is anonymous, or has the access token of a new session of `user`."""
    client = APIClient(raise_request_exception=False)
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token_of(user)}")
    return client


@pytest.fixture
def api(db: None) -> Api:
    return client_of
