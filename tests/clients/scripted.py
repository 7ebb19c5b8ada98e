"""A service for tests of the clients, which answers as the test says and may lose answers. It records each request."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

import yaml

from clients import build

type Headers = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Headers
    body: Any
    at: float  # seconds

    @property
    def key(self) -> str | None:
        return self.headers.get("idempotency-key")

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization")


@dataclass(frozen=True)
class Reply:
    """`lost_after` is the number of bytes of the body after which the connection is closed; None if all are sent."""

    status: int = 200
    data: Any = None
    headers: Headers = field(default_factory=dict)
    lost_after: int | None = None
    delay: float = 0.0  # seconds
    bare: Any = None  # instead of an envelope

    def body(self) -> bytes:
        if self.bare is not None:
            return json.dumps(self.bare).encode()
        errors = [] if self.status < 400 else ["Refused", "a reason"]
        envelope = {
            "isSuccess": self.status < 400,
            "statusCode": self.status,
            "data": self.data,
            "errors": errors,
            "timestamp": "2026-01-15T10:30:00.000Z",
        }
        return json.dumps(envelope).encode()


def refused(status: int, code: str, **headers: str) -> Reply:
    """A refusal with further headers, with _ instead of -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, headers={"X-Error-Code": code, "X-Request-ID": "request-1"} | named)


LOST = Reply(lost_after=0)
LOST_IN_THE_MIDDLE = Reply(lost_after=20)


@dataclass
class Scripted:
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    # Decides what the list of replies does not.
    otherwise: Callable[[Request], Reply] = lambda _: Reply()
    lock: Lock = field(default_factory=Lock)

    def reply_to(self, request: Request) -> Reply:
        with self.lock:
            self.requests.append(request)
            return self.replies.pop(0) if self.replies else self.otherwise(request)


@contextmanager
def scripted() -> Iterator[Scripted]:
    service = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            is_json = headers.get("content-type") == "application/json"
            body = json.loads(sent) if is_json and sent else sent
            reply = service.reply_to(Request(self.command, self.path, headers, body, monotonic()))
            sleep(reply.delay)
            self.write(reply)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - names of the library

        def write(self, reply: Reply) -> None:
            body = reply.body()
            if reply.lost_after == 0:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: reply.lost_after])
            self.close_connection = self.close_connection or reply.lost_after is not None

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients that hang up are part of the tests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


@cache
def document() -> Any:
    return yaml.load(build.DOCUMENT.read_text("utf-8"), yaml.CSafeLoader)


def documented(method: str, path: str, status: int) -> Any:
    """The `data` of the example that the document has for this answer."""
    content = document()["paths"][path][method]["responses"][str(status)]["content"]["application/json"]
    examples = [each["value"] for each in content.get("examples", {}).values()] or [content["example"]]
    return examples[0]["data"]


def person() -> Any:
    return documented("get", "/api/v1/users/me", 200)


def stream() -> Any:
    return documented("post", "/api/v1/live-stream/create", 201)
