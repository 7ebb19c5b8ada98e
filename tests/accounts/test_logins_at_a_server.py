"""Concurrent logins at the production server: two processes, real password hashes."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest

from accounts.models import User
from tests.conftest import PASSWORD, make_user, token_of
from tests.patience import PATIENCE
from tests.races import at_once
from tests.servers import Answer, Server, running_server

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/users/me"
SLOWEST = 5.0  # seconds, for busy machines; without slots, 40 logins keep other calls waiting for 20 and more


@pytest.fixture(scope="module")
def server(database_of_tests: str) -> Iterator[Server]:
    """With real hashes, and this machine as a trusted proxy, so that tests can choose the client's address."""
    with running_server(workers=2, database=database_of_tests, TRUSTED_PROXIES="127.0.0.1") as started:
        yield started


def log_in(server: Server, username: str, password: str, address: str = "192.0.2.1") -> Answer:
    connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    try:
        connected.request("POST", LOGIN, json.dumps({"username": username, "password": password}), headers)
        response = connected.getresponse()
        return Answer(response.status, {name.lower(): text for name, text in response.getheaders()}, response.read())
    finally:
        connected.close()


def outcome_of(server: Server, username: str, password: str, address: str = "192.0.2.1") -> Answer:
    """The answer of a login that is repeated as long as the server is busy."""
    for _ in range(60):
        answer = log_in(server, username, password, address)
        if answer.status != 503:
            return answer
        assert answer.headers["x-error-code"] in {"login_busy", "server_busy"}
        time.sleep(int(answer.headers["retry-after"]))
    raise AssertionError("the server was too busy for a minute")


@pytest.fixture
def mora(settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    return make_user("mora")


def test_forty_logins_with_unknown_usernames_leave_threads_for_other_calls(server: Server, mora: User) -> None:
    token = token_of(mora)
    until = time.monotonic() + 6

    def flood(number: int) -> list[Answer]:
        answers = []
        while time.monotonic() < until:
            # Each from an address of its own, so that only the slots limit them.
            answers.append(log_in(server, f"nobody-{number}", "guess", f"192.0.2.{number}"))
            time.sleep(0.05)
        return answers

    def look() -> tuple[list[float], Counter[int]]:
        took: list[float] = []
        statuses: Counter[int] = Counter()
        while time.monotonic() < until:
            begun = time.monotonic()
            answer = server.call("GET", "/healthz") if len(took) % 2 else server.call("GET", ME, token=token)
            took.append(time.monotonic() - begun)
            statuses[answer.status] += 1
            time.sleep(0.02)
        return took, statuses

    with ThreadPoolExecutor(41) as pool:
        looking = pool.submit(look)
        answers = [answer for sent in pool.map(flood, range(40)) for answer in sent]
        took, seen = looking.result()
        took.sort()

    assert len(took) > 20
    # On a slow machine all threads are taken for a moment: then a call is refused at once.
    assert seen.keys() <= {200, 503}
    assert seen[200] >= 0.9 * len(took)
    assert took[-1] < SLOWEST, f"median {took[len(took) // 2]:.3f} s, slowest {took[-1]:.3f} s"
    counted = Counter(answer.status for answer in answers)
    assert set(counted) <= {401, 429, 503}
    assert counted[401] > 0
    assert counted[503] > 0
    busy = Counter(answer.headers["x-error-code"] for answer in answers if answer.status == 503)
    # On a slow machine the threads of the server are all taken for a moment, too.
    assert set(busy) <= {"login_busy", "server_busy"}
    assert busy["login_busy"] > 0
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status == 503)
    assert json.loads(next(answer.body for answer in answers if answer.status == 503))["isSuccess"] is False


def test_of_forty_concurrent_guesses_at_two_processes_ten_are_answered_as_wrong(server: Server, mora: User) -> None:
    answers = at_once(40, lambda _: outcome_of(server, "mora", "guess"))

    assert Counter(answer.status for answer in answers) == {401: 10, 429: 30}
    refused = [answer for answer in answers if answer.status == 429]
    assert all(200 < int(answer.headers["retry-after"]) <= 300 for answer in refused)
    assert outcome_of(server, "mora", PASSWORD).status == 429
    assert outcome_of(server, "mora", PASSWORD, "198.51.100.1").status == 200, "a client elsewhere is not refused"


def test_the_header_of_a_client_that_is_no_trusted_proxy_is_ignored(mora: User) -> None:
    with running_server(workers=2) as server:
        answers = [outcome_of(server, "mora", "guess", f"192.0.2.{number}") for number in range(11)]

    assert [answer.status for answer in answers] == [401] * 10 + [429]
