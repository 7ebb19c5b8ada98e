"""The operations of the OpenAPI document, their documented responses, and a successful call of each."""

# drf-spectacular is marked as typed, but most of it is not.
# mypy: disable-error-code="no-untyped-call"

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from openapi_schema_validator import OAS31Validator

from accounts import tokens
from accounts.models import Session, User
from bans.services import appeal_ban, ban_many
from common.fields import OBJECT_ID
from edges.services import admit
from livestreams.models import LiveStream, Status
from livestreams.services import delete_stream, end_stream
from reminders.services import create_calendar_address, register_device
from tests.bans.people import make_ban, permitted
from tests.conftest import PASSWORD, Api, make_user, session_of
from tests.envelope import data_of
from tests.hostile_forms import CONTENT_TYPE, form
from tests.hostile_pictures import small_png
from tests.reminders.asking import notified_of_start, remind
from tests.streams import make_stream


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    return found


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return OAS31Validator({**schema, "components": document()["components"]}).is_valid(value)


UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Sent:
    """The last request of a world."""

    path: str
    raw: bytes
    content_type: str = "application/json"


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    declared: dict[str, Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.declared["operationId"]

    @property
    def takes_token(self) -> bool:
        return bool(self.declared["security"])

    @property
    def needs_token(self) -> bool:
        return self.takes_token and {} not in self.declared["security"]

    @property
    def parameters(self) -> list[dict[str, Any]]:
        return [_followed(parameter) for parameter in self.declared["parameters"]]

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.declared

    @property
    def takes_form(self) -> bool:
        """Whether the body can only be a form, which has a picture."""
        return self.has_body and "application/json" not in self.declared["requestBody"]["content"]

    @property
    def takes_match(self) -> bool:
        return "If-Match" in self.headers

    @property
    def takes_key(self) -> bool:
        return "Idempotency-Key" in self.headers

    @property
    def headers(self) -> list[str]:
        return [parameter["name"] for parameter in self.parameters if parameter["in"] == "header"]

    @property
    def variables(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def ids(self) -> list[str]:
        """The variables of the path that are ids."""
        return [
            parameter["name"]
            for parameter in self.parameters
            if parameter["in"] == "path" and parameter["schema"].get("pattern") == f"^{OBJECT_ID.pattern}$"
        ]

    @property
    def query(self) -> list[dict[str, Any]]:
        return [parameter for parameter in self.parameters if parameter["in"] == "query"]

    def response(self, status: int) -> dict[str, Any]:
        """The documented response for `status`. Raises KeyError when there is none."""
        return _followed(self.declared["responses"][str(status)])

    def answers(self) -> Iterator[tuple[int, str]]:
        """Each documented status with each of its codes. A success has the code "", a 304 the code UNCHANGED."""
        for status in map(int, self.declared["responses"]):
            unnamed = [UNCHANGED if status == 304 else ""]
            for code in self.response(status)["x-error-codes"] if status >= 400 else unnamed:
                yield status, code


def _followed(written: dict[str, Any]) -> dict[str, Any]:
    kind, _, name = written.get("$ref", "").removeprefix("#/components/").partition("/")
    found: dict[str, Any] = document()["components"][kind][name] if name else written
    return found


def operations() -> list[Operation]:
    return [
        Operation(method.upper(), path, declared)
        for path, methods in document()["paths"].items()
        for method, declared in methods.items()
    ]


def assert_documented(response: Any, operation: Operation) -> None:
    """Assert that status, media type, headers and body are as documented."""
    declared = operation.response(response.status_code)
    if "content" in declared:
        kind = response.headers["Content-Type"].partition(";")[0]
        content = declared["content"][kind]
        assert fits(response.json() if kind.endswith("json") else response.content.decode(), content["schema"])
    else:
        assert response.content == b""
    for name, written in declared["headers"].items():
        header = _followed(written)
        if name not in response.headers and not header["required"]:
            continue
        value: Any = response.headers[name]
        assert fits(int(value) if header["schema"].get("type") == "integer" else value, header["schema"]), name
    if response.status_code >= 400:
        assert response.headers["X-Error-Code"] in declared["x-error-codes"]


def assert_succeeded(response: Any, operation: Operation, status: int = 200) -> None:
    """The body is in the envelope, unless another media type is documented."""
    (kind,) = operation.response(status)["content"]
    if kind == "application/json":
        data_of(response, status)
    else:
        assert response.status_code == status, response.content
        assert response.headers["Content-Type"].partition(";")[0] == kind


APPEAL = "Bağlantılar yayının konusuyla ilgiliydi."
BAN = {"actionType": "BLOCK", "reason": "Reklam bağlantıları paylaştı", "durationSeconds": 86400}
# Far in the future, so that the example of the document succeeds as it stands.
PLAN = {
    "title": "Akşam sohbeti",
    "liveStreamType": "solo",
    "interest": "music",
    "price": 49.9,
    "durationGoal": 60,
    "motivation": "Şarkılar ve sorular",
    "plannedStartDate": "2035-01-16T20:00:00.000Z",
}
# The body of an operation that takes a form.
PICTURE_FORM = form(b'Content-Disposition: form-data; name="thumbnail"; filename="x"\r\n\r\n' + small_png())
# Bodies that name no user.
BODIES: dict[str, dict[str, Any]] = {
    "createLiveStreamBanByIdAppealV1": {"text": APPEAL},
    "createLiveStreamByIdFeedbackV1": {"rating": 5, "comment": "Şarkılar harikaydı, emeğinize sağlık."},
    "createLiveStreamReportsByStreamidV1": {"reason": "harassment", "comment": "Konuğu yayın boyunca tehdit etti."},
    "createLiveStreamV1": PLAN,
    "createNotificationsDeviceTokenV1": {"token": "fcm:APA91bHPRgkF3JUikC4E", "platform": "android"},
    "updateNotificationsByIdReadV1": {"isRead": True},
    "updateNotificationsByIdReadV2": {"isRead": True},
    "createLiveStreamByIdReminderV1": {"minute": 15},
    "updateLiveStreamBanByIdV1": {"actionType": "CHAT_ONLY"},
    "updateLiveStreamByIdV1": {"title": "Akşam sohbeti: dinleyici istekleri", "durationGoal": 90},
    "updateNotificationsChannelsV1": {"inbox": True},
}

# Operations that need a stream that is active, and those that its guest or a viewer calls.
OF_ACTIVE_STREAMS = {
    "createLiveStreamByIdFeedbackV1",
    "endLiveStreamByIdV1",
    "getLiveStreamByIdFeedbackV1",
    "getLiveStreamUserByUseridActiveStreamV1",
    "joinLiveStreamAsGuestV1",
    "joinLiveStreamV1",
    "leaveLiveStreamByIdV1",
}
OF_GUESTS = {"acceptLiveStreamByIdGuestV1", "declineLiveStreamByIdGuestV1", "joinLiveStreamAsGuestV1"}
OF_VIEWERS = {
    "createLiveStreamBanByIdAppealV1",
    "createLiveStreamByIdFeedbackV1",
    "createLiveStreamReportsByStreamidV1",
    "deleteLiveStreamBanByIdAppealV1",
    "leaveLiveStreamByIdV1",
}


@dataclass
class World:
    """Users, a stream, and calls of operations that succeed unless a scenario changes something."""

    api: Api
    creator: User
    stranger: User
    viewer: User
    caller: User
    stream: LiveStream
    # Values for paths, queries and bodies.
    ids: dict[str, str]
    accept: str = "application/json"
    language: str = "en"
    sent: Sent = Sent("", b"")

    def session(self) -> Session:
        return session_of(self.caller)

    def refresh_token(self) -> str:
        return str(tokens.RefreshToken.of(self.session(), now=timezone.now()))

    def body(self, operation: Operation) -> dict[str, Any] | None:
        match name := str(operation):
            case "loginAuthV1":
                return {"username": self.creator.username, "password": PASSWORD}
            case "refreshAuthV1" | "revokeAuthTokenV1":
                return {"refreshToken": self.refresh_token()}
            case "joinLiveStreamV1" | "joinLiveStreamAsCreatorV1" | "joinLiveStreamAsGuestV1":
                return {"liveStreamId": self.ids["liveStreamId"]}
            case "createLiveStreamBanV1":
                return {name: self.ids[name] for name in ("targetUserId", "liveStreamId")} | BAN
            case "createLiveStreamBanBulkV1":
                return {"liveStreamId": self.ids["liveStreamId"], "targets": [self.viewer.pk]} | BAN
        assert (name in BODIES) is (operation.has_body and not operation.takes_form), f"say what {operation} takes"
        return BODIES.get(name)

    def path(self, operation: Operation, **values: str) -> str:
        """The path with the required query parameters."""
        required = [parameter["name"] for parameter in operation.query if parameter.get("required")]
        query = "&".join(f"{name}={self.ids[name]}" for name in required)
        return operation.path.format(**self.ids | values) + (f"?{query}" if query else "")

    def call(
        self,
        operation: Operation,
        *,
        by: User | None = None,
        authorization: str | None = None,
        path: str | None = None,
        body: Any = None,
        raw: bytes | None = None,
        content_type: str = "application/json",
        unless: str | None = None,
        **variables: str,
    ) -> Any:
        """Call as `by` (default: a permitted user), or with the header `authorization`; "" sends no such header.

        `unless` is the ETag of an answer that is there already. `variables` are headers as in the environ.
        """
        if authorization is None and operation.takes_token:
            session = session_of(by or self.caller)
            authorization = f"Bearer {tokens.AccessToken.of(session, now=timezone.now())}"
        if raw is None and operation.takes_form:
            raw, content_type = PICTURE_FORM, CONTENT_TYPE
        if raw is None:
            sent = self.body(operation) if body is None else body
            raw = b"" if sent is None else json.dumps(sent).encode()
        headers: dict[str, Any] = {"HTTP_ACCEPT": self.accept, "HTTP_X_LANGUAGE": self.language} | variables
        if authorization:
            headers["HTTP_AUTHORIZATION"] = authorization
        if unless:
            headers["HTTP_IF_NONE_MATCH"] = unless
        client: Any = self.api()  # its stubs do not accept bytes
        self.sent = Sent(path or self.path(operation), raw, content_type)
        return client.generic(operation.method, self.sent.path, raw, content_type, **headers)


def stream_for(name: str, creator: User) -> LiveStream:
    """A stream of `creator` in the state that this operation needs; a duo for those that its guest calls."""
    guest = make_user("elif.kaya", name="Elif", surname="Kaya") if name in OF_GUESTS else None
    now = timezone.now()
    stream = make_stream(
        creator,
        Status.ACTIVE if name in OF_ACTIVE_STREAMS else Status.SCHEDULED,
        now=now - timedelta(minutes=30),
        planned_start_at=now + timedelta(hours=1),
        guest=guest,
        title="Akşam sohbeti",
        interest="music",
        price=Decimal("49.90"),
        duration_goal=60,
        motivation="Şarkılar ve sorular",
    )
    if name == "restoreLiveStreamByIdV1":
        delete_stream(stream.pk, by=creator, now=now - timedelta(minutes=10))
    return stream


def world_for(operation: Operation, api: Api, creator: User, stranger: User) -> World:
    name = str(operation)
    viewer, caller = make_user("mehmet.demir", name="Mehmet", surname="Demir"), creator
    stream = stream_for(name, creator)
    if name in OF_GUESTS and stream.guest:
        caller = stream.guest
    if name in OF_VIEWERS:
        caller = viewer
    ids = {"id": stream.pk, "liveStreamId": stream.pk, "userId": creator.pk, "targetUserId": viewer.pk}
    ids |= {
        "streamId": stream.pk,
        "username": creator.username,
        "q": creator.username,
        "channelName": stream.channel_name,
    }
    if name == "getLiveStreamByIdRevocationsV1":
        caller = permitted("edge", "enforce")
    if name == "deleteLiveStreamBanBulkByBatchidV1":
        batch = ban_many(stream.pk, [viewer.pk], by=creator, now=timezone.now()).id
        ids["batchId"] = batch or ""
    if operation.path.startswith("/api/v1/live-stream-ban/{id}"):
        ban = make_ban(viewer, stream, now=timezone.now() - timedelta(minutes=10), reason=BAN["reason"])
        ids["id"] = ban.pk
        if name in {"getLiveStreamBanByIdAppealV1", "deleteLiveStreamBanByIdAppealV1"}:
            appeal_ban(ban.pk, by=viewer, now=timezone.now() - timedelta(minutes=5), text=APPEAL)
    if name == "leaveLiveStreamByIdV1":
        admit(caller, stream.pk, status=stream.status, role="audience", restriction=None, now=timezone.now())
    if name in {"getLiveStreamByIdReminderV1", "deleteLiveStreamByIdReminderV1"}:
        for user in (caller, viewer):
            remind(user, stream, now=timezone.now() - timedelta(minutes=20))
    ids |= _in_inbox(name, caller, stream)
    return World(api, creator, stranger, viewer, caller, stream, ids)


def _in_inbox(name: str, caller: User, stream: LiveStream) -> dict[str, str]:
    """Makes what an operation needs beside the stream; returns its id if it has one."""
    match name:
        case "createLiveStreamByIdFeedbackV1":
            now = timezone.now()
            admit(caller, stream.pk, status=stream.status, role="audience", restriction=None, now=now)
            end_stream(stream.pk, by=stream.creator, now=now - timedelta(minutes=5))
        case "updateNotificationsByIdReadV1" | "updateNotificationsByIdReadV2":
            return {"id": notified_of_start(caller, stream).pk}
        case "deleteNotificationsDeviceTokenByIdV1":
            return {
                "id": register_device(by=caller, now=timezone.now() - timedelta(days=1), token="x", platform="ios").pk
            }
        case "deleteLiveStreamMyCalendarV1":
            create_calendar_address(by=caller, now=timezone.now() - timedelta(days=1))
    return {}
