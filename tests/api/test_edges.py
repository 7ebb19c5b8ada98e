"""Responses from outside a view, and unusual HTTP requests, in this process and over the production server."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from typing import Any, NoReturn

import pytest
from django.test import Client
from rest_framework.response import Response

from accounts.models import User
from common import health
from tests.api.operations import Operation, World, document, operations
from tests.conftest import Api, make_user, token_of
from tests.envelope import assert_refused, data_of
from tests.patience import PATIENCE
from tests.servers import Answer, Server, running_server
from tests.streams import STREAMS, make_stream

CREATE = f"{STREAMS}/create"
LISTS = [f"{STREAMS}{rest}" for rest in ("", "/upcoming", "/my-past-streams", "/guest-streams", "/reminders")]


def fail(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("SELECT secret FROM shelf")


# --- addresses and methods ------------------------------------------------------------------------


API_ADDRESSES = ["/api/", "/api/v1", "/api/v1/nothing", "/api/v1/live-stream/", "/api/v3/users/me"]


@pytest.mark.parametrize(
    ("path", "debugging"),
    [
        *((path, debugging) for path in API_ADDRESSES for debugging in (False, True)),
        # Outside the API, Django's debug page is shown.
        *((path, False) for path in ("/nothing", "/favicon.ico")),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_an_unknown_address_is_answered_in_the_envelope(
    method: str, path: str, debugging: bool, api: Api, settings: Any
) -> None:
    settings.DEBUG = debugging

    assert_refused(api().generic(method, path), 404, "not_found", "there is no such address")


# The first operation of each path.
KNOWN = {operation.path: operation for operation in reversed(operations())}


@pytest.mark.parametrize(
    ("path", "operation", "method"),
    [
        pytest.param(path, KNOWN[path], method, id=f"{path}-{method}")
        for path, methods in document()["paths"].items()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
        if method.lower() not in methods
    ],
)
def test_a_wrong_method_is_answered_with_the_allowed_ones(
    path: str, operation: Operation, method: str, world: World
) -> None:
    response = world.call(Operation(method, path, operation.declared), body={})

    assert_refused(response, 405, "method_not_allowed")
    right = {each.upper() for each in document()["paths"][path]}
    assert set(response.headers["Allow"].split(", ")) == right | ({"HEAD"} if "GET" in right else set())
    assert response.json()["errors"][1] == f"allowed here: {response.headers['Allow']}"


@pytest.mark.parametrize("path", LISTS)
def test_head_of_a_list_has_the_headers_of_get_and_no_body(path: str, api: Api, creator: User) -> None:
    make_stream(creator)

    got, head = api(creator).get(path), api(creator).head(path)

    assert head.status_code == 200
    assert head.content == b""
    of_request = {"X-Request-ID": "", "RateLimit": ""}
    assert {**head.headers, **of_request} == {**got.headers, **of_request}


# --- crashes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("debugging", [False, True])
def test_the_response_to_a_crash_in_a_view_does_not_describe_the_crash(
    debugging: bool, api: Api, creator: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = debugging
    monkeypatch.setattr("livestreams.reads.STREAMS.page", fail)

    response = api(creator).get(STREAMS)

    assert_refused(response, 500, "internal_error")
    assert response.json()["errors"] == ["Internal server error"]


@pytest.mark.parametrize("debugging", [False, True])
def test_a_response_that_cannot_be_serialized_is_answered_like_a_crash(
    debugging: bool, api: Api, creator: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = debugging
    monkeypatch.setattr("livestreams.reads.STREAMS.page", lambda *args, **kwargs: Response({"list": object()}))

    assert_refused(api(creator).get(STREAMS), 500, "internal_error")


def test_a_crash_outside_the_api_is_answered_in_the_envelope_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "success_answer", fail)

    assert_refused(Client(raise_request_exception=False).get("/healthz"), 500, "internal_error")


# --- found by fuzzing ---------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["1e300", "-1e300", "1" + "0" * 30, "-1e-300", "100000000.001"])
def test_an_infinite_or_huge_price_is_refused(price: str, api: Api, creator: User) -> None:
    body = f'{{"title": "Evening talk", "price": {price}}}'

    refused = api(creator).post(CREATE, body, content_type="application/json")

    assert_refused(refused, 400, "validation_failed")
    assert refused.json()["errors"][1].startswith("price: must ")


def test_a_whole_number_may_have_a_decimal_point(api: Api, creator: User) -> None:
    body = '{"title": "Evening talk", "durationGoal": 60.0}'

    created = api(creator).post(CREATE, body, content_type="application/json")

    assert data_of(created, 201)["durationGoal"] == 60


# --- request ids and languages --------------------------------------------------------------------


@pytest.mark.parametrize("sane", ["a", "x" * 64, "0b8c8d0e-4d2f.4b0f:9d3a_5c1e"])
def test_a_valid_request_id_is_returned(sane: str, api: Api) -> None:
    for path in ("/api/v1/nothing", f"{STREAMS}/upcoming", "/healthz"):
        assert api().get(path, HTTP_X_REQUEST_ID=sane).headers["X-Request-ID"] == sane


@pytest.mark.parametrize("insane", ["", " ", "a b", "x" * 65, "ä", "<script>", "a\tb", "a,b", "'; DROP TABLE--", "٣"])
def test_an_invalid_request_id_is_replaced(insane: str, api: Api) -> None:
    response = api().get("/api/v1/nothing", HTTP_X_REQUEST_ID=insane)

    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


NUL_REFUSED = {
    "en": "title: must not have line breaks or control characters, such as U+0000",
    "tr": "title: satır sonu ya da denetim karakteri içeremez, örneğin U+0000",
}


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "en"),
        ({"HTTP_X_LANGUAGE": "tr"}, "tr"),
        ({"HTTP_X_LANGUAGE": "TR-tr"}, "tr"),
        ({"HTTP_ACCEPT_LANGUAGE": "tr-TR,tr;q=0.9,en;q=0.8"}, "tr"),
        ({"HTTP_ACCEPT_LANGUAGE": "de,tr;q=0.5"}, "tr"),
        ({"HTTP_X_LANGUAGE": "en", "HTTP_ACCEPT_LANGUAGE": "tr"}, "en"),
        ({"HTTP_X_LANGUAGE": "tr", "HTTP_ACCEPT_LANGUAGE": "en"}, "tr"),
        ({"HTTP_X_LANGUAGE": "klingon"}, "en"),
        ({"HTTP_X_LANGUAGE": "../../etc/passwd\0"}, "en"),
        ({"HTTP_X_LANGUAGE": "x" * 10_000}, "en"),
    ],
)
def test_reasons_are_translated_and_the_first_error_is_not(
    headers: dict[str, Any], language: str, api: Api, creator: User
) -> None:
    client = api(creator)

    refused = client.post(CREATE, {"title": "a\0b"}, **headers)

    assert_refused(refused, 400, "validation_failed", NUL_REFUSED[language])
    # The thread then serves a request without a language.
    assert_refused(client.post(CREATE, {"title": "a\0b"}), 400, "validation_failed", NUL_REFUSED["en"])


# --- over the production server -------------------------------------------------------------------


class Wire:
    """Unusual requests, each on a new connection."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.headers = {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, body: Any = None, *, chunked: bool = False, **headers: str) -> Answer:
        connected = HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            # A server that refuses a body early does not read the rest of it. The response is still sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connected.request(method, path, body, self.headers | named, encode_chunked=chunked)
            response = connected.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connected.close()


@pytest.fixture
def wire(transactional_db: None) -> Iterator[Wire]:
    creator = make_user("creator")
    make_stream(creator)
    with running_server(workers=1) as server:
        yield Wire(server, token_of(creator))


def assert_wire_refused(answer: Answer, status: int, code: str) -> None:
    """As `assert_refused`; servers may change the case of header names."""
    headers = {name.title(): value for name, value in answer.headers.items()}
    assert (answer.status, headers["X-Error-Code"]) == (status, code), answer.body
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Request-Id"]
    body = answer.json()
    assert list(body) == ["isSuccess", "statusCode", "data", "errors", "timestamp"]
    assert (body["isSuccess"], body["statusCode"], body["data"]) == (False, status, None)


def test_the_production_server_answers_unusual_requests(wire: Wire) -> None:
    """One server for all cases, because starting it takes longer than the calls."""
    title = json.dumps({"title": "Evening talk"}).encode()
    as_json: dict[str, Any] = {"Content_Type": "application/json"}

    created = wire.send("POST", CREATE, title, **as_json)
    assert created.status == 201, created.body

    for size in (6 * 1_048_576 + 1, 10_000_000):
        assert_wire_refused(wire.send("POST", CREATE, b"x" * size, **as_json), 413, "payload_too_large")
    assert_wire_refused(wire.send("POST", CREATE, b'{"title": ', **as_json), 400, "malformed_request")
    assert_wire_refused(wire.send("POST", CREATE, b"\xff\xfe\x00", **as_json), 400, "malformed_request")
    assert_wire_refused(wire.send("POST", CREATE, b"[" * 60_000, **as_json), 400, "malformed_request")
    assert_wire_refused(wire.send("POST", CREATE, b"title=a", Content_Type="text/plain"), 415, "unsupported_media_type")
    assert_wire_refused(wire.send("POST", CREATE, title), 415, "unsupported_media_type")
    assert_wire_refused(wire.send("PUT", CREATE, title, **as_json), 405, "method_not_allowed")
    assert_wire_refused(wire.send("GET", "/nothing"), 404, "not_found")
    assert_wire_refused(wire.send("GET", f"{STREAMS}/%ff%00"), 400, "validation_failed")

    for path in LISTS:
        got, head = wire.send("GET", path), wire.send("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        lengths = [
            {name.lower(): value for name, value in each.headers.items()}["content-length"] for each in (got, head)
        ]
        assert lengths == [str(len(got.body))] * 2

    pieces = [title[:5], title[5:]]
    chunked = wire.send("POST", CREATE, iter(pieces), chunked=True, Transfer_Encoding="chunked", **as_json)
    assert chunked.status == 201, chunked.body
    flood = (b"x" * 100_000 for _ in range(100))
    assert_wire_refused(
        wire.send("POST", CREATE, flood, chunked=True, Transfer_Encoding="chunked", **as_json),
        413,
        "payload_too_large",
    )

    assert wire.send("GET", f"{STREAMS}/my-active-stream").status == 200
