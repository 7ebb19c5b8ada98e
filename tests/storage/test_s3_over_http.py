"""The service as an operator runs it, with a bucket: `serve`, a worker and `media check` as processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from livestreams.models import LiveStream
from tests.api.operations import PICTURE_FORM
from tests.conftest import token_of
from tests.hostile_forms import CONTENT_TYPE, form_with
from tests.hostile_pictures import small_png
from tests.patience import PATIENCE, wait_until
from tests.s3 import SECRET, ObjectServer, TestBucket
from tests.servers import Server, database_url, running_server

API = "/api/v1/live-stream"


@pytest.fixture
def own_bucket(object_server: ObjectServer) -> Iterator[TestBucket]:
    yield object_server.new_bucket(prefix="media")
    object_server.gate.mode = ""


def send(server: Server, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
    connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": CONTENT_TYPE}
    try:
        connected.request(method, API + path, body, headers)
        answer = connected.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connected.close()


def manage(bucket: TestBucket, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {"DATABASE_URL": database_url(), "KUMANDA_DATA": str(folder), "LOG_LEVEL": "DEBUG"}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env=os.environ | environment | bucket.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.django_db(transaction=True)
def test_a_picture_from_its_upload_to_its_end(own_bucket: TestBucket, creator: User, tmp_path: Path) -> None:
    token = token_of(creator)
    with running_server(workers=1, KUMANDA_DATA=str(tmp_path), **own_bucket.environment) as server:
        status, made = send(server, "POST", "/create", token, form_with(small_png()))
        assert (status, made["isSuccess"]) == (201, True), made
        url = made["data"]["thumbnailUrl"]
        name = url.removeprefix(own_bucket.url)
        assert own_bucket.fetched(name)[0] == 200
        # An earlier folder of pictures is not served.
        (tmp_path / "media" / "thumbnails").mkdir(parents=True)
        (tmp_path / "media" / name).write_bytes(b"of an earlier time")
        assert server.call("GET", f"/media/{name}").status == 404

        stream_id = made["data"]["id"]
        status, replaced = send(server, "PUT", f"/{stream_id}/thumbnail", token, PICTURE_FORM)
        assert status == 200
        second = replaced["data"]["thumbnailUrl"].removeprefix(own_bucket.url)
        assert server.call("DELETE", f"{API}/{stream_id}", token=token).status == 200

        own_bucket.server.gate.mode = "cut"
        own_bucket.server.gate.most = 20  # inside the first line: of a part of the headers moto makes an empty object
        status, refused = send(server, "POST", "/create", token, form_with(small_png()))
        assert (status, refused["errors"][0]) == (503, "Service unavailable")
        own_bucket.server.gate.mode = ""

    while ProcrastinateJob.objects.filter(status="todo", task_name__contains="thumbnail").exists():
        # The second job waits for the first one, and a worker that is idle meanwhile ends.
        worked = manage(own_bucket, tmp_path, "worker", "--until-idle")
        assert worked.returncode == 0, worked.stderr
        assert SECRET not in worked.stdout + worked.stderr
    hidden = LiveStream.all_objects.get(pk=stream_id).thumbnail
    assert (own_bucket.fetched(name)[0], own_bucket.fetched(second)[0]) == (404, 404)
    assert set(own_bucket.objects()) == {f"media/{hidden}"}
    checked = manage(own_bucket, tmp_path, "media", "check", "--json")
    assert checked.returncode == 0, checked.stderr
    facts = json.loads(checked.stdout)
    assert (facts["files"], facts["rows"], facts["holes"]["count"]) == (1, 1, 0)
    assert own_bucket.name in facts["storage"]


@pytest.mark.django_db(transaction=True)
def test_a_server_process_that_is_killed_while_it_stores_leaves_no_row(
    own_bucket: TestBucket, creator: User, tmp_path: Path
) -> None:
    token = token_of(creator)
    gate = own_bucket.server.gate
    with running_server(workers=1, KUMANDA_DATA=str(tmp_path), **own_bucket.environment) as server:
        gate.mode = "hang"
        before = gate.requests
        failed: list[BaseException] = []

        def upload() -> None:
            try:
                send(server, "POST", "/create", token, form_with(small_png()))
            except (OSError, ValueError) as error:
                failed.append(error)

        uploading = threading.Thread(target=upload)
        uploading.start()
        wait_until(lambda: gate.requests > before)
        os.kill(worker_of(server), signal.SIGKILL)
        uploading.join(PATIENCE)
        assert failed, "the connection was cut"
        gate.mode = ""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:  # a new process takes the place of the killed one
            try:
                status, _ = send(server, "POST", "/create", token, form_with(small_png()))
            except OSError:
                time.sleep(0.2)
                continue
            break

    assert status == 201
    assert LiveStream.all_objects.count() == 1
    assert len(own_bucket.objects()) == 1


def worker_of(server: Server) -> int:
    """The process that answers the calls: it has the environment of `serve` and is no parent of another one."""
    listening = {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.laddr and each.laddr.port == server.port and each.status == psutil.CONN_LISTEN and each.pid
    }
    processes = [psutil.Process(pid) for pid in listening]
    (worker,) = (each for each in processes if not each.children())
    return int(worker.pid)
