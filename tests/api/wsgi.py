"""Requests as a WSGI server passes them to Django, in this process and in the transaction of the test."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import close_old_connections


def send(
    application: Callable[..., Any], method: str, path: str, query: str = "", body: bytes = b"", **environ: str
) -> tuple[int, dict[str, str], bytes]:
    """Send one request with further variables of the `environ`. Returns status, headers and body."""
    variables: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    } | environ
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: Any, exc_info: Any = None, /) -> Callable[[bytes], object]:
        started.append((status, headers))
        return bytes

    response = application(variables, start_response)
    content = b"".join(response)
    response.close()
    ((line, headers),) = started
    return int(line.partition(" ")[0]), dict(headers), content


@contextmanager
def connections_kept_open() -> Iterator[None]:
    """The end of a request does not close the database connection, which is in the transaction of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
