"""Rate limits over HTTP: who is counted together, what answers say, and that every operation has a limit."""

import re
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from common.addresses import networks
from common.rate_limits import counters
from common.rate_limits.policies import EXACT, NAMES, POLICY_HEADER, STANDING_HEADER, policies_of
from tests.api.operations import Operation, World, operations
from tests.bans.people import permitted
from tests.conftest import Api, token_of
from tests.envelope import assert_refused
from tests.streams import STREAMS

ME = "/api/v1/users/me"
CHANNELS = "/api/v1/notifications/channels"
REVOKE = "/api/v1/auth/revoke-token"
BANS = "/api/v1/live-stream-ban"


@pytest.fixture
def limited(settings: Any) -> Any:
    """A function that sets limits by name; all others are off."""

    def limit(**written: str) -> None:
        named = {name.replace("_", "-"): text for name, text in written.items()}
        settings.RATE_LIMITS = policies_of(dict.fromkeys(NAMES, "0") | named)

    return limit


def change(client: APIClient, **extra: Any) -> Any:
    return client.patch(CHANNELS, {"inbox": True}, **extra)


def statuses(*responses: Any) -> list[int]:
    return [response.status_code for response in responses]


# --- headers --------------------------------------------------------------------------------------


def test_answers_say_what_is_left(api: Api, creator: User, limited: Any) -> None:
    limited(read="100/60", write="2/30", address="1000/10")
    client = api(creator)

    read, changed, last = client.get(ME), change(client), change(client)
    refused = change(client)

    assert read.headers[POLICY_HEADER] == '"read";q=100;w=60, "address";q=1000;w=10'
    assert read.headers[STANDING_HEADER] == '"read";r=99;t=60'
    assert changed.headers[POLICY_HEADER] == '"write";q=2;w=30, "address";q=1000;w=10'
    assert changed.headers[STANDING_HEADER] == '"write";r=1;t=30'
    assert last.headers[STANDING_HEADER] == '"write";r=0;t=30'
    assert_refused(refused, 429, "rate_limited")
    assert refused.headers["Retry-After"] == "30"
    assert refused.headers[POLICY_HEADER] == changed.headers[POLICY_HEADER]
    assert refused.headers[STANDING_HEADER] == '"write";r=0;t=30'


def test_errors_and_unchanged_answers_have_the_headers_too(api: Api, creator: User, limited: Any) -> None:
    limited(read="100/60")
    client = api(creator)
    for response in (client.get(f"{ME}?x=1"), client.get(f"{STREAMS}/{'0' * 24}"), client.head(ME), client.put(ME)):
        assert response.status_code in {200, 400, 404, 405}
        assert (STANDING_HEADER in response.headers) is (response.status_code != 405), "PUT is a change"


def test_without_limits_there_are_no_headers_and_no_statements(api: Api, creator: User, limited: Any) -> None:
    limited()
    client = api(creator)
    with CaptureQueriesContext(connection) as captured:
        response = change(client)
    assert not {POLICY_HEADER, STANDING_HEADER} & set(response.headers)
    assert not any("common_ratecounter" in query["sql"] for query in captured)


def test_a_change_runs_one_statement_for_its_limits_and_a_read_none(api: Api, creator: User) -> None:
    client = api(creator)
    for call, expected in ((change, 1), (lambda client: client.get(ME), 0)):
        with CaptureQueriesContext(connection) as captured:
            assert call(client).status_code == 200
        assert sum("common_ratecounter" in query["sql"] for query in captured) == expected


# --- who is counted together ----------------------------------------------------------------------


def test_all_tokens_of_a_user_are_counted_together_and_other_users_are_not(
    api: Api, creator: User, viewer: User, limited: Any
) -> None:
    limited(read="3/60", write="3/60")
    for call in (change, lambda client: client.get(ME)):
        assert statuses(*(call(api(creator)) for _ in range(4))) == [200, 200, 200, 429]
        assert call(api(viewer)).status_code == 200


def test_reads_changes_and_searches_are_counted_apart(api: Api, creator: User, limited: Any) -> None:
    limited(read="1/60", write="1/60", search="1/60")
    client = api(creator)
    assert statuses(client.get(ME), change(client), client.get(f"{STREAMS}?search=a")) == [200, 200, 200]
    # The key may be written in other ways.
    for query in ("search=a", "%73earch=a", "limit=1&sear%63h=b"):
        assert_refused(client.get(f"{STREAMS}?{query}"), 429, "rate_limited")


def test_an_anonymous_client_is_its_network(api: Api, limited: Any, settings: Any) -> None:
    limited(anonymous="2/60", anonymous_write="1/60")
    client = api()
    one, neighbour, other = "2001:db8:0:1::1", "2001:db8:0:1:9::7", "2001:db8:0:2::1"
    answers = [client.get(ME, REMOTE_ADDR=address) for address in (one, neighbour, one, other)]
    assert statuses(*answers) == [401, 401, 429, 401]
    # A forged address in the header changes nothing.
    assert client.get(ME, REMOTE_ADDR=one, HTTP_X_FORWARDED_FOR="192.0.2.1").status_code == 429
    # Behind a trusted proxy the header says who it is.
    settings.TRUSTED_PROXIES = networks(["192.0.2.0/24"])
    forwarded: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": f"203.0.113.5, {one}"}
    assert client.get(ME, **forwarded).status_code == 429
    sent = {"refreshToken": "x"}
    answers = [client.post(REVOKE, sent, REMOTE_ADDR=address) for address in (one, one, other)]
    assert statuses(*answers) == [200, 429, 200]


def test_calls_with_bad_tokens_count_as_anonymous(api: Api, creator: User, limited: Any) -> None:
    limited(anonymous="2/60")
    client = api()
    for token in ("x", token_of(creator) + "x"):
        assert client.get(ME, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 401
    assert_refused(client.get(ME, HTTP_AUTHORIZATION="Bearer y"), 429, "rate_limited")
    assert api(creator).get(ME).status_code == 200, "somebody with a token is not anonymous"


def test_all_users_of_a_network_share_its_limit(api: Api, creator: User, viewer: User, limited: Any) -> None:
    limited(address="3/60")
    here: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1"}
    there: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.2"}
    one, other = api(creator), api(viewer)
    answers = [one.get(ME, **here), change(other, **here), one.get(ME, **here), other.get(ME, **here)]
    assert statuses(*answers) == [200, 200, 200, 429]
    assert other.get(ME, **there).status_code == 200


def test_service_accounts_have_no_limits_and_do_not_use_up_those_of_their_network(
    api: Api, creator: User, limited: Any
) -> None:
    limited(read="2/60", write="2/60", address="4/60")
    chat = api(permitted("chat", "enforce"))
    assert {response.status_code for response in (chat.get(ME) for _ in range(10))} == {200}
    assert {response.status_code for response in (change(chat) for _ in range(10))} == {200}
    assert api(creator).get(ME).status_code == 200
    assert STANDING_HEADER not in chat.get(ME).headers


def test_superusers_are_people_and_have_limits(api: Api, creator: User, limited: Any) -> None:
    limited(write="1/60")
    creator.is_superuser = creator.is_staff = True
    creator.save()
    client = api(creator)
    assert statuses(change(client), change(client)) == [200, 429]


# --- failures -------------------------------------------------------------------------------------


def test_a_database_that_does_not_answer_stays_a_503(api: Api, creator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise OperationalError("the server closed the connection")

    client = api(creator)
    monkeypatch.setattr(counters, "_add", fail)
    assert_refused(change(client), 503, "service_unavailable")
    assert client.get(ME).status_code == 200


def test_a_refused_change_changes_nothing(api: Api, creator: User, limited: Any) -> None:
    limited(write="1/60")
    client = api(creator)
    change(client)
    assert client.patch(CHANNELS, {"inbox": False}).status_code == 429
    assert client.get(CHANNELS).json()["data"]["inbox"] is True


# --- every operation ------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_operation_counts_for_the_limits_that_it_documents(
    operation: Operation, world: World, limited: Any, settings: Any
) -> None:
    documented = operation.declared["x-rate-limits"]
    assert documented
    assert set(documented) <= set(NAMES)
    assert bool(EXACT & set(documented)) is (operation.method != "GET")
    assert (429, "rate_limited") in operation.answers()
    for status in map(int, operation.declared["responses"]):
        assert {POLICY_HEADER, STANDING_HEADER} <= set(operation.response(status)["headers"]), status
    settings.UNLIMITED_PERMISSION = "no.such"
    limited(**{name.replace("-", "_"): "1000/60" for name in NAMES})
    response = world.call(operation)

    assert response.status_code < 300, response.content
    named = re.findall(r'"([a-z-]+)";q=1000;w=60', response.headers[POLICY_HEADER])
    assert named
    assert set(named) <= set(documented)
    assert re.fullmatch(r'"[a-z-]+";r=999;t=60', response.headers[STANDING_HEADER])
