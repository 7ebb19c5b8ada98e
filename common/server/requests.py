"""Converts an RSGI request to a WSGI environ, and checks the sizes of its parts."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from common.api import HeadersTooLarge, UriTooLong

LONGEST_TARGET = 8_192  # characters of path and query
LARGEST_HEADERS = 32_768  # characters of all names and values; what nginx takes by default

HEADERS_SIZE = "server.headers_size"  # in the environ, in characters

# Header names that WSGI writes without the prefix HTTP_.
UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}

# What is the same in each environ.
_SERVER = {"wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False}


class Headers(Protocol):
    def items(self) -> Iterable[tuple[str, str]]: ...


class Scope(Protocol):
    """The part of Granian's `Scope` that is used. `path` is decoded, `query_string` is not."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str

    @property
    def headers(self) -> Headers: ...


def environ_of(scope: Scope) -> dict[str, Any]:
    """The WSGI environ (PEP 3333) of a request, without its body."""
    host, _colon, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _as_latin_1(scope.path),
        "QUERY_STRING": _as_latin_1(scope.query_string),
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        **_SERVER,
        "wsgi.url_scheme": scope.scheme,
    }
    size = 0
    for name, value in scope.headers.items():
        size += len(name) + len(value)
        # A_b and A-b would be one name in the environ, and a proxy that removes its own headers from a client's request
        # only removes those with hyphens.
        if "_" in name:
            continue
        key = UNPREFIXED.get(name) or "HTTP_" + name.upper().replace("-", "_")
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value  # noqa: PLW2901
        environ[key] = value
    environ[HEADERS_SIZE] = size
    return environ


def own_environ(path: str) -> dict[str, Any]:
    """The WSGI environ of a GET of this process itself, at a path without a query.

    Its address is one that no caller has (RFC 5737), because callers are counted by address.
    """
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        **_SERVER,
        "wsgi.url_scheme": "http",
    }


def refuse_oversized(environ: Mapping[str, Any]) -> None:
    """Raises UriTooLong and HeadersTooLarge."""
    if len(environ["PATH_INFO"]) + len(environ["QUERY_STRING"]) > LONGEST_TARGET:
        raise UriTooLong(LONGEST_TARGET)
    if environ[HEADERS_SIZE] > LARGEST_HEADERS:
        raise HeadersTooLarge(LARGEST_HEADERS)


def body_length(environ: Mapping[str, Any]) -> int | None:
    """The announced size of the body in bytes; None for a chunked body, whose size is unknown."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    return int(environ.get("CONTENT_LENGTH") or 0)


def _as_latin_1(text: str) -> str:
    """WSGI passes bytes as text in latin-1."""
    return text if text.isascii() else text.encode().decode("latin-1")
