"""Which encoding an answer has, and that it is right in every other way."""

import gzip
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from common import compression
from common.compression import IDENTITY, SMALLEST, compressed, preferred_encoding, with_fixed_body
from common.etags import etag_for_encoding, etag_of_unchanged, is_known, without_encoding
from tests.conftest import Api
from tests.streams import STREAMS, make_stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DECODED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "zstd": zstd.decompress}
TEXT = b'{"data": "' + b"evening " * SMALLEST + b'"}'
SCRIPT = "/static/common/playground.js"
SHEET = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css"


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", IDENTITY),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=1.0, zstd;q=0.9", "gzip"),
        ("gzip ; q=0.5 , zstd ; q=0.8", "zstd"),
        ("gzip;Q=0.001", "gzip"),
        ("gzip;q=0", IDENTITY),
        ("gzip;q=0, *", "zstd"),
        ("zstd;q=0, *;q=0.5", "gzip"),
        ("*", "gzip"),
        ("*;q=0", IDENTITY),
        ("*;q=0, gzip;q=0.1", "gzip"),
        ("identity", IDENTITY),
        ("identity, gzip", "gzip"),
        ("identity;q=1, gzip;q=0.5", IDENTITY),
        ("identity;q=0.5, gzip;q=1", "gzip"),
        ("identity;q=0", IDENTITY),
        ("br, deflate", IDENTITY),
        ("br;q=1, identity;q=0", IDENTITY),
        # Weights that cannot be read: the coding is left out.
        ("gzip;q=2", IDENTITY),
        ("gzip;q=0.1234", IDENTITY),
        ("gzip;level=9, zstd", "zstd"),
        (",, ;q=1, gzip", "gzip"),
        ("gzip" + ", br" * 100, "gzip"),
    ],
)
def test_the_encoding_that_a_client_prefers(header: str, encoding: str) -> None:
    assert preferred_encoding(header)[0] == encoding


@pytest.mark.parametrize(
    ("header", "is_excluded"),
    [
        ("gzip", False),
        ("gzip, identity;q=0", True),
        ("gzip, *;q=0", True),
        ("gzip, *;q=0, identity", False),
        ("gzip, *;q=0.1", False),
    ],
)
def test_a_client_can_exclude_uncompressed_answers(header: str, is_excluded: bool) -> None:
    assert preferred_encoding(header) == ("gzip", is_excluded)
    small = compressed(HttpResponse(b"{}", content_type="application/json"), {"HTTP_ACCEPT_ENCODING": header})
    assert ("Content-Encoding" in small.headers) is is_excluded


def answered(
    body: bytes = TEXT, *, accept: str = "gzip", status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    response = HttpResponse(body, status=status, headers={"Content-Type": "application/json"} | (headers or {}))
    return compressed(response, {"HTTP_ACCEPT_ENCODING": accept})


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_compressed_answer_has_its_own_length_and_tag(encoding: str) -> None:
    response = answered(accept=encoding, headers={"ETag": '"a1"', "Vary": "Accept"})

    assert DECODED[encoding](response.content) == TEXT
    assert response.headers["Content-Encoding"] == encoding
    assert response.headers["Content-Length"] == str(len(response.content))
    assert response.headers["ETag"] == f'"a1-{encoding}"'
    assert response.headers["Vary"] == "Accept, Accept-Encoding"
    assert response.content == answered(accept=encoding).content, "the same bytes each time, as a strong tag demands"


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "no-store, no-transform"},
        {"Cache-Control": "private, no-transform"},
        {"Content-Type": "image/webp"},
        {"Content-Type": "text/html"},
    ],
)
def test_secrets_pictures_and_pages_stay_as_they_are(headers: dict[str, str]) -> None:
    response = answered(accept="gzip, identity;q=0", headers=headers)

    assert response.content == TEXT
    assert "Content-Encoding" not in response.headers


def test_what_is_encoded_or_partial_stays_as_it_is() -> None:
    assert answered(headers={"Content-Encoding": "br"}).headers["Content-Encoding"] == "br"
    assert "Content-Encoding" not in answered(status=206).headers


def test_an_answer_is_compressed_from_one_kilobyte_on() -> None:
    assert "Content-Encoding" not in answered(b" " * (SMALLEST - 1)).headers
    assert "Content-Encoding" in answered(b" " * SMALLEST).headers
    assert answered(b"").content == b""


def test_answers_that_depend_on_the_header_say_so_in_either_form() -> None:
    for accept in ("", "gzip", "br"):
        assert answered(accept=accept).headers["Vary"] == "Accept-Encoding"
    assert answered(headers={"Vary": "Origin, accept-encoding"}).headers["Vary"] == "Origin, accept-encoding"
    assert answered(headers={"Vary": "*"}).headers["Vary"] == "*"


def test_a_body_that_never_changes_is_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_kept_bodies", {})
    calls: list[bytes] = []

    def compress(body: bytes) -> bytes:
        calls.append(body)
        return b"short"

    monkeypatch.setitem(compression._SMALL, "gzip", compress)
    for _ in range(3):
        response = with_fixed_body(HttpResponse(TEXT, content_type="application/json"), "name")
        assert compressed(response, {"HTTP_ACCEPT_ENCODING": "gzip"}).content == b"short"
    assert calls == [TEXT]


# --- entity tags ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ['"a"', '"a-gzip"', '"a-zstd"', 'W/"a"', 'W/"a-zstd"'])
def test_every_form_of_a_tag_names_the_same_version(tag: str) -> None:
    assert is_known(tag, '"a"')
    assert is_known(f'"b", {tag}', '"a"')
    assert not is_known(tag, '"b"')


def test_tags_of_encodings() -> None:
    assert etag_for_encoding('"a"', "zstd") == '"a-zstd"'
    assert etag_for_encoding('W/"a"', "zstd") == 'W/"a"'
    for tag in ('"a"', '"a-gzip"', '"a-zstd"'):
        assert without_encoding(tag) == '"a"'
    assert without_encoding('"-br"') == '"-br"'


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ('"a-zstd"', '"a-zstd"'),
        ('"b", "a-gzip"', '"a-gzip"'),
        ('"a-gzip", "a"', '"a"'),
        ("*", '"a"'),
        ('W/"a"', '"a"'),
        ('W/"a-gzip"', '"a-gzip"'),
    ],
)
def test_a_304_has_the_tag_of_the_form_that_the_client_has(sent: str, answer: str) -> None:
    assert etag_of_unchanged('"a"', sent) == answer
    response = compressed(HttpResponse(status=304, headers={"ETag": '"a"'}), {"HTTP_IF_NONE_MATCH": sent})
    assert response.headers["ETag"] == answer
    assert response.headers["Vary"] == "Accept-Encoding"


# --- through the whole service --------------------------------------------------------------------


def test_a_list_of_a_hundred_is_at_most_an_eighth_of_its_size(api: Api, creator: User) -> None:
    for number in range(100):
        make_stream(creator, "scheduled", title=f"Evening talk {number}", motivation=f"Songs and questions {number}")
    client = api(creator)
    plain = client.get(f"{STREAMS}?limit=100")
    assert len(plain.json()["data"]["list"]) == 100
    for encoding in ("gzip", "zstd"):
        response = client.get(f"{STREAMS}?limit=100", HTTP_ACCEPT_ENCODING=encoding)
        assert response.headers["Content-Length"] == str(len(response.content))
        assert DECODED[encoding](response.content)[:-60] == plain.content[:-60]
        assert len(response.content) <= 0.12 * len(plain.content)
        head = client.head(f"{STREAMS}?limit=100", HTTP_ACCEPT_ENCODING=encoding)
        assert head.headers["Content-Encoding"] == encoding
        assert head.content == b""


@pytest.mark.parametrize("path", ["/api/schema/?format=json", "/api/schema/", SCRIPT, SHEET])
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_the_document_and_the_scripts_are_compressed_and_revalidated(path: str, encoding: str) -> None:
    client = Client()
    plain, response = client.get(path), client.get(path, HTTP_ACCEPT_ENCODING=encoding)
    expected: bytes = plain.getvalue()

    assert DECODED[encoding](response.content) == expected
    assert response.headers["Content-Length"] == str(len(response.content))
    assert plain.headers["Content-Length"] == str(len(expected))
    assert len(response.content) < 0.45 * len(expected)
    assert response.headers["ETag"] == etag_for_encoding(plain.headers["ETag"], encoding)
    assert "Accept-Encoding" in response.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    head = client.head(path, HTTP_ACCEPT_ENCODING=encoding)
    for name in ("Content-Length", "Content-Encoding", "ETag", "Content-Type"):
        assert head.headers[name] == response.headers[name], name
    for known in (plain, response):
        again = client.get(path, HTTP_ACCEPT_ENCODING=encoding, HTTP_IF_NONE_MATCH=f'"other", {known.headers["ETag"]}')
        assert (again.status_code, again.headers["ETag"]) == (304, known.headers["ETag"])
    assert client.get(path, HTTP_IF_NONE_MATCH='"other"').status_code == 200


def test_a_range_of_a_script_is_one_of_its_uncompressed_form() -> None:
    client = Client()
    whole = client.get(SCRIPT).content
    etag = client.get(SCRIPT).headers["ETag"]
    part = client.get(SCRIPT, HTTP_ACCEPT_ENCODING="gzip", HTTP_RANGE="bytes=10-19", HTTP_IF_RANGE=etag)
    assert (part.status_code, part.getvalue()) == (206, whole[10:20])
    assert "Content-Encoding" not in part.headers
    # The client has the begin of the compressed form: it gets all of it.
    other: Any = client.get(
        SCRIPT, HTTP_ACCEPT_ENCODING="gzip", HTTP_RANGE="bytes=10-19", HTTP_IF_RANGE=etag_for_encoding(etag, "gzip")
    )
    assert (other.status_code, gzip.decompress(other.content)) == (200, whole)


def test_pictures_of_the_installed_packages_are_not_compressed(db: None) -> None:
    response = Client().get(
        "/static/drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png", HTTP_ACCEPT_ENCODING="gzip, identity;q=0"
    )
    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers
    response.close()
