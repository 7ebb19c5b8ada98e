"""A forked `manage.py` behaves as one that was started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.forking import manage
from tests.patience import PATIENCE, wait_until

STARTED = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py")]
SHELL = ("shell", "--no-imports", "--verbosity", "0", "-c")
SAYS = """
import os, sys
from django.conf import settings
print(sys.stdin.read(), os.getcwd(), os.environ["OF_A_TEST"], settings.PUBLIC_URL, sorted(os.environ), sys.argv[:2])
print("to the other file", file=sys.stderr)
"""
WAITS = "import time; print(1, flush=True); time.sleep(1000)"


def ended(line: list[str], folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        line,
        cwd=folder,
        env=os.environ | {"OF_A_TEST": "ü", "PUBLIC_URL": "https://other.example", "LC_CTYPE": "C.UTF-8"},
        input="of the input",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.replace(STARTED[1], "manage.py"), done.stderr


@pytest.mark.parametrize("words", [(*SHELL, SAYS), ("purge", "--no-such-option"), (*SHELL, "exit(7)"), ("nothing",)])
def test_it_has_the_same_files_folder_environment_and_exit_code(words: tuple[str, ...], tmp_path: Path) -> None:
    assert ended(manage(*words), tmp_path) == ended([*STARTED, *words], tmp_path)


def waiting() -> tuple["subprocess.Popen[str]", psutil.Process]:
    """A process that waits, and the child that was forked for it."""
    before = {process.pid for process in forked()}
    process = subprocess.Popen(manage(*SHELL, WAITS), cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    (child,) = (each for each in forked() if each.pid not in before)
    return process, child


def forked() -> list[psutil.Process]:
    """The children of the process that forks."""
    own = psutil.Process().children()
    (forking,) = (each for each in own if each.cmdline()[1:] == [str(Path(settings.BASE_DIR) / "tests/forking.py")])
    return forking.children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_gets_signals(number: signal.Signals) -> None:
    process, child = waiting()
    with process:
        process.send_signal(number)
        assert process.wait(PATIENCE) == (130 if number == signal.SIGINT else -number)
    assert not child.is_running()


def test_it_is_killed_with_the_process_that_represents_it() -> None:
    process, child = waiting()
    with process:
        process.kill()
        wait_until(lambda: not child.is_running())


def test_the_other_one_ends_when_it_is_killed() -> None:
    process, child = waiting()
    with process:
        child.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
