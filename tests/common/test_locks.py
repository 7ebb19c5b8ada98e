"""Advisory locks: all are in the registry, and two locks never have the same key."""

import ast
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections, transaction

from common import locks
from common.locks import REGISTRY, AdvisoryLock

APPS = sorted(
    path.parent.name
    for path in Path(settings.BASE_DIR).glob("*/__init__.py")
    if path.parent.name not in {"tests", "benchmarks"}
)
SOURCES = [path for app in APPS for path in (Path(settings.BASE_DIR) / app).rglob("*.py")]
STREAM_KEY = 495_674_792_334_067_797  # of EXAMPLE; processes of two versions must agree
EXAMPLE = "673ac9e2c93fe18d3fdd23f1"
BIGINT = range(-(2**63), 2**63)


@pytest.fixture
def lock() -> AdvisoryLock:
    return named("stream")


def named(name: str) -> AdvisoryLock:
    return next(lock for lock in REGISTRY.values() if lock.name == name)


def names_declared() -> list[tuple[Path, str]]:
    """In the source of all modules, whether or not they have been imported."""
    return [
        (path, node.args[0].value)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "AdvisoryLock"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]


def test_each_lock_is_declared_once_and_registered() -> None:
    declared = names_declared()
    for path, _name in declared:
        import_module(".".join(path.relative_to(settings.BASE_DIR).with_suffix("").parts))

    counted = Counter(name for _path, name in declared)
    assert {"stream", "delivery", "join keys", "seed"} <= set(counted)
    assert set(counted.values()) == {1}
    assert {lock.name for lock in REGISTRY.values()} == set(counted)


def test_keys_of_two_locks_differ_whatever_the_row() -> None:
    prefixes = {lock.key(row) >> 48 for lock in REGISTRY.values() for row in ("", "a", EXAMPLE)}
    assert len(prefixes) == len(REGISTRY)


def test_a_key_is_a_bigint_and_the_same_in_every_process(lock: AdvisoryLock) -> None:
    assert all(lock.key(str(number)) in BIGINT for number in range(1000))
    assert lock.key(EXAMPLE) == STREAM_KEY


def test_a_second_lock_of_the_same_name_is_refused(lock: AdvisoryLock) -> None:
    with pytest.raises(ValueError, match="'stream' has the same keys as 'stream'"):
        AdvisoryLock("stream")
    assert REGISTRY[lock.key().to_bytes(8, signed=True)[:2]] is lock


def test_no_other_module_calls_advisory_lock_functions() -> None:
    by_hand = re.compile(r"pg_(try_)?advisory_")
    found = {path for path in SOURCES if by_hand.search(path.read_text())}
    assert found == {Path(locks.__file__)}


def tried(lock: AdvisoryLock, row: str) -> bool:
    """Whether another connection can take the lock."""

    def attempt() -> bool:
        try:
            with transaction.atomic():
                return lock.try_take(row)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(attempt).result()


@pytest.mark.django_db(transaction=True)
def test_a_lock_holds_until_the_transaction_ends_and_for_its_row_alone(lock: AdvisoryLock) -> None:
    with transaction.atomic():
        lock.take("a")
        assert not tried(lock, "a")
        assert tried(lock, "b")
        assert tried(named("delivery"), "a")
    assert tried(lock, "a")


@pytest.mark.django_db(transaction=True)
def test_a_shared_lock_blocks_an_exclusive_one(lock: AdvisoryLock) -> None:
    with transaction.atomic():
        lock.share("a")
        assert not tried(lock, "a")


@pytest.mark.django_db(transaction=True)
def test_a_session_lock_is_held_across_transactions_until_the_block_ends(lock: AdvisoryLock) -> None:
    with lock.tried_by_session("a") as taken:
        assert taken
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        assert not tried(lock, "a")
    assert tried(lock, "a")


@pytest.mark.django_db(transaction=True)
def test_a_session_lock_that_was_not_taken_is_not_released(lock: AdvisoryLock) -> None:
    def attempt() -> bool:
        try:
            with lock.tried_by_session("a") as taken:
                return taken
        finally:
            connections.close_all()

    with lock.tried_by_session("a"):
        with ThreadPoolExecutor(1) as pool:
            assert not pool.submit(attempt).result()
        assert not tried(lock, "a")


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_ends_a_session_lock_and_replaces_no_interruption(lock: AdvisoryLock) -> None:
    def interrupted() -> None:
        with lock.tried_by_session("a"):
            connection.connection.close()  # as psycopg does when a cancelled statement does not end
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    connection.close()
    assert tried(lock, "a")
