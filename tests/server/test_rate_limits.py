"""Rate limits over several processes of the real server."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from common.rate_limits.policies import READ, STEPS
from tests.conftest import make_user, token_of
from tests.races import at_once
from tests.servers import Answer, Server, running_server

CHANNELS = "/api/v1/notifications/channels"
ME = "/api/v1/users/me"
ENVELOPE = ["isSuccess", "statusCode", "data", "errors", "timestamp"]
AT_ONCE = 100  # connections


def answers_of(count: int, call: Callable[[int], Answer]) -> list[Answer]:
    """The answers to `count` calls, AT_ONCE of them at the same time."""

    def calls(first: int) -> list[Answer]:
        return [call(number) for number in range(first, count, AT_ONCE)]

    return [answer for answers in at_once(AT_ONCE, calls) for answer in answers]


def change(server: Server, token: str) -> Answer:
    return server.call("PATCH", CHANNELS, token=token, body={"inbox": True})


def headers_of(answer: Answer) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


@pytest.mark.django_db(transaction=True)
def test_of_500_changes_at_once_over_two_servers_exactly_100_pass() -> None:
    creator, viewer = make_user("creator"), make_user("viewer")
    # Several tokens of the same user.
    tokens = [token_of(creator) for _ in range(3)]
    others = token_of(viewer)
    limits = {"RATE_LIMIT_WRITE": "100/300", "RATE_LIMIT_READ": "100/300", "RATE_LIMIT_ANONYMOUS_WRITE": "10/300"}
    with running_server(workers=1, **limits) as one, running_server(workers=1, **limits) as other:
        servers = (one, other)
        changes = answers_of(500, lambda number: change(servers[number % 2], tokens[number % 3]))

        assert Counter(answer.status for answer in changes) == {200: 100, 429: 400}
        remains = Counter(headers_of(answer)["ratelimit"].split(";")[1] for answer in changes if answer.status == 200)
        assert remains == Counter(f"r={number}" for number in range(100)), "each number once"
        for answer in changes:
            headers = headers_of(answer)
            assert headers["ratelimit-policy"] == '"write";q=100;w=300'
            seconds = int(headers["ratelimit"].rpartition("t=")[2])
            assert 200 < seconds <= 300
            if answer.status == 429:
                assert headers["retry-after"] == str(seconds)
                assert headers["x-error-code"] == "rate_limited"
                assert headers["ratelimit"].startswith('"write";r=0;t=')
                assert list(answer.json()) == ENVELOPE

        assert change(one, others).status == change(other, others).status == 200, "another user has a limit of its own"
        reads = answers_of(400, lambda number: servers[number % 2].call("GET", ME, token=tokens[number % 3]))
        passed = Counter(answer.status for answer in reads)
        assert passed.keys() == {200, 429}
        assert 100 <= passed[200] <= 100 + 2 * (100 // STEPS), READ
        revoked = answers_of(
            100,
            lambda number: servers[number % 2].call("POST", "/api/v1/auth/revoke-token", body={"refreshToken": "x"}),
        )
        assert Counter(answer.status for answer in revoked) == {200: 10, 429: 90}


@pytest.mark.django_db(transaction=True)
def test_after_the_window_calls_pass_again() -> None:
    token = token_of(make_user("creator"))
    with running_server(workers=2, RATE_LIMIT_WRITE="3/2") as server:
        for _ in range(2):
            answers = [change(server, token) for _ in range(5)]
            assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
            waited = headers_of(answers[-1])["retry-after"]
            assert waited in {"1", "2"}
            time.sleep(int(waited))
