"""Rules of HTTP for every operation: Accept, languages, content encodings, entity tags, CORS."""

import gzip
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils.translation import override

from accounts.models import User
from common.accept import rank
from common.etags import is_known
from common.languages import preferred_language, understood
from common.playground import preferred_form
from common.serializers import ALWAYS
from common.server.files import StoredFile, StoredFiles
from tests.api.operations import Operation, World, operations
from tests.conftest import Api
from tests.envelope import assert_refused
from tests.patience import PATIENCE
from tests.servers import running_server
from tests.streams import STREAMS

CREATE = f"{STREAMS}/create"
PROBLEM = "application/problem+json"
ALL = operations()

# --- Accept ---------------------------------------------------------------------------------------

WANTS_PROBLEMS = [
    PROBLEM,
    "Application/Problem+JSON",
    f"{PROBLEM};charset=utf-8",
    f" {PROBLEM} ; q=0.9 , application/json; q=0.8",
    f"application/json;q=0.8,{PROBLEM}",
    f"text/html, {PROBLEM}, */*;q=0.1",
    f"{PROBLEM}, application/*;q=0.5",
    "application/json;q=0, */*",
]
WANTS_JSON = [
    "",
    "*/*",
    "application/*",
    "application/json",
    f"{PROBLEM};q=0",
    f"{PROBLEM};Q=0.000, */*",
    f"application/json, {PROBLEM}",
    f"{PROBLEM}, application/json",
    f"application/json, {PROBLEM};q=0.5",
    f"{PROBLEM};q=0.5, */*;q=0.6",
    f"{PROBLEM};q=high",
    f"{PROBLEM};q=2",
    f"{PROBLEM};q=nan",
    f"{PROBLEM};profile=x",
    f"x-{PROBLEM}",
    f"{PROBLEM}2",
    f'text/plain;x="{PROBLEM}"',
    ";,=,;;",
    f"{PROBLEM};x*=y",
    f"{'a' * 30_000}, {PROBLEM}",
]


@pytest.mark.parametrize("accept", WANTS_PROBLEMS)
def test_problem_json_is_returned_when_it_is_preferred_to_json(accept: str, api: Api) -> None:
    answer = api().get(f"{STREAMS}/my-past-streams", HTTP_ACCEPT=accept)

    assert (answer.status_code, answer.headers["Content-Type"]) == (401, PROBLEM)


@pytest.mark.parametrize("accept", WANTS_JSON)
def test_otherwise_the_envelope_is_returned(accept: str, api: Api) -> None:
    assert_refused(api().get(f"{STREAMS}/my-past-streams", HTTP_ACCEPT=accept), 401, "authentication_required")


@pytest.mark.parametrize("operation", ALL, ids=str)
def test_every_operation_parses_accept_in_the_same_way(operation: Operation, world: World) -> None:
    for accept, kind in (
        ("APPLICATION/PROBLEM+JSON", PROBLEM),
        (f"{PROBLEM};q=0", "application/json"),
        (f"application/json, {PROBLEM};q=0.9", "application/json"),
    ):
        world.accept = accept
        refused = world.call(operation, raw=b'{"a', content_type="text/plain")
        assert (refused.status_code, refused.headers["Content-Type"]) == (415, kind)


@pytest.mark.parametrize(
    ("accept", "form_of_document"),
    [
        ("", "yaml"),
        ("*/*", "yaml"),
        ("application/json", "json"),
        ("application/json,*/*", "json"),
        ("application/vnd.oai.openapi+json", "json"),
        ("application/json;q=0", "yaml"),
        ("application/yaml, application/json;q=0.9", "yaml"),
        ("application/problem+json, text/html", "yaml"),
    ],
)
def test_the_document_is_returned_in_the_preferred_form(accept: str, form_of_document: str) -> None:
    assert preferred_form(accept) == form_of_document


def test_the_most_specific_range_decides() -> None:
    accept = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, */*;q=0.5"

    weights = [rank(accept, kind)[0] for kind in ("text/plain", "text/html", "image/jpeg")]

    assert weights == [0.7, 0.3, 0.5]  # the examples of RFC 9110, section 12.5.1


# --- languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "tr;q=0", "en"),
        ("", "tr;q=0.000, en", "en"),
        ("", "tr ; q = 0", "en"),
        ("", "tr;q=0, *", "en"),
        ("", "*", "en"),
        ("", "en;q=0, *;q=0.5", "tr"),
        ("", "*;q=0", "en"),
        ("", "tr;q=0.001", "tr"),
        ("", "tr-TR;q=0, tr", "tr"),
        ("", "tr_TR", "tr"),
        ("", "TR_tr;q=0.9, en;q=0.8", "tr"),
        ("tr_TR", "", "tr"),
        ("tr-Latn_TR", "", "tr"),
        ("TR", "en", "tr"),
        ("tr;q=0", "en", "en"),
        ("de", "tr", "tr"),
        ("de, tr", "en", "tr"),
        ("en_US", "tr", "en"),
        ("trx", "", "en"),
        ("", "tr;q=x", "en"),
    ],
)
def test_the_language_is_the_preferred_one_that_is_supported(chosen: str, accepted: str, language: str) -> None:
    assert preferred_language({"HTTP_X_LANGUAGE": chosen, "HTTP_ACCEPT_LANGUAGE": accepted}) == language
    assert len(understood(accepted)) < 200


@pytest.mark.parametrize(
    ("headers", "lang"),
    [({"HTTP_ACCEPT_LANGUAGE": "tr;q=0"}, "en"), ({"HTTP_ACCEPT_LANGUAGE": "tr_TR"}, "tr")],
)
def test_the_pages_of_the_admin_follow_the_same_rules(
    headers: dict[str, Any], lang: str, client: Any, db: None
) -> None:
    assert f'<html lang="{lang}"' in client.get("/admin/login/", **headers).content.decode()


def test_responses_are_in_the_preferred_language(api: Api, creator: User) -> None:
    reasons = {}
    for headers in ({"HTTP_ACCEPT_LANGUAGE": "tr;q=0"}, {"HTTP_X_LANGUAGE": "tr_TR"}):
        client: Any = api(creator)
        refused = client.post(CREATE, {}, format="json", **headers)
        reasons[next(iter(headers.values()))] = refused.json()["errors"][1]
    with override("tr"):
        turkish = str(ALWAYS["required"])

    assert reasons == {"tr;q=0": "title: is required", "tr_TR": f"title: {turkish}"}


def test_the_language_of_a_page_does_not_affect_the_next_call_in_the_thread(
    api: Api, creator: User, client: Any
) -> None:
    calls = api(creator)
    assert '<html lang="tr"' in client.get("/admin/login/", HTTP_ACCEPT_LANGUAGE="tr").content.decode()

    assert_refused(calls.post(CREATE, {}, format="json"), 400, "validation_failed", "title: is required")


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ALL, ids=str)
def test_a_compressed_body_is_refused_and_its_encoding_named(operation: Operation, world: World) -> None:
    client: Any = world.api(world.caller if operation.takes_token else None)
    raw = gzip.compress(json.dumps(world.body(operation) or {}).encode())

    for encoding, named in (("gzip", "gzip"), ("GZIP", "GZIP"), ("identity, br", "br"), ("deflate", "deflate")):
        refused = client.generic(
            operation.method, world.path(operation), raw, "application/json", HTTP_CONTENT_ENCODING=encoding
        )
        reason = f"Content-Encoding: {named} is not read; send the body without it"
        assert_refused(refused, 415, "unsupported_media_type", reason)
        assert refused.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", " , identity"])
def test_the_encoding_identity_is_accepted(encoding: str, api: Api, creator: User) -> None:
    created = api(creator).post(CREATE, {"title": "Talk"}, format="json", HTTP_CONTENT_ENCODING=encoding)

    assert created.status_code == 201


def test_without_a_body_the_content_encoding_is_ignored(api: Api, creator: User) -> None:
    assert api(creator).get(STREAMS, HTTP_CONTENT_ENCODING="gzip").status_code == 200


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8", "APPLICATION/JSON ;a=b"]
)
def test_the_json_media_type_may_have_any_case_and_parameters(content_type: str, api: Api, creator: User) -> None:
    client: Any = api(creator)

    assert client.generic("POST", CREATE, b'{"title": "Talk"}', content_type).status_code == 201


# --- ETags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"x", "a"', True),
        ('W/"x" , W/"a","y"', True),
        ("*", True),
        ("", False),
        ('"ab"', False),
        ('"ba"', False),
        ("a", False),
        ('"A"', False),
        ('w/"a"', False),
        ('""', False),
        ('"x-"a""', False),
    ],
)
def test_entity_tags_are_compared_one_by_one_and_weakly(header: str, known: bool) -> None:
    assert is_known(header, '"a"') is is_known(header, 'W/"a"') is known
    assert StoredFile("", {"ETag": '"a"', "Last-Modified": ""}).is_known({"HTTP_IF_NONE_MATCH": header}) is known


def test_files_also_support_if_modified_since(tmp_path: Any) -> None:
    (tmp_path / "one").write_bytes(b"a picture")
    found = StoredFiles(tmp_path).find("one")
    assert found is not None

    def known(date: str) -> bool:
        return found.is_known({"HTTP_IF_MODIFIED_SINCE": date})

    assert known(found.headers["Last-Modified"])
    assert known("Fri, 01 May 2099 20:00:00 GMT")
    assert not known("Tue, 01 May 2001 20:00:00 GMT")
    assert not known("yesterday")


@pytest.mark.parametrize("operation", [one for one in ALL if "304" in one.declared["responses"]], ids=str)
def test_a_list_of_entity_tags_is_accepted_by_every_operation_that_has_one(operation: Operation, world: World) -> None:
    etag = world.call(operation).headers["ETag"]

    for header, status in ((f'"x", W/{etag}', 304), ("*", 304), (f'"x{etag[1:]}', 200), (etag[:-2] + '"', 200)):
        assert world.call(operation, unless=header).status_code == status, header


# --- CORS -----------------------------------------------------------------------------------------


# Browsers let pages read it without being asked: https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
READABLE = {"Cache-Control"}


def named_headers() -> Iterator[str]:
    """Every documented response header that has to be exposed."""
    for operation in ALL:
        for status in operation.declared["responses"]:
            yield from operation.response(status)["headers"].keys() - READABLE


def test_cors_exposes_every_documented_header() -> None:
    exposed = {name.lower() for name in django_settings.CORS_EXPOSE_HEADERS}

    assert {"X-Error-Code", "X-Request-ID", "Retry-After", "WWW-Authenticate", "ETag"} <= set(named_headers())
    assert {name.lower() for name in named_headers()} <= exposed
    assert "x-next-cursor" in exposed


def test_a_browser_of_another_origin_may_send_and_read_them(transactional_db: None) -> None:
    with running_server(workers=1, CORS_ALLOWED_ORIGINS="https://app.example.com") as server:
        connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        asked = "if-none-match, if-match, idempotency-key, authorization, content-type, x-language"
        origin = {"Origin": "https://app.example.com"}
        preflight = origin | {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": asked}
        connected.request("OPTIONS", CREATE, headers=preflight)
        response = connected.getresponse()
        response.read()
        allowed = (response.getheader("access-control-allow-headers") or "").split(", ")
        assert set(asked.split(", ")) <= set(allowed)
        connected.request("GET", f"{STREAMS}/my-past-streams", headers=origin)
        response = connected.getresponse()
        exposed = (response.getheader("access-control-expose-headers") or "").split(", ")
        assert {name.lower() for name in named_headers()} <= {name.lower() for name in exposed}
        connected.close()
