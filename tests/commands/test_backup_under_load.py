"""Backups while other processes write, remove and rename; several backups at once; and backups that are killed."""

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from common.backup import making
from common.direct import direct_connection
from common.storage import checking, forget_unless_backed_up, storage, stored
from common.storage.backups import BACKUP, BackupRunning
from common.tasks import remove_files
from livestreams import services
from livestreams.models import LiveStream
from livestreams.tasks import remove_thumbnail, rename_thumbnail
from livestreams.thumbnails import new_name
from tests.backends import BACKENDS
from tests.commands.backups import (
    backup_here,
    backup_of,
    connected_to,
    empty_database,
    names_in,
    pictured_stream,
    tables_of,
    target,
)
from tests.commands.conftest import Run, Start, waiting_for
from tests.patience import PATIENCE, wait_until
from tests.servers import database_url, direct_place
from tests.storage.conftest import media

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pictures")]
STREAMS = "livestreams_livestream"
# Of a backup only pg_dump opens this table. So when it waits for a lock on it, the dump has begun.
UNLOGGED = "common_ratecounter"
PASSWORD = "planted-password"


# --- writers --------------------------------------------------------------------------------------


@contextmanager
def writing(creator: User, environment: dict[str, str]) -> Iterator[list[str]]:
    """While a process writes: the ids of what it has committed so far."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.commands.backup_writer", creator.username],
        cwd=django_settings.BASE_DIR,
        env=environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    committed: list[str] = []
    reader = threading.Thread(target=lambda lines: committed.extend(map(str.strip, lines)), args=[writer.stdout])
    reader.start()
    try:
        yield committed
        assert writer.poll() is None
    finally:
        writer.kill()
        reader.join()
        writer.wait()
        writer.stdout.close()


def test_a_backup_beside_a_writer_and_a_worker_is_one_state(
    creator: User, place: dict[str, str], start: Start, run: Run, tmp_path: Path
) -> None:
    start("worker")
    with writing(creator, place) as committed:
        wait_until(lambda: len(committed) >= 20)
        before = set(committed)
        backup = backup_of(run, tmp_path)
        wait_until(lambda: len(committed) > len(before))

    with empty_database() as url:
        elsewhere = target(url, tmp_path)
        finished = run("restore", str(backup), **elsewhere)
        checked = run("media", "check", "--json", **elsewhere)
        with connected_to(url) as connected:
            rows = {key.hex() for (key,) in connected.execute(f"SELECT id FROM {STREAMS}").fetchall()}
            audited = {
                key.hex()
                for (key,) in connected.execute(
                    "SELECT target_id FROM common_auditentry WHERE action = 'create_stream'"
                ).fetchall()
            }

    assert finished.returncode == 0, finished.stderr
    assert checked.returncode == 0, checked.stdout
    # Nothing that was acknowledged before is lost, and each row has what its transaction wrote beside it.
    assert before <= rows
    assert rows == audited


# --- files that jobs remove and rename ------------------------------------------------------------


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Lets a function run after the snapshot and before the files are copied."""

    def arrange(change: Callable[[], None]) -> None:
        copy = making._copy_pictures

        def changed_then_copied(*arguments: Any) -> Any:
            change()
            return copy(*arguments)

        monkeypatch.setattr(making, "_copy_pictures", changed_then_copied)

    return arrange


def run_jobs() -> int:
    """Run the waiting jobs of files, as a worker does. Returns how many were put off."""
    tasks = {task.name: task for task in (remove_files, remove_thumbnail, rename_thumbnail)}
    put_off = 0
    for job in ProcrastinateJob.objects.filter(status="todo", task_name__in=tasks).order_by("pk"):
        try:
            tasks[job.task_name](**job.args)
        except BackupRunning:
            put_off += 1
    return put_off


def test_pictures_are_removed_and_renamed_when_the_backup_has_ended(
    creator: User, between: Callable[..., None], run: Run, tmp_path: Path
) -> None:
    replaced, deleted, purged = (pictured_stream(creator, status="ended") for _ in range(3))
    names = {stream.thumbnail for stream in (replaced, deleted, purged)}
    put_off = []

    def change() -> None:
        now = timezone.now()
        name = new_name()
        with stored({name: b"another"}):
            services.set_thumbnail(replaced.pk, by=creator, now=now, file=name)
        services.delete_stream(deleted.pk, by=creator, now=now)
        assert forget_unless_backed_up([purged.thumbnail]) == []
        put_off.append(run_jobs())

    between(change)
    backup = backup_here(tmp_path / "backups")

    assert put_off == [3]
    assert {f"thumbnails/{path.name}" for path in backup.rglob("*.webp")} == names
    assert run_jobs() == 0
    assert not any(map(storage().exists, names))
    with empty_database() as url:
        elsewhere = target(url, tmp_path) | {"SECRET_KEY": django_settings.SECRET_KEY}
        finished = run("restore", str(backup), **elsewhere)
        assert finished.returncode == 0, finished.stderr
        assert run("media", "check", **elsewhere).returncode == 0


def test_a_picture_that_was_not_renamed_yet_gets_the_name_of_its_row(creator: User, tmp_path: Path) -> None:
    stream = pictured_stream(creator, status="ended")
    services.delete_stream(stream.pk, by=creator, now=timezone.now())
    now_named = LiveStream.all_objects.get(pk=stream.pk).thumbnail
    assert now_named != stream.thumbnail

    (picture,) = backup_here(tmp_path / "backups").rglob("*.webp")

    assert f"thumbnails/{picture.name}" == now_named
    assert picture.read_bytes() == stream.thumbnail.encode() * 100


@pytest.mark.parametrize("option", ["--delete-orphans", "--rename"])
def test_media_check_changes_nothing_while_a_backup_runs(
    option: str, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage().save("thumbnails/orphan.webp", ContentFile(b"one"))
    deleted = pictured_stream(creator, status="ended")
    services.delete_stream(deleted.pk, by=creator, now=timezone.now())
    monkeypatch.setattr(checking, "YOUNG_SECONDS", -3_600)

    with BACKUP.tried_by_session(), pytest.raises(CommandError, match="A backup runs") as refused:
        call_command("media", "check", option, stdout=io.StringIO())

    assert refused.value.returncode == 1
    assert storage().exists("thumbnails/orphan.webp")
    assert storage().exists(deleted.thumbnail)
    assert media("check", option)[{"--rename": "renamed"}.get(option, "deleted")] >= 1


# --- several at once, and killed ones -------------------------------------------------------------


def test_of_two_backups_at_once_one_is_made(start: Start, creator: User, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with waiting_for(UNLOGGED, 1) as until_it_waits:
        first = start("backup", "--folder", str(folder))
        until_it_waits()
        second = start("backup", "--folder", str(folder))
        _, errors = second.communicate(timeout=PATIENCE)
    first.communicate(timeout=PATIENCE)

    assert (first.returncode, second.returncode) == (0, 1)
    assert "Another backup, a restore, or an erasure of a person runs" in errors
    assert len(names_in(folder)) == 1


@pytest.mark.parametrize("words", [["backup", "--folder", os.devnull], ["people", "erase", "creator", "--yes"]])
def test_a_backup_and_an_erasure_exclude_each_other(words: list[str], creator: User) -> None:
    with (
        closing(direct_connection()) as other,
        BACKUP.tried_by_session(using=other),
        pytest.raises(CommandError, match="Another ") as refused,
    ):
        call_command(*words, stdout=io.StringIO())

    assert refused.value.returncode == 1
    assert User.objects.get().username == "creator"


def test_no_restore_begins_while_another_one_runs(start: Start, creator: User, run: Run, tmp_path: Path) -> None:
    backup = backup_of(run, tmp_path)
    with empty_database() as url:
        with waiting_restore(start, backup, url, tmp_path) as first:
            second = run("restore", str(backup), **target(url, tmp_path))
        _, errors = first.communicate(timeout=PATIENCE)

    assert first.returncode == 0, errors
    assert second.returncode == 1
    assert "Another backup or restore runs on this database." in second.stderr


@contextmanager
def waiting_restore(start: Start, backup: Path, url: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A restore that waits until the block ends, because a transaction makes a table of the same name as its first."""
    with connected_to(url) as other, other.transaction(force_rollback=True):
        other.execute("CREATE TABLE django_migrations (id int)")
        process = start("restore", str(backup), **target(url, folder))
        wait_until(lambda: sessions_of(url, "wait_event_type = 'Lock'") > 0)
        yield process


def sessions_of(url: str, condition: str = "true") -> int:
    """How many sessions on this database are in a state, as `backends` counts them for that of the test."""
    with connected_to(url) as other:
        ((number,),) = other.execute(BACKENDS.format(condition)).fetchall()
        return int(number)


def test_a_backup_that_is_killed_leaves_nothing_that_looks_whole(
    start: Start, run: Run, creator: User, tmp_path: Path
) -> None:
    pictured_stream(creator)
    folder = tmp_path / "backups"
    with waiting_for(UNLOGGED, 1) as until_it_waits:
        process = start("backup", "--folder", str(folder))
        until_it_waits()
        process.kill()
        process.communicate(timeout=PATIENCE)
        (left,) = names_in(folder)

    assert left.startswith(".backup-")
    refused = run("restore", "newest", "--folder", str(folder))
    assert "BACKUP_FOLDER: has no backup" in refused.stderr
    made = backup_of(run, tmp_path)
    assert names_in(folder) == [made.name]
    assert run("backup", "--verify", str(made)).returncode == 0


def test_ctrl_c_removes_what_was_written(start: Start, creator: User, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with waiting_for(UNLOGGED, 1) as until_it_waits:
        process = start("backup", "--folder", str(folder))
        until_it_waits()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert names_in(folder) == []


def test_a_restore_that_is_killed_leaves_the_database_empty(
    start: Start, creator: User, run: Run, tmp_path: Path
) -> None:
    # More than pg_restore and the pipe to it hold when the command is killed: they would restore all of a smaller dump.
    Session.objects.create(session_key="long", session_data=os.urandom(500_000).hex(), expire_date=timezone.now())
    backup = backup_of(run, tmp_path)
    assert (backup / "database.dump").stat().st_size > 500_000
    with empty_database() as url:
        with waiting_restore(start, backup, url, tmp_path) as process:
            process.kill()
            process.communicate(timeout=PATIENCE)
        wait_until(lambda: sessions_of(url) == 0)
        assert tables_of(url) == {}
        again = run("restore", str(backup), **target(url, tmp_path))
        assert again.returncode == 0, again.stderr


# --- secrets --------------------------------------------------------------------------------------


def dumping(database: str) -> psutil.Process:
    """The process of pg_dump."""
    commands = ((process, process.info["cmdline"] or [""]) for process in psutil.process_iter(["cmdline"]))
    return next(
        process for process, words in commands if words[0].endswith("/pg_dump") and f"dbname={database} " in words[-1]
    )


def test_no_command_line_and_no_output_has_the_password(start: Start, creator: User, tmp_path: Path) -> None:
    url = database_url().replace("@", f":{PASSWORD}@", 1)
    with waiting_for(UNLOGGED, 1) as until_it_waits:
        process = start("backup", "--folder", str(tmp_path / "backups"), DATABASE_URL=url, DATABASE_DIRECT_URL=url)
        until_it_waits()
        program = dumping(direct_place()["dbname"])
        shown = program.cmdline()
        hidden = program.environ()
    output = "".join(process.communicate(timeout=PATIENCE))

    assert process.returncode == 0, output
    assert hidden["PGPASSWORD"] == PASSWORD
    assert PASSWORD not in " ".join(shown)
    assert PASSWORD not in output
    assert not any(
        PASSWORD.encode() in path.read_bytes() for path in (tmp_path / "backups").rglob("*") if path.is_file()
    )
