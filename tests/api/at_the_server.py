"""Requests that the server refuses before Django handles them. They run in this process, without a socket."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse

from common.server import bodies, threads
from common.server.application import Application
from tests import loops
from tests.api.operations import Operation, World


@dataclass
class Scope:
    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    proto: str = "http"
    http_version: str = "1.1"
    server: str = "127.0.0.1:8000"
    client: str = "127.0.0.1:50000"
    scheme: str = "http"


@dataclass
class Connection:
    """A client whose body never arrives, and the response to it."""

    answers: list[tuple[int, list[tuple[str, str]], bytes]] = field(default_factory=list)

    async def __call__(self) -> bytes:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits as long as that")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield await self()

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.answers.append((status, headers, b""))

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answers.append((status, headers, body))

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None:
        raise AssertionError("no operation answers with a file of the disk")

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Any:
        raise AssertionError("no operation answers in parts")


type Request = tuple[Scope, Connection]


def _request(world: World, operation: Operation, *, query: str = "", **headers: str) -> Request:
    path = world.path(operation).partition("?")[0]
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | {
        "accept": world.accept,
        "x-language": world.language,
    }
    return Scope(operation.method, path, query, sent), Connection()


def _answered(application: Application, requests: Iterable[Request]) -> Any:
    """The response to the last of `requests`, which arrive at the same time."""

    async def ask() -> None:
        await asyncio.gather(*(application.__rsgi__(*request) for request in requests))

    loops.run(ask())
    ((status, headers, content),) = list(requests)[-1][1].answers
    response = HttpResponse(content, status=status, headers=dict(headers))
    response.json = lambda: json.loads(content)  # type: ignore[attr-defined]  # as in the test client
    return response


def _never_called(environ: Any, start_response: Any) -> Any:
    raise AssertionError("the server refuses it before Django sees it")


def long_address(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    application = Application(_never_called, threads=1, at_once=1)
    return _answered(application, [_request(world, operation, query="a" * 10_000)])


def large_headers(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    application = Application(_never_called, threads=1, at_once=1)
    return _answered(application, [_request(world, operation, x_large="a" * 40_000)])


def slow_body(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(bodies, "BODY_SECONDS", 0.01)
    application = Application(_never_called, threads=1, at_once=1)
    return _answered(application, [_request(world, operation, content_length="100")])


def no_free_thread(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    """Of two calls, the first occupies the only thread until the second is answered."""
    patch.setattr(threads, "WAIT_SECONDS", 0.01)
    first, second = _request(world, operation), _request(world, operation)

    def held(environ: Any, start_response: Any) -> HttpResponse:
        while not second[1].answers:
            threading.Event().wait(0.001)
        start_response("200 OK", [])
        return HttpResponse()

    return _answered(Application(held, threads=1, at_once=1), [first, second])
