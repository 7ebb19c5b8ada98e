"""The clients with the real service: lists, sessions and revocations."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from time import monotonic

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from PIL import Image

from accounts.models import User
from accounts.tokens import signed_pair
from bans.services import ban_user, lift_ban
from edges.waiting import LONGEST_WAIT
from livestreams.models import LiveStream
from tests.clients.driving import Driver, Refused
from tests.conftest import make_user, session_of
from tests.servers import Server, running_server
from tests.streams import make_stream

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def server(database_of_tests: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("data")
    with running_server(database=database_of_tests, DATA_DIR=str(data)) as server:
        yield server


@pytest.fixture
def creator(transactional_db: None) -> User:
    return make_user("creator")


@pytest.fixture
def viewer(transactional_db: None) -> User:
    return make_user("viewer")


@pytest.fixture
def active(creator: User) -> LiveStream:
    return make_stream(creator, "active")


@pytest.fixture
def edge(transactional_db: None) -> User:
    edge = make_user("edge")
    edge.user_permissions.add(Permission.objects.get(codename="enforce", content_type__app_label="livestreams"))
    return edge


def logged_in(client: Driver, server: Server, user: User) -> None:
    # By a password is left to the tours: the server does not know the cheap hashes of tests.
    pair = signed_pair(session_of(user), now=timezone.now())
    client.do("new", url=server.url, tokens={"accessToken": pair.access, "refreshToken": pair.refresh})


def test_a_list_is_read_to_its_end(client: Driver, server: Server, creator: User) -> None:
    now = timezone.now()
    made = [make_stream(creator, "ended", now=now - timedelta(days=day)).pk for day in range(1, 8)]
    logged_in(client, server, creator)

    assert sorted(client.do("list_streams", limit=3)) == sorted(made)
    assert len(made) == 7


def test_a_picture_is_sent_as_a_form(client: Driver, server: Server, creator: User) -> None:
    stream = make_stream(creator)
    logged_in(client, server, creator)
    picture = BytesIO()
    Image.new("RGB", (64, 36), "navy").save(picture, "png")

    url = client.do("picture", stream=stream.pk, content=base64.b64encode(picture.getvalue()).decode())

    stream.refresh_from_db()
    assert stream.thumbnail
    assert url.endswith(stream.thumbnail)


def test_an_access_token_of_yesterday_is_refreshed(client: Driver, server: Server, creator: User) -> None:
    session = session_of(creator)
    old = signed_pair(session, now=timezone.now() - timedelta(hours=2))
    client.do("new", url=server.url, tokens={"accessToken": old.access, "refreshToken": old.refresh})

    assert client.do("me", times=4) == ["creator"] * 4

    tokens = client.do("tokens")
    assert len(tokens["changes"]) == 1
    assert tokens["now"]["refreshToken"] != old.refresh


def test_a_lost_refresh_gets_the_same_pair_again(client: Driver, server: Server, creator: User) -> None:
    old = signed_pair(session_of(creator), now=timezone.now() - timedelta(hours=2))
    # The answer to this refresh never reached the client.
    lost = server.call("POST", "/api/v1/auth/refresh", body={"refreshToken": old.refresh}).json()["data"]
    client.do("new", url=server.url, tokens={"accessToken": old.access, "refreshToken": old.refresh})

    assert client.do("me") == ["creator"]

    pair = {"accessToken": lost["accessToken"], "refreshToken": lost["refreshToken"]}
    assert client.do("tokens")["now"] == pair


def test_after_logging_out_calls_are_anonymous(client: Driver, server: Server, creator: User) -> None:
    logged_in(client, server, creator)

    client.do("log_out")

    with pytest.raises(Refused, match="authentication_required"):
        client.do("me")


def test_a_ban_arrives_while_the_client_waits_and_so_does_its_end(
    client: Driver, server: Server, edge: User, active: LiveStream, creator: User, viewer: User
) -> None:
    ban = ban_user(viewer.pk, active.pk, by=creator, now=timezone.now())
    logged_in(client, server, edge)
    first = client.do("revocations", stream=active.pk, batches=1)
    assert first["actions"] == {viewer.pk: "BLOCK"}

    client.start("revocations", stream=active.pk, batches=1, since=first["cursor"])
    began = monotonic()
    lift_ban(ban.pk, by=creator, now=timezone.now())

    second = client.result()
    assert second["actions"] == {}
    assert second["cursor"] != first["cursor"]
    assert monotonic() - began < LONGEST_WAIT / 2


def test_revocations_of_no_stream_are_refused(client: Driver, server: Server, edge: User) -> None:
    logged_in(client, server, edge)

    with pytest.raises(Refused, match="stream_not_found"):
        client.do("revocations", stream="f" * 24, batches=1)
