"""POST /api/v1/live-stream/join, and GET /.well-known/jwks.json"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet

from accounts.models import User
from bans.services import ban_user
from common.times import wire_time
from edges.models import JoinKey, Participant
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.conftest import Api, token_of
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.servers import running_server
from tests.streams import STREAMS, make_stream

JOIN = f"{STREAMS}/join"
JWKS = "/.well-known/jwks.json"


def joined(api: Api, user: User, stream: LiveStream) -> dict[str, Any]:
    data: dict[str, Any] = data_of(api(user).post(JOIN, {"liveStreamId": stream.pk}))
    return data


def verified(token: str, client: Client) -> Any:
    """Verify the token as a media edge does: with another JWT library and the published keys only."""
    keys = KeySet.import_key_set(client.get(JWKS).json())
    read = jwt.decode(token, keys, algorithms=["ES256"])
    registry = jwt.JWTClaimsRegistry(aud={"essential": True, "value": "media"}, exp={"essential": True})
    registry.validate(read.claims)
    return read


def ban(user: User, stream: LiveStream, **terms: Any) -> None:
    stream_creator = User.objects.get(pk=stream.creator_id)
    ban_user(user.pk, stream.pk, by=stream_creator, now=timezone.now(), **terms)


# --- the response ---------------------------------------------------------------------------------


def test_a_viewer_gets_the_stream_and_a_token(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)

    data = joined(api, viewer, stream)

    assert list(data) == ["liveStream", "token", "role", "expiresAt"]
    assert data["liveStream"]["id"] == stream.pk
    assert data["liveStream"]["role"] == data["role"] == "audience"


@pytest.mark.parametrize(("person", "role"), [("creator", "host"), ("guest", "guest"), ("viewer", "audience")])
def test_everybody_joins_in_their_own_role(
    person: str, role: str, api: Api, client: Client, creator: User, guest: User, viewer: User
) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest)

    data = joined(api, {"creator": creator, "guest": guest, "viewer": viewer}[person], stream)

    assert data["role"] == role
    assert verified(data["token"], client).claims["role"] == role


def test_another_library_verifies_the_token_with_the_published_keys(
    api: Api, client: Client, creator: User, viewer: User, settings: Any
) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    before = int(timezone.now().timestamp())

    data = joined(api, viewer, stream)

    token = verified(data["token"], client)
    assert token.header == {"alg": "ES256", "kid": JoinKey.objects.get().pk, "typ": "JWT"}
    claims = token.claims
    assert (claims["iss"], claims["aud"]) == (settings.PUBLIC_URL, "media")
    assert (claims["sub"], claims["stream"]) == (viewer.pk, stream.pk)
    assert claims["grants"] == ["watch", "chat"]
    assert before <= claims["iat"] <= timezone.now().timestamp()
    assert claims["exp"] == claims["iat"] + 120
    assert data["expiresAt"] == wire_time(datetime.fromtimestamp(claims["exp"], UTC))


def test_every_token_has_a_unique_id(api: Api, client: Client, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)

    ids = {verified(joined(api, viewer, stream)["token"], client).claims["jti"] for _ in range(3)}

    assert len(ids) == 3


def test_the_lifetime_is_a_setting(api: Api, client: Client, creator: User, viewer: User, settings: Any) -> None:
    settings.JOIN_TOKEN_LIFETIME = timedelta(seconds=10)

    claims = verified(joined(api, viewer, make_stream(creator, Status.ACTIVE))["token"], client).claims

    assert claims["exp"] - claims["iat"] == 10


def test_the_api_refuses_a_join_token(api: Api, creator: User, viewer: User) -> None:
    token = joined(api, viewer, make_stream(creator, Status.ACTIVE))["token"]
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    assert_refused(client.get("/api/v1/users/me"), 401, "token_invalid")


# --- presence -------------------------------------------------------------------------------------


def test_joining_again_updates_the_same_participant(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    joined(api, viewer, stream)
    first = Participant.objects.get()

    joined(api, viewer, stream)

    again = Participant.objects.get()
    assert again.first_seen_at == first.first_seen_at
    assert again.last_seen_at > first.last_seen_at


@pytest.mark.django_db(transaction=True)
def test_concurrent_joins_of_one_user_make_one_participant(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    clients = [api(viewer) for _ in range(20)]

    answers = at_once(20, lambda number: clients[number].post(JOIN, {"liveStreamId": stream.pk}).status_code)

    assert answers == [200] * 20
    assert Participant.objects.count() == 1
    assert JoinKey.objects.count() == 1


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in Status.values if status != Status.ACTIVE])
def test_only_an_active_stream_can_be_joined(status: str, api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, status)

    response = api(viewer).post(JOIN, {"liveStreamId": stream.pk})

    assert_refused(response, 409, "stream_not_active")
    assert not Participant.objects.exists()


def test_the_refusal_of_a_blocked_user_has_the_reason_and_the_end(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    ban(viewer, stream, reason="spam", expires_at=datetime.fromisoformat("2100-01-15T10:30:00Z"))

    response = api(viewer).post(JOIN, {"liveStreamId": stream.pk})

    reason = "you are banned from this stream until 2100-01-15T10:30:00.000Z: spam"
    assert_refused(response, 403, "banned", reason)
    assert not Participant.objects.exists()


def test_the_refusal_of_a_block_without_end_names_no_time(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    ban(viewer, stream)

    response = api(viewer).post(JOIN, {"liveStreamId": stream.pk})

    assert_refused(response, 403, "banned", "you are banned from this stream until a moderator lifts it")


def test_a_chat_only_ban_gives_a_token_without_chat(api: Api, client: Client, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    ban(viewer, stream, action_type="CHAT_ONLY")

    assert verified(joined(api, viewer, stream)["token"], client).claims["grants"] == ["watch"]


def test_a_ban_from_another_stream_has_no_effect(
    api: Api, client: Client, creator: User, viewer: User, stranger: User
) -> None:
    ban(viewer, make_stream(creator))
    ban(stranger, stream := make_stream(creator, Status.ACTIVE))

    assert verified(joined(api, viewer, stream)["token"], client).claims["grants"] == ["watch", "chat"]


def test_a_deleted_stream_is_a_404_also_for_a_blocked_user(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    ban(viewer, stream)
    services.delete_stream(stream.pk, by=creator, now=timezone.now())

    assert_refused(api(viewer).post(JOIN, {"liveStreamId": stream.pk}), 404, "stream_not_found")


@pytest.mark.parametrize("body", [{}, {"liveStreamId": None}, {"liveStreamId": "x"}, {"liveStreamId": ["0" * 24]}])
def test_a_join_without_a_valid_stream_id_is_refused(body: dict[str, Any], api: Api, viewer: User) -> None:
    response = api(viewer).post(JOIN, body)

    assert_refused(response, 400, "validation_failed")
    assert response.json()["errors"][1].startswith("liveStreamId: ")


def test_joining_needs_a_token(api: Api, creator: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)

    assert_refused(api().post(JOIN, {"liveStreamId": stream.pk}), 401, "authentication_required")


# --- several server processes ---------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_ban_holds_in_every_process_at_the_first_request_after_its_commit(creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    token = token_of(viewer)
    body = {"liveStreamId": stream.pk}
    with running_server(workers=2) as server:
        allowed = [server.call("POST", JOIN, token=token, body=body).status for _ in range(20)]

        ban(viewer, stream)

        refused = [server.call("POST", JOIN, token=token, body=body).headers["x-error-code"] for _ in range(20)]
        read = [server.call("GET", f"{STREAMS}/{stream.pk}", token=token).status for _ in range(20)]
    assert (allowed, refused, read) == ([200] * 20, ["banned"] * 20, [403] * 20)
