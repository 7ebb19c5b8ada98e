"""The service does not retain what clients send: thousands of long headers and queries do not raise its memory."""

import gc
import os
import tracemalloc
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import User
from common.languages import preferred_language, understood
from tests.api.operations import Operation, operations, world_for
from tests.conftest import Api, make_user, token_of
from tests.patience import PATIENCE
from tests.servers import Server, running_server
from tests.streams import STREAMS, make_stream

LONG = 15_000  # characters; servers refuse headers of more than some 16 or 64 KB
MOST_BYTES = 10_000_000
SENT = 80
MOST_KEPT = 200_000  # bytes, of the 1.2 MB that were sent

# Functions from a number and a length to a header value that is different for each number and valid where possible.
HEADERS: dict[str, Callable[[int, int], str]] = {
    "X-Language": lambda number, length: f"tr-{number}-".ljust(length, "x"),
    "Accept-Language": lambda number, length: f"tr;q=0.{number},".ljust(length, "x"),
    # Short enough for Django to parse them, with as many languages as that allows.
    "Accept-Language, of many": lambda number, _: ",".join(f"a-{n}b{abs(number)}" for n in range(50)),
    "Accept": lambda number, length: f"application/json;v={number}".ljust(length, "x"),
    "Content-Type": lambda number, length: f"application/json;v={number};x=".ljust(length, "x"),
    "Authorization": lambda number, length: f"Bearer {number}.".ljust(length, "x"),
    "Authorization, of another scheme": lambda number, length: f"Basic {number}".ljust(length, "x"),
    "X-Request-ID": lambda number, length: f"{number}-".ljust(length, "x"),
    "Host": lambda number, length: f"{number}.".ljust(length, "x"),
    "Cookie": lambda number, length: f"sessionid={number}".ljust(length, "x"),
    "If-None-Match": lambda number, length: f'"{number}'.ljust(length, "x") + '"',
    "Origin": lambda number, length: f"https://{number}.".ljust(length, "x"),
}
# A public operation, one that requires a token, a page for browsers, and an unknown address.
ADDRESSES = (f"{STREAMS}/upcoming", "/api/v1/users/me", "/unsubscribe/nonsense", "/api/v1/nothing")


def list_operations() -> list[Operation]:
    return [operation for operation in operations() if operation.query]


def queries(operation: Operation) -> list[Callable[[int, int], str]]:
    """Functions to long query strings, valid or not, that are different for each number."""
    names = [parameter["name"] for parameter in operation.query]
    limit = "limit=5&" if "limit" in names else ""
    found: list[Callable[[int, int], str]] = [
        lambda number, length: f"{limit}{number}".ljust(length, "x"),
    ]
    if "search" in names:
        # Surrounding spaces are stripped.
        found.append(lambda number, length: f"search=a{number}".ljust(length, "+"))
    return found


def kept(call: Callable[[int], Any], numbers: range) -> int:
    """The number of bytes that the calls leave allocated."""
    # Warm up: the first Turkish response loads the catalogue.
    for number in numbers[:20]:
        call(number + 100)
    tracemalloc.start()
    try:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for number in numbers:
            call(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("address", ADDRESSES[1:3])
@pytest.mark.parametrize("name", [name for name in HEADERS if name != "Content-Type"])
def test_long_headers_are_not_kept(name: str, address: str, db: None) -> None:
    client = Client(raise_request_exception=False)
    made, key = HEADERS[name], f"HTTP_{name.partition(',')[0].upper().replace('-', '_')}"

    def call(number: int) -> Any:
        headers: dict[str, Any] = {key: made(number, LONG)}
        return client.get(address, **headers)

    assert kept(call, range(SENT)) < MOST_KEPT


@pytest.mark.parametrize("operation", list_operations(), ids=str)
def test_long_queries_are_not_kept(operation: Operation, api: Api, creator: User, stranger: User) -> None:
    world = world_for(operation, api, creator, stranger)
    client = api(world.caller)
    path, _, required = world.path(operation).partition("?")

    for query in queries(operation):

        def call(number: int, query: Callable[[int, int], str] = query) -> Any:
            # Not in the path: the test client parses it with a function that caches the last 128 results.
            return client.get(path, QUERY_STRING=f"{required}&{query(number, LONG)}")

        assert kept(call, range(SENT)) < MOST_KEPT


# --- a server -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_five_thousand_long_headers_and_queries_do_not_raise_the_memory_of_a_server() -> None:
    creator = make_user("creator")
    make_stream(creator)
    token = token_of(creator)
    with running_server(workers=1) as server:
        for _ in long_requests(server, token, count=600, length=100):
            pass
        before = resident(server)

        statuses = set(long_requests(server, token, count=5_000, length=LONG))

        grown = resident(server) - before
    print(f"{before / 1e6:.0f} MB, grown by {grown / 1e6:.1f} MB; answers {sorted(statuses)}")  # noqa: T201
    assert grown < MOST_BYTES
    assert statuses & {200, 401, 404}


def long_requests(server: Server, token: str, *, count: int, length: int) -> Iterator[int]:
    """The statuses of calls with one long header or query each."""
    lists = [operation.path for operation in list_operations() if "{" not in operation.path]
    kinds: list[tuple[str, str]] = [("query", path) for path in lists]
    kinds += [(name, address) for name in HEADERS for address in ADDRESSES[:3]]
    connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for number, (kind, path) in enumerate(islice(cycle(kinds), count)):
        headers = {"Authorization": f"Bearer {token}"} if kind == "query" else {}
        if kind == "query":
            path += f"?limit=5&{quote(str(number))}".ljust(length, "x")  # noqa: PLW2901
        else:
            headers[kind.partition(",")[0]] = HEADERS[kind](number, length)
        connected.request("GET", path, headers=headers)
        response = connected.getresponse()
        response.read()
        yield response.status
    connected.close()


def resident(server: Server) -> int:
    """The resident memory of the processes of the server, in bytes."""
    total = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and f"--port\0{server.port}\0".encode() in _read(process / "cmdline"):
            total += int(_read(process / "statm").split()[1])
    assert total, "the server's processes were not found"
    return total * os.sysconf("SC_PAGE_SIZE")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


# --- languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("tr", "tr"),
        ("en-US,en;q=0.9,tr;q=0.8", "en"),
        ("de-DE,de;q=0.9,fr;q=0.8,it;q=0.7,es;q=0.6,pt;q=0.5,nl;q=0.4,pl;q=0.3,tr;q=0.2", "tr"),
        ("en;q=0.1,tr;q=0.9", "tr"),
        ("*, tr", "tr"),
        ("tr-Latn-TR;q=0.875", "tr"),
        (f"{'x' * 30},tr", "tr"),
        ("de," * 100 + "tr", "tr"),
        ("de," * 10_000 + "tr", "en"),  # too far behind
        ("x" * 10_000, "en"),
        ("tr" + "-x" * 10_000, "en"),
        (",,,;;;===", "en"),
    ],
)
def test_languages_are_parsed_from_long_headers(accepted: str, language: str) -> None:
    assert preferred_language({"HTTP_ACCEPT_LANGUAGE": accepted}) == language
    assert len(understood(accepted)) < 200
