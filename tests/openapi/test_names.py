"""Names in the OpenAPI document follow from rules: docs/decisions/0032-names-in-the-document.md."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.openapi.contents import Document, operations, responses

# A part of a path that begins with one of these words says what the operation does.
VERBS = {
    "accept",
    "cancel",
    "check",
    "create",
    "decline",
    "end",
    "join",
    "leave",
    "login",
    "logout",
    "refresh",
    "restore",
    "revoke",
    "start",
}
OTHER_VERBS = {"get": "get", "post": "create", "put": "set", "patch": "update", "delete": "delete"}


# Apps are generated from these names. One may be added; none may be renamed or removed.
FROZEN = Path(__file__).parent / "frozen_names.txt"
# Names that say nothing outside of their part of the API.
TOO_GENERAL = {"Check", "Metadata", "Result", "Item", "Answer", "State", "Status", "Type", "List", "Data", "Left"}


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
    if content is None:
        return False
    envelope = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    data = envelope["properties"]["data"]
    return data.get("type") == "array" or str(data.get("$ref")).endswith("Page")


def test_every_operation_id_follows_from_its_method_and_path(document: Document) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
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


# --- names of types, responses, headers and operations ---------------------------------------------------------------


def names(document: Document) -> set[str]:
    """Every public name, as `kind/name`."""
    found = {f"operations/{operation['operationId']}" for _, operation in operations(document)}
    for kind in ("schemas", "responses", "headers", "parameters", "links", "securitySchemes"):
        found |= {f"{kind}/{name}" for name in document["components"].get(kind, {})}
    return found | {f"webhooks/{name}" for name in document.get("webhooks", {})}


def test_no_public_name_was_renamed_or_removed_and_new_ones_are_listed(document: Document) -> None:
    frozen = FROZEN.read_text(encoding="utf-8").split()
    found = names(document)

    assert frozen == sorted(set(frozen)), "one name a line, in order"
    assert not (gone := sorted(set(frozen) - found)), f"apps use these names: {gone}"
    assert not (new := sorted(found - set(frozen))), f"add to {FROZEN.name}: {new}"


def test_names_of_types_and_responses_speak_for_themselves(document: Document) -> None:
    for kind in ("schemas", "responses"):
        for name in document["components"][kind]:
            assert re.fullmatch(r"([A-Z][a-z]+)+", name), f"{name}: a number or an abbreviation"
            assert not name.endswith("Enum"), name
            assert name.removesuffix("Request").removesuffix("Envelope").removesuffix("Page") not in TOO_GENERAL, name


def test_every_success_is_an_envelope_with_the_name_of_its_data(document: Document) -> None:
    for name, status, response in responses(document):
        content = response.get("content", {}).get("application/json")
        if status >= 300 or not content:
            continue
        reference = content["schema"]["$ref"].rpartition("/")[2]
        envelope = document["components"]["schemas"][reference]
        data = envelope["properties"]["data"]
        assert reference == f"{name_of(data)}Envelope", name
        assert "additionalProperties" not in envelope, "the envelope may get new keys"


def name_of(data: dict[str, Any]) -> str:
    match data:
        case {"$ref": reference}:
            return str(reference).rpartition("/")[2]
        case {"type": "array", "items": items}:
            return f"{name_of(items)}List"
        case {"oneOf": [one, {"type": "null"}]}:
            return f"Nullable{name_of(one)}"
    assert data["type"] == "null"
    return "Empty"


def test_no_schema_wraps_a_reference_or_forbids_what_it_may_contain_later(document: Document) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert "allOf" not in str(schema), name
        assert "readOnly" not in str(schema), name
        if not name.endswith("Request"):
            assert "additionalProperties': False" not in str(schema), name


def test_properties_of_requests_with_a_default_stay_optional(document: Document) -> None:
    """Generators take a property with `default` for one that is always there, in requests too."""
    schemas = document["components"]["schemas"]
    title = schemas["CreateLiveStreamRequest"]

    assert title["required"] == ["title"]
    assert title["properties"]["liveStreamType"]["description"].endswith("Default: `solo`.")
    for name, schema in schemas.items():
        assert not any("default" in held for held in schema.get("properties", {}).values()), name
