"""The requests that existing apps and the published examples send, byte for byte, over a real connection."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.bans.people import make_ban
from tests.conftest import make_user, token_of
from tests.server.test_requests import Raw
from tests.servers import Server
from tests.streams import make_stream

pytestmark = pytest.mark.slow

STREAMS, BANS = "/api/v1/live-stream", "/api/v1/live-stream-ban"
# What apps send beside the id of a stream that they join.
OF_JOINING = {
    "deviceType": "mobile",
    "deviceModel": "iPhone 15 Pro",
    "osVersion": "17.2.1",
    "appVersion": "2.4.0",
    "ipAddress": "192.168.1.100",
    "country": "TR",
    "role": "audience",
}
BOUNDARY = "------------------------d74496d66958873e"


@pytest.fixture
def host(transactional_db: None) -> User:
    return make_user("host")


@pytest.fixture
def viewer(transactional_db: None) -> User:
    return make_user("viewer")


def curl(server: Server, method: str, path: str, by: User, body: str | None = None, kind: str = "") -> Any:
    """The `data` of the answer to what curl sends: with `-X` alone neither a length nor a type."""
    headers = ["User-Agent: curl/8.5.0", "Accept: */*", f"Authorization: Bearer {token_of(by)}"]
    if body is not None:
        headers += [f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}"]
    answer = Raw(server, path, *headers, method=method, body=body or "")
    found = json.loads(answer.body)
    assert found["isSuccess"] is (answer.status < 300), found
    assert found["statusCode"] == answer.status
    return answer.status, found["data"] or found["errors"]


def sent(server: Server, method: str, path: str, by: User, body: dict[str, Any]) -> Any:
    return curl(server, method, path, by, json.dumps(body), "application/json")


def form(fields: dict[str, str]) -> str:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join(parts) + f"--{BOUNDARY}--\r\n"


# --- without a body -------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, "", "{}"])
def test_cancel(body: str | None, server: Server, host: User) -> None:
    stream = make_stream(host)

    kind = "application/json" if body else "application/x-www-form-urlencoded"  # of curl with an empty -d
    status, data = curl(server, "POST", f"{STREAMS}/{stream.pk}/cancel", host, body, kind)

    assert (status, data["status"], data["id"]) == (200, "cancelled_by_host", stream.pk)


def test_lift(server: Server, host: User, viewer: User) -> None:
    ban = make_ban(viewer, make_stream(host))

    status, data = curl(server, "DELETE", f"{BANS}/{ban.pk}", host)

    assert (status, data["_id"], data["deletedBy"]) == (200, ban.pk, host.pk)
    assert data["deletedAt"] is not None


def test_delete(server: Server, host: User) -> None:
    stream = make_stream(host)

    status, data = curl(server, "DELETE", f"{STREAMS}/{stream.pk}", host)

    assert (status, data["id"]) == (200, stream.pk)
    assert data["deletedAt"] is not None


@pytest.mark.parametrize(
    ("body", "minute"), [(None, None), ("{}", None), ('{"minute": null}', None), ('{"minute": 15}', 15)]
)
def test_reminder(body: str | None, minute: int | None, server: Server, host: User, viewer: User) -> None:
    stream = make_stream(host, planned_start_at=timezone.now() + timedelta(days=1))

    status, data = curl(server, "POST", f"{STREAMS}/{stream.pk}/reminder", viewer, body, "application/json")

    mode = "BEFORE_START" if minute else "ON_START"
    assert (status, data["streamId"], data["minute"], data["mode"]) == (200, stream.pk, minute, mode)


# --- with a body ----------------------------------------------------------------------------------


def test_create_as_json(server: Server, host: User) -> None:
    asked = {"title": "Akşam sohbeti", "liveStreamType": "solo", "interest": "music", "durationGoal": 60, "price": 49.9}

    status, data = sent(server, "POST", f"{STREAMS}/create", host, asked)

    assert status == 201
    assert {name: data[name] for name in asked} == asked
    assert (data["accessType"], data["status"], data["creator"]["_id"]) == ("paid", "preparing", host.pk)


def test_create_as_a_form(server: Server, host: User, viewer: User) -> None:
    planned = (timezone.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    fields = {
        "title": "Akşam sohbeti",
        "liveStreamType": "duocrowd",
        "guests": json.dumps([viewer.pk]),
        "interest": "music",
        "durationGoal": "60",
        "motivation": "Birlikte dinleyelim",
        "plannedStartDate": planned,
    }

    kind = f"multipart/form-data; boundary={BOUNDARY}"
    status, data = curl(server, "POST", f"{STREAMS}/create", host, form(fields), kind)

    assert (status, data["status"], data["plannedStartDate"]) == (201, "scheduled", planned)
    assert [guest["_id"] for guest in data["guests"]] == [viewer.pk]


@pytest.mark.parametrize("path", ["join", "join-as-creator", "join-as-guest"])
def test_join(path: str, server: Server, host: User, viewer: User) -> None:
    stream = make_stream(host, "active", guest=viewer)
    by = host if path == "join-as-creator" else viewer

    status, data = sent(server, "POST", f"{STREAMS}/{path}", by, {"liveStreamId": stream.pk} | OF_JOINING)

    assert (status, data["liveStream"]["id"], data["token"].count(".")) == (200, stream.pk, 2)
    assert data["role"] == ("host" if by is host else "guest")


def test_ban(server: Server, host: User, viewer: User) -> None:
    stream = make_stream(host)
    reason = "Toksik davranış ve spam mesajlar"
    asked = {"targetUserId": viewer.pk, "liveStreamId": stream.pk, "actionType": "BLOCK", "reason": reason}

    status, data = sent(server, "POST", BANS, host, asked)

    assert status == 201
    assert {name: data[name] for name in asked} == asked
    # The keys of the published example, in its order.
    assert list(data) == [
        "_id", "targetUserId", "targetUser", "liveStreamId", "actionType", "reason", "createdBy", "deletedAt",
        "deletedBy", "createdAt", "updatedAt", "expiresAt",
    ]  # fmt: skip
