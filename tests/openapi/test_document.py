"""The OpenAPI document: it is valid, up to date and complete."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from common.schema import WARNING
from livestreams.diagram import lifecycle_diagram
from livestreams.models import LIFECYCLE
from tests.envelope import assert_refused
from tests.openapi.contents import Document, fits, operations, parameters, responses

COMMITTED = Path(django_settings.BASE_DIR) / "docs" / "openapi.yaml"


# --- the document as a whole ------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_the_committed_document_is_up_to_date_and_generated_without_a_warning(tmp_path: Path) -> None:
    generated = tmp_path / "openapi.yaml"

    call_command("spectacular", file=str(generated), validate=True, fail_on_warn=True)

    assert COMMITTED.read_bytes() == generated.read_bytes(), "docs/openapi.yaml is stale: run `make schema`"


def test_the_committed_document_names_example_servers_only() -> None:
    servers = yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))["servers"]

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
        "/api/v1/notifications",
        "/api/v2/notifications",
        "/api/v1/notifications/unread-count",
        "/api/v1/notifications/read-all",
        "/api/v1/notifications/device-token",
        "/api/v1/live-stream/my-calendar",
        "/api/v1/live-stream-ban/appeals",
        "/api/v1/live-stream-ban/mine",
        "/api/v1/live-stream-reports/{streamId}",
        "/api/v1/live-stream-reports/my-reports",
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


def test_every_tag_has_a_description(document: Document) -> None:
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


def test_not_modified_responses_have_no_body(document: Document) -> None:
    unchanged = [response for _, status, response in responses(document) if status == 304]

    assert unchanged
    assert all("content" not in response for response in unchanged)


def test_every_operation_has_a_success_response(document: Document) -> None:
    succeeding = {name for name, status, _ in responses(document) if 200 <= status < 300}

    assert succeeding == {operation["operationId"] for _, operation in operations(document)}


def test_responses_document_the_request_id_the_authentication_scheme_and_the_retry_time(document: Document) -> None:
    for name, status, response in responses(document):
        assert "X-Request-ID" in response["headers"], name
        assert ("WWW-Authenticate" in response["headers"]) is (status == 401), name
        waits = status in {429, 503} or not TEMPORARY.isdisjoint(response.get("x-error-codes", []))
        assert ("Retry-After" in response["headers"]) is waits, name


TEMPORARY = {"idempotency_key_in_use", "refresh_in_progress"}  # conflicts
# Statuses of every operation: refusals by the server itself, 400 for unknown keys, and 429 above a rate limit.
EVERYWHERE = {400, 408, 413, 414, 415, 429, 431, 500, 503}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("cancelLiveStreamByIdV1", {200, 401, 403, 404, 409, 412, 422}),
        ("updateLiveStreamByIdV1", {200, 401, 403, 404, 409, 412, 422}),
        ("createLiveStreamV1", {201, 401, 409, 422}),
        ("setLiveStreamByIdThumbnailV1", {200, 401, 403, 404, 409, 412, 422}),
        ("listLiveStreamV1", {200, 401}),
        ("getLiveStreamMyActiveStreamV1", {200, 401}),
        ("getLiveStreamUserByUseridPastStreamsV1", {200, 401, 404}),
        ("joinLiveStreamV1", {200, 401, 403, 404, 409, 422}),
        ("createLiveStreamBanV1", {201, 401, 403, 404, 409, 422}),
        ("listLiveStreamBanMineV1", {200, 401}),
        ("getLiveStreamByIdCalendarIcsV1", {200, 401, 403, 404, 409}),
        ("getLiveStreamUserByUseridCalendarIcsV1", {200, 401, 404}),
        ("createLiveStreamByIdReminderV1", {200, 401, 403, 404, 409, 412, 422}),
        ("getLiveStreamByIdReminderV1", {200, 401, 403, 404}),
        ("listLiveStreamRemindersV1", {200, 401}),
        ("updateNotificationsByIdReadV1", {200, 401, 404, 409, 412, 422}),
        ("updateNotificationsReadAllV1", {200, 401, 409, 412, 422}),
        ("createNotificationsDeviceTokenV1", {200, 401, 409, 422}),
        ("deleteNotificationsDeviceTokenByIdV1", {200, 401, 404, 409, 412, 422}),
        ("createLiveStreamMyCalendarV1", {201, 401}),
        ("deleteLiveStreamMyCalendarV1", {200, 401, 404, 409, 412, 422}),
        ("listLiveStreamBanAppealsV1", {200, 401}),
        ("createLiveStreamByIdFeedbackV1", {201, 401, 403, 404, 409, 412, 422}),
        ("getLiveStreamByIdFeedbackV1", {200, 401, 403, 404}),
        ("createLiveStreamReportsByStreamidV1", {201, 401, 403, 404, 409, 412, 422}),
        ("listLiveStreamReportsMyReportsV1", {200, 401}),
        ("loginAuthV1", {200, 401, 429}),
        ("revokeAuthTokenV1", {200}),
    ],
)
def test_an_operation_lists_the_statuses_that_it_can_return(
    document: Document, operation: str, expected: set[int]
) -> None:
    method = next(method for method, declared in operations(document) if declared["operationId"] == operation)
    conditional = {304} if method == "get" else set()
    assert {status for name, status, _ in responses(document) if name == operation} == (
        expected | conditional | EVERYWHERE
    )


def test_a_required_token_can_fail_with_each_code_of_authentication(document: Document) -> None:
    listed = {
        code
        for name, status, response in responses(document)
        if (name, status) == ("getUsersMeV1", 401)
        for code in response["x-error-codes"]
    }

    assert listed == {"authentication_required", "token_invalid", "token_expired", "session_ended"}


# Variables of paths that are no ids.
NAMES = {"username"}


def test_path_ids_are_24_hexadecimal_characters(document: Document) -> None:
    in_path = [
        parameter
        for _, operation in operations(document)
        for parameter in parameters(operation, document)
        if parameter["in"] == "path" and parameter["name"] not in NAMES
    ]
    ids = [parameter for parameter in in_path if parameter["name"] != "channelName"]

    assert len(in_path) == len(ids) + 1
    assert all(parameter["schema"]["pattern"] == "^[0-9a-f]{24}$" for parameter in ids)


def test_every_operation_documents_the_headers_that_it_reads_and_answers_with(document: Document) -> None:
    conditional = {"get": "If-None-Match", "put": "If-Match", "patch": "If-Match"}
    for method, operation in operations(document):
        named = {one["name"] for one in parameters(operation, document) if one["in"] == "header"}
        assert {"X-Language", "X-Request-ID"} <= named, operation["operationId"]
        assert conditional.get(method, "X-Language") in named, operation["operationId"]
        shared = [one for one in operation["parameters"] if "$ref" in one]
        assert len(shared) == len(named), "headers are shared components"
    for name, status, response in responses(document):
        assert {"X-Request-ID", "Cache-Control", "RateLimit", "RateLimit-Policy"} <= response["headers"].keys(), name
        assert "ETag" in response["headers"] or status != 304, name


# --- tokens ---------------------------------------------------------------------------------------


def test_the_security_scheme_has_a_name_and_explains_how_to_paste_a_token(document: Document) -> None:
    (name, scheme), *others = document["components"]["securitySchemes"].items()

    assert name == "JWT-auth"
    assert not others
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert "without the word Bearer" in scheme["description"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("cancelLiveStreamByIdV1", [{"JWT-auth": []}]),
        ("getLiveStreamUserByUseridPastStreamsV1", [{"JWT-auth": []}, {}]),
        ("loginAuthV1", []),
    ],
)
def test_a_token_is_required_optional_or_ignored_as_the_view_declares(
    document: Document, operation: str, expected: Any
) -> None:
    (found,) = [entry.get("security") for _, entry in operations(document) if entry["operationId"] == operation]

    assert found == expected


# --- text -----------------------------------------------------------------------------------------


def test_the_description_contains_the_lifecycle_as_a_table_and_as_a_diagram(document: Document) -> None:
    text = document["info"]["description"]
    rows = [line for line in text.splitlines() if line.startswith("| `")]

    assert lifecycle_diagram() in text
    for status, moves in LIFECYCLE.items():
        (row,) = [row for row in rows if row.startswith(f"| `{status}` |")]
        assert [cell.strip(" `") for cell in row.split("|")[2:-1] if cell.strip()] != []
        assert {cell.strip(" `") for cell in row.split("|")[2:-1]} - {""} == set(map(str, moves.values()))


# --- served ---------------------------------------------------------------------------------------


def test_the_served_document_names_the_configured_servers_development_first(client: Client, settings: Any) -> None:
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
