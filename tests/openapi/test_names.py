"""Names in the OpenAPI document follow from rules: docs/decisions/0032-names-in-the-document.md."""

import re
from typing import Any

import pytest

from tests.openapi.contents import Document

# A part of a path that begins with one of these words says what the operation does.
VERBS = {
    "accept",
    "cancel",
    "check",
    "create",
    "decline",
    "end",
    "join",
    "login",
    "logout",
    "refresh",
    "restore",
    "revoke",
    "start",
}
OTHER_VERBS = {"get": "get", "post": "create", "put": "set", "patch": "update", "delete": "delete"}


def pascal(words: list[str]) -> str:
    return "".join(word[:1].upper() + word[1:] for word in words)


def expected_id(method: str, path: str, *, is_list: bool) -> str:
    """The operation id that follows from method and path; `is_list` says that the answer is a list."""
    found = re.fullmatch(r"/api/(v\d+)/(.+)", path)
    assert found, path
    version, rest = found.groups()
    verb, name = "", ""
    for part in rest.split("/"):
        if part.startswith("{"):
            name += f"By{part.strip('{}').capitalize()}"
            continue
        first, *others = re.split(r"[-.]", part)
        if first in VERBS:
            verb = first
            name += pascal(others)
        else:
            name += pascal([first, *others])
    if not verb:
        verb = "list" if is_list and method == "get" and "{" not in path else OTHER_VERBS[method]
    return f"{verb}{name}{version.upper()}"


def is_list(operation: dict[str, Any], document: Document) -> bool:
    """Whether the answer is a list: a page or an array."""
    content = operation["responses"].get("200", {}).get("content", {}).get("application/json")
    data = content["example"]["data"] if content else None
    return isinstance(data, list) or (isinstance(data, dict) and "list" in data)


def test_every_operation_id_follows_from_its_method_and_path(document: Document) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["operationId"] == expected_id(method, path, is_list=is_list(operation, document))


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("post", "/api/v1/live-stream/create", "createLiveStreamV1"),
        ("get", "/api/v1/live-stream", "listLiveStreamV1"),
        ("get", "/api/v1/live-stream/{id}", "getLiveStreamByIdV1"),
        ("delete", "/api/v1/live-stream/{id}", "deleteLiveStreamByIdV1"),
        ("post", "/api/v1/live-stream/{id}/cancel", "cancelLiveStreamByIdV1"),
        ("post", "/api/v1/live-stream/{id}/reminder", "createLiveStreamByIdReminderV1"),
        ("post", "/api/v1/live-stream/join", "joinLiveStreamV1"),
        ("post", "/api/v1/live-stream/join-as-creator", "joinLiveStreamAsCreatorV1"),
        ("post", "/api/v1/live-stream/join-as-guest", "joinLiveStreamAsGuestV1"),
        ("get", "/api/v1/live-stream/featured", "listLiveStreamFeaturedV1"),
        ("get", "/api/v1/live-stream/catch-streamers", "listLiveStreamCatchStreamersV1"),
        ("get", "/api/v1/live-stream/most-watched-creators", "listLiveStreamMostWatchedCreatorsV1"),
        ("get", "/api/v1/live-stream/guest-streams", "listLiveStreamGuestStreamsV1"),
        (
            "get",
            "/api/v1/live-stream/user/{userId}/upcoming-live-streams",
            "getLiveStreamUserByUseridUpcomingLiveStreamsV1",
        ),
        (
            "get",
            "/api/v2/live-stream/user/{userId}/upcoming-live-streams",
            "getLiveStreamUserByUseridUpcomingLiveStreamsV2",
        ),
        ("get", "/api/v1/live-stream/user/{userId}/past-streams", "getLiveStreamUserByUseridPastStreamsV1"),
        ("get", "/api/v1/live-stream/my-past-streams", "listLiveStreamMyPastStreamsV1"),
        ("get", "/api/v1/live-stream/{id}/viewers", "getLiveStreamByIdViewersV1"),
        ("get", "/api/v1/live-stream/{id}/viewer-count", "getLiveStreamByIdViewerCountV1"),
        ("post", "/api/v1/live-stream-ban", "createLiveStreamBanV1"),
        ("get", "/api/v1/live-stream-ban", "listLiveStreamBanV1"),
        ("get", "/api/v1/live-stream-ban/check/{targetUserId}", "checkLiveStreamBanByTargetuseridV1"),
        ("delete", "/api/v1/live-stream-ban/{id}", "deleteLiveStreamBanByIdV1"),
        ("get", "/api/v1/notifications", "listNotificationsV1"),
        ("get", "/api/v2/notifications", "listNotificationsV2"),
        ("patch", "/api/v1/notifications/{id}/read", "updateNotificationsByIdReadV1"),
        ("post", "/api/v1/notifications/device-token", "createNotificationsDeviceTokenV1"),
    ],
)
def test_operations_of_the_contract_have_their_ids(document: Document, method: str, path: str, name: str) -> None:
    assert document["paths"][path][method]["operationId"] == name
