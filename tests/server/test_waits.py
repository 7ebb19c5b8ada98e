"""Calls end in time: with a locked table, a database that does not answer, and connections that it has closed."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts import services, tokens
from accounts.models import Session, User
from tests.conftest import make_user, session_of, token_of
from tests.patience import wait_until
from tests.server.conftest import usual, watched_health
from tests.server.private import private_server
from tests.servers import Answer, running_server, terminated_connections
from tests.streams import make_stream

LONGEST_ANSWER = 5.0  # seconds, as the operations page promises
HEALTH_WITHIN = 0.2
ENVELOPE = ["isSuccess", "statusCode", "data", "errors", "timestamp"]


def ended_session_of(user: User) -> Session:
    session = session_of(user)
    services.revoke(session.pk, now=timezone.now())
    return session


class Timed:
    """The answers of concurrent calls, and the duration of each in seconds. `at_once`: None means all."""

    def __init__(self, calls: list[Callable[[], Answer]], *, at_once: int | None = None) -> None:
        with ThreadPoolExecutor(at_once or len(calls)) as pool:
            self.results = list(pool.map(self._one, calls))

    @staticmethod
    def _one(call: Callable[[], Answer]) -> tuple[Answer, float]:
        started = time.monotonic()
        return call(), time.monotonic() - started

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer, _ in self.results)

    @property
    def longest(self) -> float:
        return max(seconds for _, seconds in self.results)

    def assert_unavailable_in_the_envelope(self) -> None:
        for answer, _ in self.results:
            if answer.status != 200:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                assert (answer.status, "retry-after" in headers) == (503, True), answer
                assert list(answer.json()) == ENVELOPE


@pytest.mark.django_db(transaction=True)
def test_calls_on_a_locked_table_end_in_time_and_the_health_page_answers() -> None:
    creator = make_user("creator")
    stream = make_stream(creator)
    token = token_of(creator)
    with running_server(workers=2) as server, locked_table("livestreams_livestream", seconds=8):
        path = f"/api/v1/live-stream/{stream.pk}"
        with watched_health(server) as health:
            answers = Timed([lambda: server.call("GET", path, token=token)] * 45)

        assert answers.statuses == {503: 45}
        answers.assert_unavailable_in_the_envelope()
        assert answers.longest < LONGEST_ANSWER
        assert usual(health) < HEALTH_WITHIN


@contextmanager
def locked_table(table: str, *, seconds: float) -> Iterator[None]:
    """Another session holds ACCESS EXCLUSIVE on `table` while the block runs, at most for `seconds`."""
    connection.ensure_connection()
    info = connection.connection.info
    with psycopg.connect(host=info.host, port=info.port, user=info.user, dbname=info.dbname) as other:
        other.execute(f"SET idle_in_transaction_session_timeout = {int(seconds * 1000)}")
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@pytest.mark.django_db(transaction=True)
def test_connections_that_the_database_has_closed_fail_no_call() -> None:
    creator = make_user("creator")
    stream = make_stream(creator)
    token = token_of(creator)
    refresh_token = str(tokens.RefreshToken.of(ended_session_of(creator), now=timezone.now()))
    with running_server(workers=2) as server:
        calls: list[Callable[[], Answer]] = [
            lambda: server.call("GET", "/api/v1/users/me", token=token),
            lambda: server.call("GET", f"/api/v1/live-stream/{stream.pk}", token=token),
            lambda: server.call("GET", "/api/v1/live-stream", token=token),
            lambda: server.call("PATCH", f"/api/v1/live-stream/{stream.pk}", token=token, body={"durationGoal": 60}),
            lambda: server.call("GET", "/.well-known/jwks.json"),
            lambda: server.call("POST", "/api/v1/auth/refresh", body={"refreshToken": refresh_token}),
        ] * 10
        # No more at once than a process has connections, because a busy machine would answer some with 503.
        for _ in range(2):
            found = Timed(calls, at_once=6).statuses
            assert found == {200: 50, 401: 10}, "200, and 401 for the token of a session that has ended"
            terminated_connections()


# --- a database that is stopped -------------------------------------------------------------------

READY_WITHIN = 2.0


def test_calls_end_in_time_while_the_database_is_stopped_and_succeed_afterwards(tmp_path: Path) -> None:
    with private_server(tmp_path) as private:
        server = private.server
        reads: list[Callable[[], Answer]] = [private.read] * 45
        assert Timed(reads, at_once=6).statuses == {200: 45}
        with private.stopped_database(), watched_health(server) as health:
            # A process may repeat the last answer for a second.
            wait_until(lambda: server.call("GET", "/readyz").status == 503, seconds=LONGEST_ANSWER)
            for _round in ("open connections", "new connections"):
                answers = Timed([*reads, lambda: server.call("GET", "/readyz")])
                assert answers.statuses == {503: 46}
                answers.assert_unavailable_in_the_envelope()
                assert answers.longest < LONGEST_ANSWER
                readiness = Timed([lambda: server.call("GET", "/readyz")] * 4)
                assert readiness.statuses == {503: 4}
                assert readiness.longest < READY_WITHIN
        assert usual(health) < HEALTH_WITHIN

        _wait_for_good(reads[0])
        assert Timed(reads, at_once=6).statuses == {200: 45}


def test_after_restarts_of_the_database_under_load_calls_succeed_within_seconds(tmp_path: Path) -> None:
    with private_server(tmp_path) as private, ThreadPoolExecutor(4) as pool:
        ended = threading.Event()
        answers: list[Answer] = []

        def call_on() -> None:
            while not ended.is_set():
                answers.append(private.read())

        callers = [pool.submit(call_on) for _ in range(4)]
        try:
            for how in (signal.SIGINT, signal.SIGQUIT):  # fast and immediate shutdown; a new connection starts it again
                time.sleep(0.5)
                private.postmaster.send_signal(how)
                time.sleep(0.2)
                _wait_for_good(private.read)
        finally:
            ended.set()
        for caller in callers:
            caller.result()
        statuses = Counter(answer.status for answer in answers)
        assert set(statuses) <= {200, 503}
        assert statuses[200] > statuses[503]
        for answer in answers:
            assert list(answer.json()) == ENVELOPE


def test_calls_are_refused_while_the_database_has_no_connection_left_and_succeed_afterwards(tmp_path: Path) -> None:
    with private_server(tmp_path, workers=1) as private, ExitStack() as others:
        with private.connect() as own:
            own.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'serve$'")
        with suppress(psycopg.OperationalError):
            while True:
                others.enter_context(closing(private.connect()))

        answers = Timed([private.read] * 20)
        assert answers.statuses == {503: 20}
        answers.assert_unavailable_in_the_envelope()
        assert answers.longest < LONGEST_ANSWER
        wait_until(lambda: private.server.call("GET", "/readyz").status == 503, seconds=LONGEST_ANSWER)

        others.close()
        _wait_for_good(private.read)


def _wait_for_good(call: Callable[[], Answer]) -> None:
    """Return when a call succeeds. `make faults` measures how soon that is; here the machine may be busy."""
    wait_until(lambda: call().status == 200)
