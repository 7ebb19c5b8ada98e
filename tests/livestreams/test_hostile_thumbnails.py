"""Hostile pictures against real server processes: other requests stay fast, and the memory is released."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection

import psutil
import pytest

from accounts.models import User
from tests import hostile_pictures
from tests.conftest import token_of
from tests.hostile_forms import CONTENT_TYPE, form_with
from tests.patience import PATIENCE
from tests.servers import Answer, Server, running_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

ORDINARY = hostile_pictures.small_png()
AT_ONCE = 10
TRIES = 3  # other programs may use the CPU for a moment


def authorization_of(user: User) -> str:
    return f"Bearer {token_of(user)}"


def upload(server: Server, authorization: str, picture: bytes) -> Answer:
    connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        headers = {"Content-Type": CONTENT_TYPE, "Authorization": authorization}
        connected.request("POST", "/api/v1/live-stream/create", form_with(picture), headers)
        response = connected.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connected.close()


def upload_at_once(server: Server, authorization: str, files: list[bytes]) -> list[Answer]:
    with ThreadPoolExecutor(len(files)) as pool:
        return list(pool.map(lambda file: upload(server, authorization, file), files))


def service(server: Server) -> list[psutil.Process]:
    """The processes of the service: the command, the server, its workers and its decoders."""
    for command in psutil.Process().children():
        if {"serve", str(server.port)} <= set(_words(command)):
            return [command, *command.children(recursive=True)]
    raise AssertionError("nobody serves")


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def decodes(process: psutil.Process) -> bool:
    return any(word.endswith("program.py") for word in _words(process))


def memory(server: Server) -> int:
    total = 0
    for process in service(server):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


class Watched:
    slowest = 0.0  # seconds of /healthz
    asked = 0
    largest = 0  # bytes of the server and its workers, without decoders


@contextmanager
def watching(server: Server) -> Iterator[Watched]:
    """Requests /healthz continuously, and samples the memory of the server and its workers."""
    watched, done = Watched(), threading.Event()
    own = service(server)

    def ask() -> None:
        while not done.wait(0.01):
            begun = time.monotonic()
            assert server.call("GET", "/healthz").status == 200
            watched.slowest = max(watched.slowest, time.monotonic() - begun)
            watched.asked += 1

    def look() -> None:
        while not done.wait(0.02):
            watched.largest = max(watched.largest, sum(process.memory_info().rss for process in own))

    threads = [threading.Thread(target=ask), threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    try:
        yield watched
    finally:
        done.set()
        for thread in threads:
            thread.join(PATIENCE)


def test_ten_concurrent_hostile_pictures_do_not_slow_the_service_or_grow_its_memory(creator: User) -> None:
    authorization = authorization_of(creator)
    refused = [make() for make in hostile_pictures.HOSTILE.values()]
    let_through = [content for _name, content in hostile_pictures.at_the_limits()]
    rounds = [refused[:AT_ONCE], refused[-AT_ONCE:], (let_through * 3)[:AT_ONCE], [refused[0]] * AT_ONCE]
    with running_server(workers=2) as server:
        # Warm up with small uploads, so that every thread has a connection and every module is loaded.
        for _ in range(6):
            upload_at_once(server, authorization, [ORDINARY] * AT_ONCE)
        before = memory(server)
        attempts = []
        for _ in range(TRIES):
            with watching(server) as watched:
                answers = [upload_at_once(server, authorization, files) for files in rounds]
            attempts.append(watched.slowest)
            assert watched.asked > 20
            assert watched.largest < before * 1.25
            assert {answer.status for answer in [*answers[0], *answers[1], *answers[3]]} <= {400, 503}
            assert {answer.status for answer in answers[2]} <= {201, 503}
            for answer in (answer for files in answers for answer in files if answer.status == 503):
                assert answer.headers["x-error-code"] == "picture_slots_full"
                assert answer.headers["retry-after"] == "5"
            if watched.slowest < 0.2:
                break
        time.sleep(1)
        after = memory(server)
        assert upload(server, authorization, ORDINARY).status == 201

    assert min(attempts) < 0.2
    assert after < before * 1.1


def test_a_killed_server_leaves_no_decoder(creator: User) -> None:
    authorization = authorization_of(creator)
    slow = hostile_pictures.huge_webp(5_000, 5_000)
    with running_server(workers=2) as server, ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(upload, server, authorization, slow)
        decoders = _decoders(server)
        for process in service(server):
            if not decodes(process):
                process.kill()
        _gone, alive = psutil.wait_procs(decoders, timeout=5)

    assert decoders
    assert not alive


def _decoders(server: Server) -> list[psutil.Process]:
    for _ in range(400):
        if found := [process for process in service(server) if decodes(process)]:
            return found
        time.sleep(0.01)
    raise AssertionError("nothing was decoded")
