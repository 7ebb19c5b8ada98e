"""The clients verify join tokens with the keys that the real service publishes."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from accounts.tokens import signed_pair
from edges.services import JoinToken, admit
from edges.services.join_keys import KEY_PUBLISHED_BEFORE, forget_keys, rotate_join_key
from livestreams.models import LiveStream
from tests.clients.driving import Driver, Refused
from tests.clients.scripted import Reply, Scripted
from tests.conftest import make_user, session_of
from tests.servers import Server, running_server
from tests.streams import make_stream

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def server(database_of_tests: str) -> Iterator[Server]:
    """Publishes the keys. The process of the test signs, because a server caches the keys of earlier tests."""
    with running_server(database=database_of_tests, workers=1) as server:
        yield server


@pytest.fixture
def viewer(transactional_db: None) -> User:
    forget_keys()
    return make_user("viewer")


@pytest.fixture
def active(transactional_db: None) -> LiveStream:
    return make_stream(make_user("creator"), "active")


def joined(user: User, stream: LiveStream, now: datetime | None = None) -> JoinToken:
    return admit(user, stream.pk, status="active", role="audience", restriction=None, now=now or timezone.now())


def verifying(client: Driver, server: Server, *, issuer: str = settings.PUBLIC_URL, fetch_pause: float = 5.0) -> None:
    keys_url = f"{server.url}/.well-known/jwks.json"
    client.do("new_join_tokens", issuer=issuer, keys_url=keys_url, fetch_pause=fetch_pause)


def test_the_claims_of_a_join_token_are_read(client: Driver, server: Server, active: LiveStream, viewer: User) -> None:
    token = joined(viewer, active)
    verifying(client, server)

    claims = client.do("join_token", token=token.token, stream=active.pk)

    assert claims == [viewer.pk, active.pk, "audience", ["chat", "watch"], token.expires_at.timestamp()]


def test_a_token_of_another_stream_issuer_or_kind_is_refused(
    client: Driver, server: Server, active: LiveStream, viewer: User
) -> None:
    token = joined(viewer, active).token
    access = signed_pair(session_of(viewer), now=timezone.now()).access
    verifying(client, server)
    for wrong in ({"token": token, "stream": "f" * 24}, {"token": access}, {"token": "no token"}):
        with pytest.raises(Refused, match="JoinTokenInvalid"):
            client.do("join_token", **wrong)

    verifying(client, server, issuer="https://elsewhere.example.com")
    with pytest.raises(Refused, match="JoinTokenInvalid"):
        client.do("join_token", token=token)


def test_a_token_with_other_claims_or_another_signature_is_refused(
    client: Driver, server: Server, active: LiveStream, viewer: User
) -> None:
    head, claims, signature = joined(viewer, active).token.split(".")
    _, other_claims, _ = joined(make_user("stranger"), active).token.split(".")
    verifying(client, server)

    for forged in (f"{head}.{other_claims}.{signature}", f"{head}.{claims}.{'A' * len(signature)}"):
        with pytest.raises(Refused, match="JoinTokenInvalid"):
            client.do("join_token", token=forged)


def test_an_expired_token_and_one_of_the_future_are_refused(
    client: Driver, server: Server, active: LiveStream, viewer: User
) -> None:
    now = timezone.now()
    verifying(client, server)

    for at in (now - settings.JOIN_TOKEN_LIFETIME - timedelta(seconds=2), now + timedelta(seconds=60)):
        with pytest.raises(Refused, match="JoinTokenInvalid"):
            client.do("join_token", token=joined(viewer, active, at).token)


def test_the_clock_of_the_service_may_be_some_seconds_ahead(
    client: Driver, server: Server, active: LiveStream, viewer: User
) -> None:
    token = joined(viewer, active, timezone.now() + timedelta(seconds=20)).token
    verifying(client, server)

    assert client.do("join_token", token=token)[0] == viewer.pk


def test_the_keys_are_fetched_again_for_a_token_of_a_new_key(
    client: Driver, server: Server, active: LiveStream, viewer: User
) -> None:
    now = timezone.now()
    old = joined(viewer, active).token
    verifying(client, server, fetch_pause=0.0)
    client.do("join_token", token=old)

    rotate_join_key(by=None, now=now - KEY_PUBLISHED_BEFORE)
    forget_keys()
    new = joined(viewer, active, now + timedelta(seconds=1)).token

    assert new.split(".")[0] != old.split(".")[0]
    assert client.do("join_token", token=new)[0] == viewer.pk
    assert client.do("join_token", token=old)[0] == viewer.pk


def test_unknown_keys_do_not_become_a_flood_of_calls(
    client: Driver, service: Scripted, active: LiveStream, viewer: User
) -> None:
    token = joined(viewer, active).token
    # Nobody publishes the key.
    client.do("new_join_tokens", issuer=settings.PUBLIC_URL, keys_url=f"{service.url}/.well-known/jwks.json")
    service.otherwise = lambda _: Reply(bare={"keys": []})

    for _ in range(5):
        with pytest.raises(Refused, match="JoinTokenInvalid"):
            client.do("join_token", token=token)

    assert len(service.requests) == 1
