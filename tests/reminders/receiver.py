"""A push gateway for tests: a real HTTP server on this machine. It records every call and answers as configured."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Event, Thread
from typing import Any

import orjson

type Answer = Callable[["Gateway", BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Call:
    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["webhook-id"]

    @property
    def recipients(self) -> list[str]:
        return [person["userId"] for person in self.json["data"]["recipients"]]


@dataclass
class Gateway:
    answer: Answer
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    # Set at the end of the test, so that handlers that hang return.
    over: Event = field(default_factory=Event)

    @property
    def only_call(self) -> Call:
        (call,) = self.calls
        return call


def answering(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    def answer(_: Gateway, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hanging(gateway: Gateway, handler: BaseHTTPRequestHandler) -> None:
    gateway.over.wait()


def closing(gateway: Gateway, handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def dripping(after: bytes) -> Answer:
    """Sends `after` and then one byte at a time, so that no socket timeout expires."""

    def answer(gateway: Gateway, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(after)
            while not gateway.over.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:  # cut off
            return

    return answer


@contextmanager
def receiving(answer: Answer, *, tls: SSLContext | None = None) -> Iterator[Gateway]:
    gateway = Gateway(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            gateway.calls.append(Call(self.path, self.headers, body))
            gateway.answer(gateway, self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up in the handshake
        gateway.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/notices"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield gateway
        finally:
            gateway.over.set()
            server.shutdown()
            thread.join()
