"""The check of all logs of the run finds a secret, wherever a test reads it or does not."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from tests.conftest import PASSWORD

CONFTEST = """
import pytest
from tests import leaks

leaks.plant("password", "{secret}")

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    leaks.check(report)
    return report

@pytest.fixture(autouse=True)
def _watched():
    with leaks.watching():
        yield
"""
TESTS = """
import subprocess, sys
from pathlib import Path
from tests.server.logs import LogFile

PROGRAM = [sys.executable, "-c", "import sys; sys.stderr.write('{secret}')"]

def test_unread():
    sys.stderr.write("x{secret}y")

def test_of_a_process():
    subprocess.run(PROGRAM, check=True)

def test_read_of_a_process():
    subprocess.run(PROGRAM, check=True, capture_output=True)

def test_read(capfd):
    subprocess.run(PROGRAM, check=True)
    capfd.readouterr()

def test_of_a_file(tmp_path):
    (tmp_path / "log").write_text("{secret}")
    LogFile(tmp_path / "log").all()

def test_of_output():
    print("{secret}")

def test_without():
    sys.stderr.write("nothing")
"""


def test_a_secret_in_a_log_fails_the_test(tmp_path: Path) -> None:
    secret = PASSWORD[::-1]  # not one of this run
    (tmp_path / "conftest.py").write_text(CONFTEST.format(secret=secret))
    (tmp_path / "test_logs.py").write_text(TESTS.format(secret=secret))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", tmp_path, "--ds", "config.settings", "-p", "no:xdist", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(settings.BASE_DIR), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "5 failed, 2 passed" in done.stdout, done.stdout
    assert done.stdout.count("the log has secrets: password") >= 5
