"""Behind the proxy: an answer that does not need the body must not break the connection of proxy and server.

To a proxy, a connection that is reset while it sends a body is a broken server: it answers with 502, and after a few
it sends no call to that server for seconds.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPException
from pathlib import Path

import pytest

from common.fields import new_object_id
from tests.conftest import make_user, token_of
from tests.load import Asked, load
from tests.nginx import BEHIND, NAME, Proxy, needs_nginx, running_proxy
from tests.servers import running_server

pytestmark = needs_nginx
BUFFERING = {"on": {}, "off": {"proxy_request_buffering on;": "proxy_request_buffering off;"}}
SIZE = 100_000
FORM = "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def upstreams(database_of_tests: str) -> Iterator[list[int]]:
    with ExitStack() as running:
        yield [
            running.enter_context(running_server(workers=1, database=database_of_tests, **BEHIND)).port
            for _ in range(2)
        ]


@pytest.fixture(params=BUFFERING)
def proxy(
    upstreams: list[int], transactional_db: None, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Proxy]:
    with running_proxy(tmp_path, upstreams, BUFFERING[request.param]) as running:
        yield running


@pytest.fixture
def good(transactional_db: None) -> Asked:
    return Asked("GET", "/api/v1/users/me", token_of(make_user("creator")))


def refused(proxy: Proxy, asked: Asked, **headers: str) -> int | str:
    try:
        named = {"Authorization": f"Bearer {asked.token}", "Content_Type": asked.type}
        return proxy.call(asked.method, asked.path, asked.body, **named | headers)[0]
    except (OSError, HTTPException) as error:
        return type(error).__name__


def test_a_thousand_bad_tokens_with_large_bodies_get_a_401_and_nobody_a_502(proxy: Proxy, good: Asked) -> None:
    thumbnail = f"/api/v1/live-stream/{new_object_id()}/thumbnail"
    bad = [
        Asked("POST", "/api/v1/live-stream/create", "made-up", b" " * SIZE, FORM),
        Asked("PUT", thumbnail, "made-up", b" " * SIZE, FORM),
    ]
    with load(proxy.connect, [good], rate=20) as others, ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(lambda number: refused(proxy, bad[number % 2]), range(1000)))

    assert answers == {401: 1000}
    assert set(others.answers) == {200}, "the others were answered, too"


def early() -> dict[int, Asked]:
    """A call with a large body for each status that does not depend on the body."""
    body = b" " * SIZE
    return {
        200: Asked("GET", "/healthz", "", body),
        401: Asked("POST", "/api/v1/live-stream/create", "made-up", body, FORM),
        404: Asked("POST", "/nothing", "", body),
        405: Asked("POST", "/healthz", "", body),
        413: Asked("POST", "/api/v1/auth/login", "", body),
        415: Asked("POST", "/api/v1/auth/login", "", b" " * 60_000, "text/plain"),
    }


@pytest.mark.parametrize("status", early())
def test_every_early_answer_passes_the_proxy_and_harms_nobody(proxy: Proxy, good: Asked, status: int) -> None:
    asked = early()[status]
    with load(proxy.connect, [good], rate=20) as others, ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda _: refused(proxy, asked), range(50)))

    assert answers == {status: 50}
    assert set(others.answers) == {200}


def parted(size: int) -> Iterator[bytes]:
    for _ in range(size // 10_000):
        yield b" " * 10_000


@pytest.mark.parametrize("size", [SIZE, 6_900_000])
def test_chunked_bodies_and_big_uploads_of_strangers_are_refused_cleanly(proxy: Proxy, good: Asked, size: int) -> None:
    """A stranger is refused with 401; more than 6 MB are too large, whoever sends them."""
    path = "/api/v1/live-stream/create"
    bodies: list[Callable[[], bytes | Iterator[bytes]]] = [lambda: b" " * size, lambda: parted(size)]
    with load(proxy.connect, [good], rate=20) as others:
        for number in range(10):
            headers = {"Host": NAME, "Content-Type": FORM, "Authorization": "Bearer made-up"}
            expected = (401, "token_invalid") if size == SIZE else (413, "payload_too_large")
            with closing(proxy.connect()) as connected:
                connected.request("POST", path, bodies[number % 2](), headers)
                answer = connected.getresponse()
                assert (answer.status, answer.getheader("X-Error-Code")) == expected
                assert json.loads(answer.read())["isSuccess"] is False
    assert set(others.answers) == {200}


def test_requests_that_the_http_parser_refuses_harm_nobody_else(proxy: Proxy, good: Asked) -> None:
    """More than a hundred headers: the server closes the connection at once, and the proxy may see it reset."""
    many = {f"X_{number}": "x" for number in range(120)}
    asked = Asked("POST", "/api/v1/live-stream/create", "made-up", b" " * 900_000, FORM)
    with load(proxy.connect, [good], rate=20) as others, ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda _: refused(proxy, asked, **many), range(200)))

    assert set(answers) <= {431, 502}
    assert set(others.answers) == {200}
