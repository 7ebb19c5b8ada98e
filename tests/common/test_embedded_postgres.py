"""The private PostgreSQL server, with real processes that start it, share it, exit and are killed."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.patience import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(
    not AS_ROOT, reason="The test starts processes of two users, which only root can do, and another user runs it."
)

PREPARE = """
import os, sys
from django.conf import settings
settings.configure(DATABASES={"default": {
    "ENGINE": "common.postgres", "NAME": "app", "USER": "app", "EMBEDDED_DATA_DIR": sys.argv[1],
}})
import django
django.setup()
from django.db import connection
connection.settings_dict  # loads the backend
if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
"""

# Runs each line of SQL on a new connection and prints the result.
CONVERSE = (
    PREPARE
    + """
for line in sys.stdin:
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute(line)
        print(cursor.fetchone()[0] if cursor.description else "done", flush=True)
"""
)

# A program that has used the server forks. The child connects, the parent exits, then the child runs a query.
FORK = (
    PREPARE
    + """
connection.ensure_connection()
connection.close()
reader, writer = os.pipe()
if os.fork():
    os.read(reader, 1)
    sys.exit()
connection.ensure_connection()
parent = os.getppid()
os.write(writer, b".")
import time
while os.getppid() == parent:
    time.sleep(0.01)
with connection.cursor() as cursor:
    cursor.execute("SELECT 'still there'")
    print(cursor.fetchone()[0])
"""
)


class Program:
    """A process that uses the server in a folder until it is ended or killed."""

    def __init__(self, folder: Path, script: str = CONVERSE, uid: int | None = None) -> None:
        identity = [] if uid is None else [str(uid)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, folder, *identity],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def ask(self, query: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(query + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            pytest.fail(self.process.communicate()[1])
        return answer

    def end(self) -> tuple[str, str]:
        return self.process.communicate(timeout=PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def postmaster(folder: Path) -> psutil.Process | None:
    """The running server of a folder."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if str(folder / "postgres") in command and Path(command[0]).name == "postgres":
            return process
    return None


def kill_server(folder: Path, *, with_children: bool) -> None:
    server = postmaster(folder)
    assert server is not None
    children = server.children(recursive=True) if with_children else []
    server.kill()
    for child in children:
        child.kill()
    wait_until(lambda: postmaster(folder) is None)


@pytest.fixture
def place() -> Iterator[Path]:
    # The account that root runs PostgreSQL as cannot enter pytest's temp folders.
    path = Path(tempfile.mkdtemp()).resolve()
    yield path
    for process in psutil.process_iter(["cmdline"]):
        if any(str(path) in word for word in process.info["cmdline"] or []):
            process.kill()
    shutil.rmtree(path)


@pytest.fixture
def folder(place: Path) -> Path:
    return place / "data"


def test_loading_the_backend_starts_nothing(folder: Path) -> None:
    _, errors = Program(folder, PREPARE).end()

    assert errors == ""
    assert not folder.exists()


def test_the_server_stops_with_the_last_of_two_programs(folder: Path) -> None:
    with Program(folder) as second:
        with Program(folder) as first:
            first.ask("SELECT 1")
            second.ask("SELECT 1")
        assert postmaster(folder) is not None
        assert second.ask("SELECT 2") == "2"

    assert postmaster(folder) is None


def test_the_server_takes_no_network_connections_and_hides_its_folder(folder: Path) -> None:
    with Program(folder) as program:
        assert program.ask("SELECT current_setting('listen_addresses') = ''") == "True"
        assert (folder / "postgres").stat().st_mode & 0o777 == 0o700


def test_texts_sort_by_code_point_on_every_machine(folder: Path) -> None:
    with Program(folder) as program:
        order = program.ask("SELECT string_agg(t, '' ORDER BY t) FROM (VALUES ('ç'), ('a'), ('Z'), ('c')) AS v (t)")

    assert order == "Zacç"


def test_committed_data_survives_the_killing_of_everything(folder: Path) -> None:
    program = Program(folder)
    program.ask("CREATE TABLE kept (n int)")
    program.ask("INSERT INTO kept SELECT generate_series(1, 1000)")
    program.kill()
    kill_server(folder, with_children=True)

    with Program(folder) as later:
        assert later.ask("SELECT sum(n) FROM kept") == "500500"


def test_a_killed_program_does_not_keep_the_server_from_stopping(folder: Path) -> None:
    killed = Program(folder)
    killed.ask("SELECT 1")
    killed.kill()
    assert postmaster(folder) is not None

    with Program(folder) as program:
        program.ask("SELECT 1")

    assert postmaster(folder) is None


def test_the_next_connection_restarts_a_killed_server(folder: Path) -> None:
    with Program(folder) as program:
        program.ask("CREATE TABLE kept AS SELECT 7 AS n")
        kill_server(folder, with_children=False)

        assert program.ask("SELECT n FROM kept") == "7"


def test_connecting_to_a_server_that_does_not_answer_times_out(folder: Path) -> None:
    """The server exists and does not answer: it was stopped by a signal, or its disk hangs."""
    impatient = CONVERSE.replace('"NAME": "app"', '"NAME": "app", "OPTIONS": {"connect_timeout": 2}')
    assert impatient != CONVERSE
    with Program(folder) as first:
        first.ask("SELECT 1")
        server = postmaster(folder)
        assert server is not None
        server.suspend()
        try:
            began = time.monotonic()
            _, errors = Program(folder, impatient).process.communicate("SELECT 1\n", timeout=PATIENCE)
            seconds = time.monotonic() - began
        finally:
            server.resume()

    assert "connection timeout expired" in errors
    assert seconds < 20, "two seconds, and the start of a program on a busy machine"


def test_a_stopped_server_is_started_by_one_of_two_programs_and_found_by_the_other(folder: Path) -> None:
    with Program(folder) as first, Program(folder) as second:
        first.ask("SELECT 1")
        second.ask("SELECT 1")
        kill_server(folder, with_children=False)

        started = {program.ask("SELECT pg_postmaster_start_time()") for program in (first, second)}

    assert len(started) == 1


def test_eight_programs_that_start_at_once_share_one_server(folder: Path) -> None:
    programs = [Program(folder) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        started = set(pool.map(lambda program: program.ask("SELECT pg_postmaster_start_time()"), programs))
        list(pool.map(Program.end, programs))

    assert len(started) == 1
    assert postmaster(folder) is None


def test_programs_that_start_while_the_last_one_exits_get_a_server(folder: Path) -> None:
    def come_and_go(_: int) -> list[str]:
        answers = []
        for _ in range(3):
            with Program(folder) as program:
                answers.append(program.ask("SELECT 1"))
        return answers

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(come_and_go, range(3)))

    assert answers == [["1"] * 3] * 3
    assert postmaster(folder) is None


def test_a_forked_child_keeps_the_server_when_its_parent_ends(folder: Path) -> None:
    answer, errors = Program(folder, FORK).end()

    assert errors == ""
    assert answer == "still there\n"
    assert postmaster(folder) is None


@pytest.mark.parametrize("name", ["with two spaces", 'it\'s, "quoted"', "yayın-arşivi", "long/" * 30])
def test_the_folder_may_have_any_path(place: Path, name: str) -> None:
    with Program(place / name) as program:
        sockets = Path(program.ask("SHOW unix_socket_directories").strip('"'))
        assert sockets.stat().st_mode & 0o777 == 0o700

    assert sockets.is_relative_to(place) or not sockets.exists()


def test_a_socket_folder_that_others_may_enter_is_refused(place: Path) -> None:
    folder = place / ("long/" * 30)
    with Program(folder) as program:
        sockets = Path(program.ask("SHOW unix_socket_directories").strip('"'))
    sockets.mkdir(mode=0o700)
    sockets.chmod(0o777)

    later = Program(folder)
    _, errors = later.process.communicate("SELECT 1\n", timeout=PATIENCE)
    shutil.rmtree(sockets)

    assert f"needs {sockets} for its socket" in errors


def test_two_folders_have_two_servers(place: Path) -> None:
    with Program(place / "one") as one, Program(place / "two") as two:
        one.ask("CREATE TABLE only_here AS SELECT 1")

        assert two.ask("SELECT to_regclass('only_here') IS NULL") == "True"
        assert one.ask("SELECT to_regclass('only_here') IS NULL") == "False"


def test_an_ordinary_user_has_a_server_too(place: Path) -> None:
    if AS_ROOT:
        # Root's first start lets other accounts traverse the folders of PostgreSQL's programs.
        with Program(place / "root") as program:
            program.ask("SELECT 1")
        (place / "data").mkdir()
        os.chown(place / "data", NOBODY, NOBODY)

    with Program(place / "data", uid=NOBODY if AS_ROOT else None) as program:
        program.ask("SELECT 1")
        server = postmaster(place / "data")
        assert server is not None
        assert server.uids().real == (NOBODY if AS_ROOT else os.geteuid())

    assert postmaster(place / "data") is None


@needs_root
def test_root_runs_an_ordinary_users_server_as_that_user(place: Path) -> None:
    place.chmod(0o755)
    (place / "data").mkdir()
    os.chown(place / "data", NOBODY, NOBODY)
    with Program(place / "root") as program:
        program.ask("SELECT 1")
    with Program(place / "data", uid=NOBODY) as theirs:
        theirs.ask("CREATE TABLE kept AS SELECT 7 AS n")

    with Program(place / "data") as program:
        assert program.ask("SELECT n FROM kept") == "7"


@needs_root
def test_another_users_folder_is_refused_by_name(folder: Path) -> None:
    with Program(folder) as program:
        program.ask("SELECT 1")

    _, errors = Program(folder, uid=NOBODY).process.communicate("SELECT 1\n", timeout=PATIENCE)

    assert "belongs to another user" in errors


def test_a_failed_start_reports_the_reason_and_a_remedy(folder: Path) -> None:
    with Program(folder) as program:
        program.ask("SELECT 1")
    with (folder / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")

    _, errors = Program(folder).process.communicate("SELECT 1\n", timeout=PATIENCE)

    assert "no_such_setting" in errors
    assert f"move {folder / 'postgres'} away" in errors
