"""The OpenAPI document: valid, fresh, and complete for who has nothing else to read."""

# drf-spectacular says that it is typed, and for the most part is not.
# mypy: disable-error-code="no-untyped-call"

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from common.api import TITLES
from common.schema import WARNING
from config.document import codes
from livestreams.models import LIFECYCLE, lifecycle_diagram
from tests.envelope import assert_refused

WRITTEN = Path(django_settings.BASE_DIR) / "docs" / "openapi.yaml"

# Clients branch on these. A code may be added; none may change its status, its name or go away.
FROZEN = {
    "malformed_request": 400,
    "moment_passed": 400,
    "validation_failed": 400,
    "authentication_required": 401,
    "refresh_in_progress": 409,
    "refresh_token_invalid": 401,
    "refresh_token_reused": 401,
    "session_ended": 401,
    "token_expired": 401,
    "token_invalid": 401,
    "wrong_credentials": 401,
    "banned": 403,
    "cannot_ban_creator": 403,
    "cannot_ban_guest": 403,
    "cannot_ban_oneself": 403,
    "cannot_ban_staff": 403,
    "insufficient_permissions": 403,
    "no_longer_true": 409,
    "not_a_service_account": 403,
    "not_concerned_by_ban": 403,
    "not_creator_or_moderator": 403,
    "not_oneself": 403,
    "not_the_banned_person": 403,
    "not_the_creator": 403,
    "overruling_by_superusers_only": 403,
    "not_the_creator_or_guest": 403,
    "not_the_guest": 403,
    "only_by_superuser": 403,
    "appeal_not_found": 404,
    "ban_not_found": 404,
    "batch_not_found": 404,
    "delivery_not_found": 404,
    "not_found": 404,
    "notification_not_found": 404,
    "reminder_not_found": 404,
    "stream_not_found": 404,
    "user_not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "already_appealed": 409,
    "already_banned": 409,
    "already_delivered": 409,
    "already_live": 409,
    "appeal_already_decided": 409,
    "ban_already_lifted": 409,
    "appeal_undecided": 409,
    "ban_already_reviewed": 409,
    "ban_changed_meanwhile": 409,
    "ban_not_reviewed": 409,
    "changed_meanwhile": 409,
    "no_session": 409,
    "ban_changed_since": 409,
    "ban_does_not_hold": 409,
    "ban_lapsed": 409,
    "ban_not_changed": 409,
    "batch_already_undone": 409,
    "conflict": 409,
    "guest_answer_too_late": 409,
    "guest_has_declined": 409,
    "stream_is_over": 409,
    "stream_not_active": 409,
    "stream_not_awaited": 409,
    "stream_not_cancellable": 409,
    "stream_not_deletable": 409,
    "stream_not_deleted": 409,
    "stream_not_editable": 409,
    "stream_not_endable": 409,
    "stream_not_expirable": 409,
    "stream_not_startable": 409,
    "stream_without_plan": 409,
    "user_already_active": 409,
    "user_already_inactive": 409,
    "payload_too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "too_many_failed_logins": 429,
    "too_many_requests": 429,
    "headers_too_large": 431,
    "internal_error": 500,
    "identity_provider_unavailable": 503,
    "login_busy": 503,
    "picture_slots_full": 503,
    "server_busy": 503,
    "service_unavailable": 503,
}

type Document = dict[str, Any]
type Operation = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def document() -> Document:
    found: Document = SchemaGenerator().get_schema(public=True)
    return found


def operations(document: Document) -> Iterator[Operation]:
    for path in document["paths"].values():
        yield from path.items()


def responses(document: Document) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Each operation's id with each of its statuses and responses, references followed."""
    for _method, operation in operations(document):
        for status, written in operation["responses"].items():
            shared = written.get("$ref", "").rpartition("/")[2]
            response = document["components"]["responses"][shared] if shared else written
            yield operation["operationId"], int(status), response


def fits(value: Any, schema: dict[str, Any], document: Document) -> bool:
    return OAS31Validator({**schema, "components": document["components"]}).is_valid(value)


# --- the whole ------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_the_written_document_is_fresh_and_generated_without_a_warning(tmp_path: Path) -> None:
    generated = tmp_path / "openapi.yaml"

    call_command("spectacular", file=str(generated), validate=True, fail_on_warn=True)

    assert WRITTEN.read_bytes() == generated.read_bytes(), "docs/openapi.yaml is stale: run `make schema`"


def test_the_written_document_names_nobodys_servers() -> None:
    servers = yaml.safe_load(WRITTEN.read_text(encoding="utf-8"))["servers"]

    assert servers == [
        {"url": "http://localhost:8000", "description": "Development"},
        {"url": "https://api.example.com", "description": "Production"},
    ]


def test_every_api_address_is_in_the_document(document: Document) -> None:
    from_contract = {
        "/api/v1/live-stream",
        "/api/v1/live-stream/create",
        "/api/v1/live-stream/{id}",
        "/api/v1/live-stream/{id}/start",
        "/api/v1/live-stream/{id}/end",
        "/api/v1/live-stream/{id}/cancel",
        "/api/v1/live-stream/{id}/guest/accept",
        "/api/v1/live-stream/{id}/guest/decline",
        "/api/v1/live-stream/join",
        "/api/v1/live-stream/{id}/viewers",
        "/api/v1/live-stream/{id}/viewer-count",
        "/api/v1/live-stream/my-active-stream",
        "/api/v1/live-stream/my-past-streams",
        "/api/v1/live-stream/guest-streams",
        "/api/v1/live-stream/upcoming",
        "/api/v1/live-stream/user/{userId}/past-streams",
        "/api/v1/live-stream/user/{userId}/upcoming-live-streams",
        "/api/v2/live-stream/user/{userId}/upcoming-live-streams",
        "/api/v1/live-stream-ban",
        "/api/v1/live-stream-ban/{id}",
        "/api/v1/live-stream-ban/check/{targetUserId}",
        "/api/v1/live-stream/{id}/calendar.ics",
        "/api/v1/live-stream/user/{userId}/calendar.ics",
        "/api/v1/live-stream/{id}/reminder",
        "/api/v1/live-stream/reminders",
        "/api/v2/notifications",
        "/api/v1/notifications/{id}/read",
        "/api/v2/notifications/{id}/read",
        "/api/v1/auth/login",
        "/api/v1/auth/refresh",
        "/api/v1/auth/revoke-token",
        "/api/v1/auth/logout",
        "/api/v1/users/me",
    }

    assert from_contract <= set(document["paths"])
    assert not [path for path in document["paths"] if path.startswith(("/api/schema", "/api/docs"))]


# --- operations -----------------------------------------------------------------------------------


def test_every_operation_has_an_id_a_known_tag_and_a_description(document: Document) -> None:
    known = {tag["name"] for tag in document["tags"]}
    ids = [operation["operationId"] for _, operation in operations(document)]

    assert len(ids) == len(set(ids))
    assert "cancelLiveStreamByIdV1" in ids
    for _method, operation in operations(document):
        assert re.fullmatch(r"[a-z][A-Za-z]+V\d", operation["operationId"])
        assert set(operation["tags"]) <= known, operation["operationId"]
        text = operation["description"].replace(WARNING, "").strip()
        assert len(text) > 10, operation["operationId"]


def test_tags_say_what_they_hold(document: Document) -> None:
    assert all(tag["description"] for tag in document["tags"])


def test_changing_operations_start_with_the_production_warning_and_no_others_have_it(
    document: Document,
) -> None:
    for method, operation in operations(document):
        warned = operation["description"].startswith(WARNING)
        assert warned is (method != "get"), operation["operationId"]


def test_every_success_has_an_example_in_the_envelope_that_fits_its_schema(document: Document) -> None:
    for name, status, response in responses(document):
        if status >= 300:
            continue
        ((kind, content),) = response["content"].items()
        example = content["example"]
        assert fits(example, content["schema"], document), name
        if kind != "application/json":
            continue
        assert list(example) == ["isSuccess", "statusCode", "data", "errors", "timestamp"], name
        assert (example["isSuccess"], example["statusCode"], example["errors"]) == (True, status, [])


def test_what_has_not_changed_is_answered_without_a_body(document: Document) -> None:
    unchanged = [response for _, status, response in responses(document) if status == 304]

    assert unchanged
    assert all("content" not in response for response in unchanged)


def test_every_operation_has_a_success(document: Document) -> None:
    succeeding = {name for name, status, _ in responses(document) if 200 <= status < 300}

    assert succeeding == {operation["operationId"] for _, operation in operations(document)}


def test_every_error_has_an_example_for_each_of_its_codes_in_both_forms(document: Document) -> None:
    for name, status, response in responses(document):
        if status < 400:
            continue
        possible = response["headers"]["X-Error-Code"]["schema"]["enum"]
        envelope = response["content"]["application/json"]
        problem = response["content"]["application/problem+json"]
        assert possible, name
        assert list(envelope["examples"]) == list(problem["examples"]) == possible
        for code in possible:
            enveloped = envelope["examples"][code]["value"]
            assert enveloped["errors"][0] == TITLES[status]
            assert (enveloped["isSuccess"], enveloped["statusCode"], enveloped["data"]) == (
                False,
                status,
                None,
            )
            assert fits(enveloped, envelope["schema"], document), (name, code)
            assert problem["examples"][code]["value"]["code"] == code
            assert fits(problem["examples"][code]["value"], problem["schema"], document), (name, code)


def test_an_error_schema_refuses_the_title_of_another_status(document: Document) -> None:
    response = document["components"]["responses"]["InternalError"]["content"]["application/json"]
    example = response["examples"]["internal_error"]["value"]

    assert fits(example, response["schema"], document)
    assert not fits({**example, "errors": [TITLES[404]]}, response["schema"], document)
    assert not fits({**example, "statusCode": 404}, response["schema"], document)


def test_examples_are_finished_sentences(document: Document) -> None:
    for name, status, response in responses(document):
        if status >= 400:
            for example in response["content"]["application/json"]["examples"].values():
                assert not any("%(" in error or "{" in error for error in example["value"]["errors"]), name


def test_headers_say_who_asked_how_to_log_in_and_when_to_come_back(document: Document) -> None:
    for name, status, response in responses(document):
        assert "X-Request-ID" in response["headers"], name
        assert ("WWW-Authenticate" in response["headers"]) is (status == 401), name
        assert ("Retry-After" in response["headers"]) is (status in {429, 503}), name


# Whatever the operation is: what the server itself refuses, and keys that nothing takes.
EVERYWHERE = {400, 408, 413, 414, 415, 431, 500, 503}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("cancelLiveStreamByIdV1", {200, 401, 403, 404, 409}),
        ("updateLiveStreamByIdV1", {200, 401, 403, 404, 409}),
        ("createLiveStreamV1", {201, 401}),
        ("listLiveStreamsV1", {200, 401}),
        ("readMyActiveStreamV1", {200, 401}),
        ("listPastStreamsByUserIdV1", {200, 401, 404}),
        ("joinLiveStreamV1", {200, 401, 403, 404, 409}),
        ("createLiveStreamBanV1", {201, 401, 403, 404, 409}),
        ("listMyBansV1", {200, 401}),
        ("readLiveStreamCalendarByIdV1", {200, 304, 401, 403, 404, 409}),
        ("readCalendarByUserIdV1", {200, 304, 401, 404}),
        ("setReminderByIdV1", {200, 401, 403, 404, 409}),
        ("readReminderByIdV1", {200, 401, 403, 404}),
        ("listMyRemindersV1", {200, 401}),
        ("markNotificationByIdV1", {200, 401, 404}),
        ("loginV1", {200, 401, 429}),
        ("revokeTokenV1", {200}),
    ],
)
def test_an_operation_lists_the_statuses_that_it_can_answer(
    document: Document, operation: str, expected: set[int]
) -> None:
    assert {status for name, status, _ in responses(document) if name == operation} == expected | EVERYWHERE


def test_a_required_token_can_fail_in_each_way_that_authentication_knows(document: Document) -> None:
    listed = {
        code
        for name, status, response in responses(document)
        if (name, status) == ("readCurrentUserV1", 401)
        for code in response["headers"]["X-Error-Code"]["schema"]["enum"]
    }

    assert listed == {"authentication_required", "token_invalid", "token_expired", "session_ended"}


def test_path_ids_are_24_hexadecimal_characters(document: Document) -> None:
    in_path = [
        parameter
        for _, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path"
    ]

    assert in_path
    assert all(parameter["schema"]["pattern"] == "^[0-9a-f]{24}$" for parameter in in_path)


# --- tokens ---------------------------------------------------------------------------------------


def test_the_security_scheme_is_named_and_says_how_to_paste_a_token(document: Document) -> None:
    (name, scheme), *others = document["components"]["securitySchemes"].items()

    assert name == "JWT-auth"
    assert not others
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert "without the word Bearer" in scheme["description"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("cancelLiveStreamByIdV1", [{"JWT-auth": []}]),
        ("listPastStreamsByUserIdV1", [{"JWT-auth": []}, {}]),
        ("loginV1", None),
    ],
)
def test_a_token_is_required_optional_or_unknown_as_the_view_says(
    document: Document, operation: str, expected: Any
) -> None:
    (found,) = [entry.get("security") for _, entry in operations(document) if entry["operationId"] == operation]

    assert found == expected


# --- text -----------------------------------------------------------------------------------------


def test_the_text_lists_every_error_code(document: Document) -> None:
    text = document["info"]["description"]

    for code, (status, meaning) in codes().items():
        assert f"| {status} | {TITLES[status]} | `{code}` | {meaning} |" in text


def test_error_codes_are_frozen() -> None:
    assert {code: status for code, (status, _) in codes().items()} == FROZEN


def test_every_error_code_has_a_meaning() -> None:
    assert all(meaning for _, meaning in codes().values())


def test_the_text_holds_the_lifecycle_as_a_table_and_as_a_diagram(document: Document) -> None:
    text = document["info"]["description"]
    rows = [line for line in text.splitlines() if line.startswith("| `")]

    assert lifecycle_diagram() in text
    for status, moves in LIFECYCLE.items():
        (row,) = [row for row in rows if row.startswith(f"| `{status}` |")]
        assert [cell.strip(" `") for cell in row.split("|")[2:-1] if cell.strip()] != []
        assert {cell.strip(" `") for cell in row.split("|")[2:-1]} - {""} == set(map(str, moves.values()))


# --- served ---------------------------------------------------------------------------------------


def test_the_served_document_names_the_servers_of_this_place_development_first(client: Client, settings: Any) -> None:
    settings.DEVELOPMENT_SERVER_URL = "http://dev.example.org"
    settings.PRODUCTION_SERVER_URL = "https://live.example.org"

    served = client.get("/api/schema/", {"format": "json"}).json()

    assert served["servers"] == [
        {"url": "http://dev.example.org", "description": "Development"},
        {"url": "https://live.example.org", "description": "Production"},
    ]


def test_the_document_is_served_as_yaml_and_as_json(client: Client) -> None:
    as_yaml = client.get("/api/schema/")
    as_json = client.get("/api/schema/", headers={"Accept": "application/json"})

    assert as_yaml.headers["Content-Type"] == "application/vnd.oai.openapi"
    assert as_json.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    assert yaml.safe_load(as_yaml.content) == as_json.json()


@pytest.mark.parametrize("address", ["/api/schema/", "/api/docs/"])
def test_another_method_is_refused_in_the_envelope(client: Client, address: str) -> None:
    assert_refused(client.post(address), 405, "method_not_allowed")
