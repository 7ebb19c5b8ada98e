"""The clients refresh an expired access token once, also when calls run at the same time or an answer is lost."""

from threading import Lock

import pytest

from tests.clients.driving import Driver, Refused
from tests.clients.scripted import LOST, Reply, Request, Scripted, documented, person, refused, stream

QUICK = {"first_backoff": 0.01}
OLD = {"accessToken": "old-access", "refreshToken": "old-refresh"}
NEW = {"accessToken": "new-access", "refreshToken": "new-refresh"}

EXPIRED = refused(401, "token_expired")
ME = Reply(200, person())
REFRESHED = Reply(200, documented("post", "/api/v1/auth/refresh", 200) | NEW)


class Sessions:
    """Answers as the service does while `old-access` has expired; `refreshes` are the answers to refreshes."""

    def __init__(self, *refreshes: Reply) -> None:
        self.refreshes = list(refreshes)
        self.lock = Lock()

    def __call__(self, request: Request) -> Reply:
        if request.path == "/api/v1/auth/refresh":
            with self.lock:
                return self.refreshes.pop(0)
        return ME if request.token == "Bearer new-access" else EXPIRED


def sent_refreshes(service: Scripted) -> list[Request]:
    return [request for request in service.requests if request.path == "/api/v1/auth/refresh"]


def test_an_expired_token_is_refreshed_and_the_call_is_sent_again(client: Driver, service: Scripted) -> None:
    service.otherwise = Sessions(REFRESHED)
    client.do("new", url=service.url, tokens=OLD)

    assert client.do("me") == [person()["username"]]

    (refresh,) = sent_refreshes(service)
    assert (refresh.body, refresh.key) == ({"refreshToken": "old-refresh"}, None)
    assert client.do("tokens") == {"now": NEW, "changes": [NEW]}


def test_a_change_keeps_its_key_over_a_refresh(client: Driver, service: Scripted) -> None:
    service.replies = [EXPIRED, REFRESHED, Reply(201, stream())]
    client.do("new", url=service.url, tokens=OLD)

    client.do("create", title="Evening talk")

    first, _, second = service.requests
    assert first.key == second.key
    assert first.body == second.body
    assert (first.token, second.token) == ("Bearer old-access", "Bearer new-access")


def test_of_concurrent_calls_one_refreshes_and_the_others_use_its_tokens(client: Driver, service: Scripted) -> None:
    service.otherwise = Sessions(Reply(200, REFRESHED.data, delay=0.3))
    client.do("new", url=service.url, tokens=OLD)

    assert client.do("me", times=6) == [person()["username"]] * 6

    assert len(sent_refreshes(service)) == 1


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(LOST, id="lost"),
        pytest.param(refused(409, "refresh_in_progress", Retry_After="0"), id="in progress"),
        pytest.param(refused(503, "server_busy", Retry_After="0"), id="503"),
    ],
)
def test_a_refresh_is_sent_again_with_the_same_token(client: Driver, service: Scripted, first: Reply) -> None:
    service.otherwise = Sessions(first, REFRESHED)
    client.do("new", url=service.url, tokens=OLD, **QUICK)

    client.do("me")

    assert [refresh.body for refresh in sent_refreshes(service)] == [{"refreshToken": "old-refresh"}] * 2
    assert client.do("tokens")["now"] == NEW


def test_a_refused_refresh_ends_the_session(client: Driver, service: Scripted) -> None:
    service.otherwise = Sessions(refused(401, "refresh_token_reused"))
    client.do("new", url=service.url, tokens=OLD)

    with pytest.raises(Refused, match="refresh_token_reused"):
        client.do("me")

    assert client.do("tokens") == {"now": None, "changes": [None]}
    service.otherwise = lambda _: refused(401, "authentication_required")
    with pytest.raises(Refused, match="authentication_required"):
        client.do("me")
    assert service.requests[-1].token is None


def test_a_service_that_is_away_does_not_end_the_session(client: Driver, service: Scripted) -> None:
    service.otherwise = Sessions(*[refused(503, "server_busy")] * 2)
    client.do("new", url=service.url, tokens=OLD, attempts=2, **QUICK)

    with pytest.raises(Refused, match="server_busy"):
        client.do("me")

    assert client.do("tokens") == {"now": OLD, "changes": []}


@pytest.mark.parametrize("code", ["session_ended", "token_invalid"])
def test_other_refusals_of_a_token_are_not_answered_with_a_refresh(
    client: Driver, service: Scripted, code: str
) -> None:
    service.otherwise = lambda _: refused(401, code)
    client.do("new", url=service.url, tokens=OLD)

    with pytest.raises(Refused, match=code):
        client.do("me")

    assert sent_refreshes(service) == []


def test_logging_out_of_a_session_that_has_ended_succeeds(client: Driver, service: Scripted) -> None:
    service.otherwise = lambda _: refused(401, "session_ended")
    client.do("new", url=service.url, tokens=OLD)

    client.do("log_out")

    assert client.do("tokens") == {"now": None, "changes": [None]}
