"""Lists and bodies of hostile size are refused before their content is validated. Permissions are checked first."""

# drf-spectacular is marked as typed, but most of it is not.
# mypy: disable-error-code="no-untyped-call"

import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import pytest
from django.http import QueryDict
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError

from accounts.models import User
from bans.models import LiveStreamBan
from common.api import MOST_REASONS, reasons_of
from common.fields import new_object_id
from common.serializers import InputSerializer
from tests.api.operations import Operation, World, document, operations
from tests.bans.people import make_ban
from tests.conftest import Api, make_user
from tests.envelope import assert_refused
from tests.reminders.asking import notified_of_start, read_url, reminder_url
from tests.streams import STREAMS, make_stream, stream_url

MILLION = 1_000_000
MOST_SECONDS = 0.05
MOST_BYTES = 10_000_000
BANS = "/api/v1/live-stream-ban"


# --- every list of the document -------------------------------------------------------------------


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document()["components"]["schemas"][reference] if reference else schema
    return found.get("properties", {})


def is_list(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "array" or "array" in schema.get("type", [])


def lists_in_bodies() -> list[Any]:
    return [
        pytest.param(operation, kind, name, schema, id=f"{operation}-{kind}-{name}")
        for operation in operations()
        if operation.has_body
        for kind, content in operation.declared["requestBody"]["content"].items()
        for name, schema in properties_of(content["schema"]).items()
        if is_list(schema)
    ]


def lists_in_queries() -> list[Any]:
    return [
        pytest.param(operation, parameter["name"], parameter["schema"], id=f"{operation}-{parameter['name']}")
        for operation in operations()
        for parameter in operation.query
        if is_list(parameter["schema"])
    ]


def declared_by(operation: Operation, where: str, kind: str = "application/json") -> type[InputSerializer]:
    """The serializer of the body, or of the query, that the view of the operation declares."""
    path = operation.path.replace("{", "").replace("}", "")
    view = SchemaGenerator().create_view(resolve(path).func, operation.method)
    schema = getattr(view, view.action).kwargs["schema"]()
    schema.view = view
    schema.method, schema.path = operation.method, operation.path
    if where == "query":
        found = schema.get_override_parameters()
        return next(each for each in found if not isinstance(each, OpenApiParameter))
    body = schema.get_request_serializer()
    found = body[kind] if isinstance(body, dict) else body
    return found if isinstance(found, type) else type(found)


def cost(refused: Callable[[], Any]) -> tuple[float, int]:
    """CPU seconds (the minimum of five runs) and peak allocated bytes."""
    seconds = []
    for _ in range(5):
        began = time.process_time()
        refused()
        seconds.append(time.process_time() - began)
    tracemalloc.start()
    try:
        refused()
        return min(seconds), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def reasons(kind: type[InputSerializer], sent: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        kind.validated(sent)
    return reasons_of(refused.value.detail)


def test_the_document_has_lists() -> None:
    assert {parameter.id for parameter in lists_in_bodies()} >= {
        "createLiveStreamBanBulkV1-application/json-targets",
        "createLiveStreamV1-application/json-guests",
        "createLiveStreamV1-multipart/form-data-guests",
        "updateLiveStreamByIdV1-application/json-guests",
    }
    assert {parameter.id for parameter in lists_in_queries()} >= {
        "listLiveStreamV1-status",
        "listLiveStreamGuestStreamsV1-status",
    }


@pytest.mark.parametrize("item", [0, None, "0" * 24, {}, []], ids=repr)
@pytest.mark.parametrize(("operation", "kind", "name", "schema"), lists_in_bodies())
def test_a_list_of_a_million_items_is_refused_for_its_length(
    operation: Operation, kind: str, name: str, schema: dict[str, Any], item: Any
) -> None:
    serializer = declared_by(operation, "body", kind)
    sent: Any = {name: [item] * MILLION}
    if kind == "multipart/form-data":
        sent = QueryDict(mutable=True)
        sent.setlist(name, [item] * MILLION)

    found = reasons(serializer, sent)
    seconds, most_bytes = cost(lambda: reasons(serializer, sent))

    assert [reason for reason in found if reason.startswith(name)] == [
        f"{name}: must have at most one id"
        if name == "guests"
        else f"{name}: must have at most {schema['maxItems']} items"
    ]
    assert seconds < MOST_SECONDS
    assert most_bytes < MOST_BYTES


@pytest.mark.parametrize(("operation", "name", "schema"), lists_in_queries())
def test_a_parameter_that_is_repeated_a_million_times_is_refused_for_its_length(
    operation: Operation, name: str, schema: dict[str, Any]
) -> None:
    serializer = declared_by(operation, "query")
    sent = QueryDict(mutable=True)
    sent.setlist(name, ["scheduled"] * MILLION)

    found = reasons(serializer, sent)
    seconds, most_bytes = cost(lambda: reasons(serializer, sent))

    assert found == [f"{name}: must have at most {schema['maxItems']} items"]
    assert seconds < MOST_SECONDS
    assert most_bytes < MOST_BYTES


@pytest.mark.parametrize("operation", [each for each in operations() if each.has_body], ids=str)
def test_a_text_of_a_megabyte_in_every_field_is_refused_quickly(operation: Operation) -> None:
    for kind in operation.declared["requestBody"]["content"]:
        serializer = declared_by(operation, "body", kind)
        sent = dict.fromkeys(serializer().fields, "x" * MILLION)

        seconds, most_bytes = cost(partial(reasons, serializer, sent))

        assert seconds < MOST_SECONDS
        assert most_bytes < MOST_BYTES


# --- whole requests --------------------------------------------------------------------------------

HOSTILE = {
    "zeros": b'{"guests": [' + b"0," * 600_000 + b"0]}",
    "brackets": b"[" * MILLION,
    "nested objects": b'{"a":' * 200_000,
    "a huge number": b'{"price": ' + b"9" * (MILLION - 20) + b"}",
    "a huge fraction": b'{"price": 0.' + b"1" * (MILLION - 20) + b"}",
    "keys": orjson.dumps({str(number): 0 for number in range(80_000)}),
    "text": b'{"reason": "' + b"x" * (MILLION - 20) + b'"}',
    "escapes": b'{"reason": "' + b"\\u0000" * 160_000 + b'"}',
    "targets": orjson.dumps({"targets": [0] * 400_000}),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("operation", [each for each in operations() if each.has_body], ids=str)
def test_a_hostile_body_is_refused_quickly(operation: Operation, body: bytes, world: World) -> None:
    # Authenticate before, so that only the parsing of the body is measured.
    world.call(operation, raw=b"{")

    began = time.process_time()
    response = world.call(operation, raw=body)
    seconds = time.process_time() - began

    assert response.status_code in (400, 413)
    assert len(response.json()["errors"][1:]) <= MOST_REASONS
    assert len(response.content) < 10_000
    assert seconds < 0.5  # including the login of the client


@pytest.mark.parametrize("operation", [each for each in operations() if each.has_body], ids=str)
def test_a_json_body_is_limited_to_64_kilobytes_except_for_bulk_operations(operation: Operation, world: World) -> None:
    limit = 1_048_576 if str(operation) == "createLiveStreamBanBulkV1" else 65_536
    within = world.call(operation, raw=b" " * (limit - 1) + b"{")
    beyond = world.call(operation, raw=b" " * limit + b"{")

    assert_refused(within, 400, "malformed_request")
    assert_refused(beyond, 413, "payload_too_large", f"body: must be at most {limit} bytes")


def test_a_form_may_be_as_large_as_a_picture(api: Api, creator: User) -> None:
    for size, status in ((100_000, 400), (6 * 1_048_576, 413)):
        response = api(creator).post(f"{STREAMS}/create", {"title": "", "motivation": "x" * size}, format="multipart")
        assert response.status_code == status


def test_ten_thousand_parameters_are_refused(api: Api, creator: User) -> None:
    flood = "&".join(["status=ended"] * 10_000)
    lists = [operation for operation in operations() if operation.query and "{" not in operation.path]
    assert lists
    for operation in lists:
        response = api(creator).get(f"{operation.path}?{flood}")
        assert_refused(response, 400, "malformed_request", "at most 1000 values may be sent")
    assert api().get(f"/api/schema/?{flood}").status_code == 400


@pytest.mark.parametrize(
    ("count", "last"), [(20, "targets.19: must be text"), (21, "and 2 more"), (1000, "and 981 more")]
)
def test_a_refusal_lists_at_most_twenty_reasons_and_their_number(
    count: int, last: str, api: Api, creator: User
) -> None:
    body = {"liveStreamId": make_stream(creator).pk, "targets": [0] * count}

    refused = api(creator).post(f"{BANS}/bulk", body)
    as_problem = api(creator).post(f"{BANS}/bulk", body, HTTP_ACCEPT="application/problem+json")

    lines = refused.json()["errors"][1:]
    assert lines[0] == "targets.0: must be text"
    assert (len(lines), lines[-1]) == (20, last)
    assert as_problem.json()["errors"] == lines


# --- permission before the body -------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b'{"title": 0, "text": 0, "reason": 0, "minute": "x", "isRead": 0', b"{}", b"[0]"])
def test_a_missing_permission_is_refused_before_the_body_is_parsed(
    raw: bytes, api: Api, creator: User, viewer: User, stranger: User
) -> None:
    stream = make_stream(creator)
    ban = make_ban(viewer, stream)
    notice = notified_of_start(viewer, make_stream(creator))
    unknown = new_object_id()
    cases = [
        ("patch", stream_url(stream), stranger, 403, "not_the_creator"),
        ("patch", f"{STREAMS}/{unknown}", stranger, 404, "stream_not_found"),
        ("patch", f"{BANS}/{ban.pk}", stranger, 403, "not_creator_or_moderator"),
        ("patch", f"{BANS}/{unknown}", stranger, 404, "ban_not_found"),
        ("post", f"{BANS}/{ban.pk}/appeal", stranger, 403, "not_the_banned_person"),
        ("post", f"{BANS}/{unknown}/appeal", stranger, 404, "ban_not_found"),
        ("post", reminder_url(stream), viewer, 403, "banned"),
        ("post", f"{STREAMS}/{unknown}/reminder", viewer, 404, "stream_not_found"),
        ("patch", read_url(notice), stranger, 404, "notification_not_found"),
    ]
    for method, path, caller, status, code in cases:
        if path.endswith("/reminder") and raw == b"{}":
            continue  # its body is valid
        response = getattr(api(caller), method)(path, raw, content_type="application/json")
        assert_refused(response, status, code)
        anonymous = getattr(api(), method)(path, raw, content_type="application/json")
        assert_refused(anonymous, 401, "authentication_required")


@pytest.mark.parametrize("path", [BANS, f"{BANS}/bulk"])
def test_only_the_stream_of_a_ban_is_parsed_before_the_permission_check(
    path: str, api: Api, creator: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(creator)
    whom = {"targetUserId": 0} if path == BANS else {"targets": [0] * 10_000, "dryRun": "x"}
    wrong: dict[str, Any] = whom | {"reason": 0, "actionType": []}

    refused = api(stranger).post(path, wrong | {"liveStreamId": stream.pk})
    unknown = api(stranger).post(path, wrong | {"liveStreamId": new_object_id()})
    own = api(creator).post(path, wrong | {"liveStreamId": stream.pk})
    unnamed = api(stranger).post(path, wrong)

    assert_refused(refused, 403, "not_creator_or_moderator")
    assert_refused(unknown, 404, "stream_not_found")
    for response in (own, unnamed):
        assert_refused(response, 400, "validation_failed")
        assert "reason: must be text" in response.json()["errors"]
    assert "liveStreamId: is required" in unnamed.json()["errors"]
    assert not LiveStreamBan.objects.exists()


def test_a_million_targets_without_permission_to_ban_cost_nothing(api: Api, creator: User) -> None:
    body = orjson.dumps({"liveStreamId": make_stream(creator).pk, "targets": [0] * 500_000})
    client = api(make_user("viewer"))
    client.get("/api/v1/users/me")

    began = time.process_time()
    refused = client.post(f"{BANS}/bulk", body, content_type="application/json")

    assert time.process_time() - began < 0.2
    assert_refused(refused, 403, "not_creator_or_moderator")
