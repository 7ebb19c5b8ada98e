"""`manage.py demo`: one command from an empty folder to a running service."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.patience import PATIENCE
from tests.servers import free_port, without_database_url


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", *arguments],
        cwd=settings.BASE_DIR,
        env=without_database_url(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def announced(demo: "subprocess.Popen[str]") -> dict[str, Any]:
    """The line that the demo prints when it is ready."""
    assert demo.stdout is not None
    said: dict[str, Any] = json.loads(demo.stdout.readline())
    return said


def asked(url: str, token: str | None = None, body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["data"]


def test_the_demo_prints_its_address_and_accounts_stops_at_ctrl_c_and_keeps_its_data(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data with a space"
    with start("--json", "--port", str(free_port()), "--data", str(data)) as demo:
        said = announced(demo)
        look_around(said)
        assert past_streams(said) == 5
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=PATIENCE)

    assert (demo.returncode, output, errors) == (0, "", "50 people and their streams were made.\n")
    assert not (data / "postgres" / "postmaster.pid").exists()

    with start("--json", "--port", str(free_port()), "--data", str(data)) as demo:
        assert past_streams(announced(demo)) == 5
        demo.terminate()
    assert demo.returncode == 0


def look_around(said: dict[str, Any]) -> None:

    assert [account["role"] for account in said["accounts"]] == ["admin", "moderator", "creator", "guest", "viewer"]
    for account in said["accounts"]:
        credentials = {"username": account["username"], "password": account["password"]}
        user = asked(f"{said['url']}/api/v1/auth/login", body=credentials)["user"]
        photo = user["profilePhoto"]["variants"]["76"]
        with urllib.request.urlopen(photo, timeout=PATIENCE) as picture:
            assert picture.read(4) == b"RIFF"
    default = f"{said['url']}/static/livestreams/default-thumbnail.webp"
    with urllib.request.urlopen(default, timeout=PATIENCE) as picture:
        assert picture.status == 200
    upcoming = asked(f"{said['url']}/api/v1/live-stream/upcoming?limit=100")["list"]
    assert {stream["status"] for stream in upcoming} == {"active", "preparing", "scheduled"}


def past_streams(said: dict[str, Any]) -> Any:
    """The number of past streams of the creator. Data that was created twice would have twice as many."""
    past = f"{said['url']}/api/v1/live-stream/user/{creator_of(said)}/past-streams"
    return asked(past)["pagination"]["totalItems"]


def creator_of(said: dict[str, Any]) -> str:
    account = next(account for account in said["accounts"] if account["role"] == "creator")
    credentials = {"username": account["username"], "password": account["password"]}
    return str(asked(f"{said['url']}/api/v1/auth/login", body=credentials)["user"]["_id"])


def test_a_taken_port_is_a_clear_error_and_starts_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with start("--port", str(port), "--data", str(tmp_path / "data")) as demo:
            _, errors = demo.communicate(timeout=PATIENCE)

    assert demo.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another with --port" in errors
    assert not (tmp_path / "data").exists()
