"""The units for systemd: systemd accepts them, and they leave the service no more than it needs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from common.server.process import HANDSHAKE_SECONDS, REQUEST_SECONDS
from common.server.supervisor import SECONDS_TO_FINISH, SECONDS_UNTIL_SERVING
from tests.patience import PATIENCE

UNITS = sorted((Path(settings.BASE_DIR) / "deploy" / "systemd").glob("*.service"))
DRAIN_SECONDS = 15  # in production
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE = 2.0  # of 10; systemd calls less than 4 "OK"

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze, which checks units, is missing. Linux has it, in the package systemd."
)


def options(unit: Path) -> dict[str, str]:
    """The last value of each option."""
    return dict(re.findall(r"(?m)^(\w+)=(.*)$", unit.read_text()))


def installed(unit: Path, folder: Path) -> Path:
    """The unit with the paths of this checkout, because systemd looks for them."""
    python, base = str(sys.executable), str(settings.BASE_DIR)
    text = unit.read_text().replace("/srv/kumanda/.venv/bin/python", python).replace("/srv/kumanda", base)
    copy = folder / unit.name
    copy.write_text(text)
    return copy


@needs_systemd
@each_unit
def test_systemd_accepts_the_unit_without_a_warning(unit: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(installed(unit, tmp_path))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
@each_unit
def test_the_service_may_do_little_on_its_machine(unit: Path, tmp_path: Path) -> None:
    line = [str(ANALYZE), "security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}"]
    copy = str(installed(unit, tmp_path))
    done = subprocess.run([*line, copy], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-500:]


@each_unit
def test_the_unit_starts_a_command_that_exists_and_is_not_root(unit: Path) -> None:
    found = options(unit)
    command = found["ExecStart"].split()
    assert command[:2] == ["/srv/kumanda/.venv/bin/python", "/srv/kumanda/manage.py"]
    line = [sys.executable, "manage.py", *command[2:], "--help"]
    done = subprocess.run(line, cwd=settings.BASE_DIR, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert found["User"] == "kumanda"
    assert found["Restart"] == "always"


def test_systemd_waits_longer_than_the_server_takes_to_start_and_to_stop() -> None:
    found = options(next(unit for unit in UNITS if unit.stem == "kumanda-serve"))
    stop = DRAIN_SECONDS + HANDSHAKE_SECONDS + REQUEST_SECONDS + SECONDS_TO_FINISH
    assert stop < int(found["TimeoutStopSec"])
    assert int(found["TimeoutStartSec"]) > SECONDS_UNTIL_SERVING
    assert (found["Type"], found["KillMode"]) == ("notify", "mixed")
