"""The clients send a request again when that is safe, with the same idempotency key, and not before `Retry-After`."""

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.clients.driving import Driver, Refused
from tests.clients.scripted import LOST, LOST_IN_THE_MIDDLE, Reply, Scripted, person, refused, stream

QUICK = {"first_backoff": 0.01}

CREATED = Reply(201, stream())
IN_USE = refused(409, "idempotency_key_in_use", Retry_After="0")


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(LOST, id="lost"),
        pytest.param(LOST_IN_THE_MIDDLE, id="lost in the middle"),
        pytest.param(refused(503, "server_busy", Retry_After="0"), id="503"),
        pytest.param(refused(429, "rate_limited", Retry_After="0"), id="429"),
        pytest.param(refused(500, "internal_error"), id="500"),
        pytest.param(refused(408, "request_timeout"), id="408"),
        pytest.param(IN_USE, id="key in use"),
    ],
)
def test_a_change_is_sent_again_with_the_same_key_and_body(client: Driver, service: Scripted, first: Reply) -> None:
    service.replies = [first, first, CREATED]
    client.do("new", url=service.url, **QUICK)

    assert client.do("create", title="Evening talk") == stream()["id"]

    keys = {request.key for request in service.requests}
    assert len(service.requests) == 3
    assert len(keys) == 1
    assert None not in keys
    assert all(request.body["title"] == "Evening talk" for request in service.requests)


def test_an_answer_that_does_not_come_in_time_counts_as_lost(client: Driver, service: Scripted) -> None:
    service.replies = [Reply(201, stream(), delay=1.0), CREATED]
    client.do("new", url=service.url, timeout=0.3, **QUICK)

    assert client.do("create", title="Evening talk") == stream()["id"]

    first, second = service.requests
    assert first.key == second.key


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422])
def test_a_refusal_that_would_be_repeated_is_not_asked_for_again(
    client: Driver, service: Scripted, status: int
) -> None:
    service.otherwise = lambda _: refused(status, "some_code")
    client.do("new", url=service.url, **QUICK)

    with pytest.raises(Refused) as caught:
        client.do("create", title="Evening talk")

    assert (caught.value.status, caught.value.code, caught.value.errors) == (
        status,
        "some_code",
        ["Refused", "a reason"],
    )
    assert len(service.requests) == 1


def test_each_change_has_a_key_of_its_own_and_reads_have_none(client: Driver, service: Scripted) -> None:
    service.replies = [CREATED, CREATED, Reply(200, person())]
    client.do("new", url=service.url)

    client.do("create", title="Evening talk")
    client.do("create", title="Evening talk")
    client.do("me")

    first, second, read = (request.key for request in service.requests)
    assert first
    assert second
    assert first != second
    assert read is None


def test_the_key_of_the_caller_is_kept(client: Driver, service: Scripted) -> None:
    service.replies = [LOST, CREATED]
    client.do("new", url=service.url, **QUICK)

    client.do("create", title="Evening talk", key="order-7")

    assert [request.key for request in service.requests] == ["order-7", "order-7"]


def test_a_picture_is_sent_again_in_full(client: Driver, service: Scripted) -> None:
    service.replies = [LOST, Reply(200, stream())]
    client.do("new", url=service.url, **QUICK)
    picture = b"a picture" * 1000

    client.do("picture", stream=stream()["id"], content=base64.b64encode(picture).decode())

    first, second = service.requests
    assert picture in first.body
    assert first.key == second.key
    assert len(first.body) == len(second.body)
    assert picture in second.body


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_no_attempt_comes_before_retry_after(client: Driver, service: Scripted, *, as_date: bool) -> None:
    # A date has whole seconds.
    retry_after = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True) if as_date else "1"
    service.replies = [refused(503, "server_busy", Retry_After=retry_after), Reply(200, person())]
    client.do("new", url=service.url, **QUICK)

    client.do("me")

    first, second = service.requests
    assert second.at - first.at >= 1


def test_a_refusal_for_longer_than_the_patience_is_returned_at_once(client: Driver, service: Scripted) -> None:
    service.otherwise = lambda _: refused(429, "rate_limited", Retry_After="3600")
    client.do("new", url=service.url, **QUICK)

    with pytest.raises(Refused, match="rate_limited"):
        client.do("me")

    assert len(service.requests) == 1


def test_after_the_last_attempt_the_error_is_raised(client: Driver, service: Scripted) -> None:
    service.otherwise = lambda _: LOST
    client.do("new", url=service.url, attempts=3, **QUICK)

    with pytest.raises(Refused, match="no answer"):
        client.do("me")

    assert len(service.requests) == 3
