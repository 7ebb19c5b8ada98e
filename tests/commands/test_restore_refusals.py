"""What backup and restore refuse: damaged backups, other versions, used databases. Nothing is changed."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from tests.commands.backups import (
    as_role_without_rights,
    backup_here,
    change_manifest,
    connected_to,
    empty_database,
    names_in,
    pictured_stream,
    tables_of,
    target,
)
from tests.commands.conftest import Run
from tests.servers import database_url

pytestmark = pytest.mark.django_db(transaction=True)
NEWER = "must not be newer than"


@pytest.fixture
def backup(creator: User, tmp_path: Path) -> Path:
    """A backup of one picture."""
    pictured_stream(creator)
    return backup_here(tmp_path / "backups")


@pytest.fixture
def empty() -> Iterator[str]:
    with empty_database() as url:
        yield url


def refusal_of(*words: str) -> tuple[int, str]:
    """The exit code and the message. The database of the test is not empty, which is checked last."""
    with pytest.raises(CommandError) as refused:
        call_command(*words)
    return refused.value.returncode, str(refused.value)


# --- damage ---------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def picture_of(backup: Path) -> Path:
    return next(backup.rglob("*.webp"))


def remove_with_checksum(backup: Path) -> None:
    picture_of(backup).unlink()
    lines = (backup / "SHA256SUMS").read_text().splitlines(keepends=True)
    (backup / "SHA256SUMS").write_text("".join(line for line in lines if "webp" not in line))


def lead_outside(backup: Path) -> None:
    sums = backup / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("pictures/thumbnails/", "pictures/../../"))


def shorten(backup: Path) -> None:
    dump = backup / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-100])


def change_count(backup: Path) -> None:
    path = backup / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"seals": 0', b'"seals": 7'))


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda backup: flip(backup / "database.dump"), "database.dump is not what was written"),
    (lambda backup: flip(picture_of(backup)), "webp is not what was written"),
    (lambda backup: flip(backup / "SHA256SUMS"), "The backup is damaged: "),
    (lambda backup: (backup / "database.dump").unlink(), "database.dump is missing"),
    (lambda backup: picture_of(backup).unlink(), "webp is missing"),
    (remove_with_checksum, "SHA256SUMS lists 2 files, the folder has 2, and 3 were written"),
    (lead_outside, "is no checksum of a file in it"),
    (shorten, "database.dump is not what was written"),
    (change_count, "manifest.json is not what was written"),
    (lambda backup: (backup / "pictures" / "one").write_bytes(b"one"), "the folder has 4, and 3 were written"),
    (lambda backup: (backup / "SHA256SUMS").unlink(), "The backup cannot be read: "),
]


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES)
def test_a_damaged_backup_is_refused(damage: Callable[[Path], object], sentence: str, backup: Path) -> None:
    damage(backup)

    code, message = refusal_of("backup", "--verify", str(backup))

    assert code == 1
    assert sentence in message
    assert refusal_of("restore", str(backup)) == (code, message)


def test_nothing_of_a_damaged_backup_is_restored(backup: Path, run: Run, empty: str, tmp_path: Path) -> None:
    flip(backup / "database.dump")

    finished = run("restore", str(backup), **target(empty, tmp_path))

    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""
    assert tables_of(empty) == {}
    assert names_in(tmp_path / "restored") == []


def test_a_dump_that_postgresql_refuses_leaves_the_database_empty(
    backup: Path, run: Run, empty: str, tmp_path: Path
) -> None:
    """Its checksum is right, so pg_restore finds the damage, in the middle of its transaction."""
    dump = backup / "database.dump"
    before = sha256(dump.read_bytes()).hexdigest()
    shorten(backup)
    sums = backup / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(before, sha256(dump.read_bytes()).hexdigest()))

    finished = run("restore", str(backup), **target(empty, tmp_path))

    assert finished.returncode == 1
    assert "pg_restore failed" in finished.stderr
    assert tables_of(empty) == {}


def test_verifying_needs_no_database(backup: Path, run: Run) -> None:
    unreachable = "postgresql://nobody@127.0.0.1:9/nothing"

    verified = run("backup", "--verify", "newest", "--folder", str(backup.parent), "--json", DATABASE_URL=unreachable)

    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["backup"] == str(backup)


# --- other versions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("format", 2, "must be at most 1"),
        ("version", "99.0.0", NEWER),
        ("migrations", ["common.0001_initial", "common.9999_later"], "it lacks common.9999_later"),
        ("server_version", "99.1", NEWER),
        ("program_version", "99.1", NEWER),
    ],
)
def test_a_newer_backup_is_refused(field: str, value: Any, rule: str, backup: Path) -> None:
    change_manifest(backup, **{field: value})

    code, message = refusal_of("restore", str(backup))

    assert code == 2
    assert message.startswith(f"{field}: ")
    assert rule in message


def test_a_backup_of_an_older_version_is_restored_and_needs_migrate(
    backup: Path, run: Run, empty: str, tmp_path: Path, settings: Any
) -> None:
    facts = json.loads((backup / "manifest.json").read_bytes())
    change_manifest(backup, version="0.0.9", migrations=facts["migrations"][:-1])

    finished = run("restore", str(backup), **target(empty, tmp_path), SECRET_KEY=settings.SECRET_KEY)

    assert finished.returncode == 0, finished.stderr
    assert "of an older version: 1 migrations are missing. Run migrate" in finished.stdout


def programs_of(folder: Path, version: str) -> Path:
    """Programs that report this version."""
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("version", ["14.2", "99.1"])
def test_programs_of_another_version_are_refused(version: str, backup: Path, settings: Any, tmp_path: Path) -> None:
    settings.POSTGRES_PROGRAMS = programs_of(tmp_path / "programs", version)

    for words in (["restore", str(backup)], ["backup", "--folder", str(tmp_path / "other")]):
        code, message = refusal_of(*words)
        assert code == 2
        assert message.startswith("POSTGRES_PROGRAMS: must be the folder of pg_dump and pg_restore of PostgreSQL ")
        assert f"found: {version} in {tmp_path / 'programs'}" in message
    assert names_in(tmp_path / "other") == []


def test_a_folder_without_programs_is_refused_at_the_start(run: Run, tmp_path: Path) -> None:
    finished = run("backup", POSTGRES_PROGRAMS=str(tmp_path))

    assert finished.returncode == 1
    assert "POSTGRES_PROGRAMS must be a folder with pg_dump and pg_restore" in finished.stderr


# --- databases and folders that are used ----------------------------------------------------------


def test_a_database_with_a_table_is_refused(backup: Path, run: Run, empty: str, tmp_path: Path) -> None:
    with connected_to(empty) as connected:
        connected.execute("CREATE TABLE theirs (one int)")

    finished = run("restore", str(backup), **target(empty, tmp_path))

    assert finished.returncode == 2
    assert "database: must be empty; it has public.theirs" in finished.stderr
    assert tables_of(empty).keys() == {"theirs"}


def test_the_database_of_the_service_is_refused(backup: Path) -> None:
    before = tables_of(database_url())

    code, message = refusal_of("restore", str(backup))

    assert code == 2
    assert message.startswith("database: must be empty; it has public.")
    assert tables_of(database_url()) == before


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["restore", "dry run"])
def test_a_role_that_may_create_no_tables_is_refused(
    words: tuple[str, ...], backup: Path, run: Run, empty: str, tmp_path: Path
) -> None:
    finished = run("restore", str(backup), *words, **target(as_role_without_rights(empty), tmp_path))

    assert finished.returncode == 2
    assert "DATABASE_URL: must name the owner of the database" in finished.stderr
    assert names_in(tmp_path / "restored") == []


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    code, message = refusal_of("restore", "yesterday", "--folder", str(tmp_path))
    assert (code, message.partition(";")[0]) == (2, "backup: must be the folder of a backup, with manifest.json")
    code, message = refusal_of("restore", "newest", "--folder", str(tmp_path))
    assert (code, message) == (2, f"BACKUP_FOLDER: has no backup: {tmp_path}")


def test_another_archive_of_the_same_name_is_refused(backup: Path, run: Run, empty: str, tmp_path: Path) -> None:
    archive = tmp_path / "restored" / "audit-archive" / "audit-0001.ndjson.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"other")
    own = backup / "audit-archive" / archive.name
    own.parent.mkdir()
    own.write_bytes(b"own")
    with (backup / "SHA256SUMS").open("a") as sums:
        sums.write(f"{sha256(b'own').hexdigest()}  audit-archive/{archive.name}\n")
    change_manifest(backup, files=json.loads((backup / "manifest.json").read_bytes())["files"] + 1)

    finished = run("restore", str(backup), **target(empty, tmp_path))

    assert finished.returncode == 2
    assert "AUDIT_ARCHIVE_FOLDER: must not have another file audit-0001.ndjson.gz" in finished.stderr
    assert archive.read_bytes() == b"other"
    assert tables_of(empty) == {}


def test_another_secret_key_is_a_problem(backup: Path, run: Run, empty: str, tmp_path: Path) -> None:
    finished = run("restore", str(backup), **target(empty, tmp_path))

    # The backup was made by this process, whose key differs from that of the commands.
    assert finished.returncode == 1
    assert finished.stderr.count("SECRET_KEY is not that of the backup") == 2  # before the work, and after it
    assert "is restored" in finished.stdout


def test_a_dry_run_tells_of_another_secret_key(backup: Path, run: Run, empty: str, tmp_path: Path) -> None:
    finished = run("restore", str(backup), "--dry-run", **target(empty, tmp_path))

    assert finished.returncode == 1
    assert "SECRET_KEY is not that of the backup" in finished.stderr
    assert tables_of(empty) == {}


@pytest.mark.parametrize("words", [["--keep", "0"], ["--keep", "-1"], ["--keep", "2", "--verify", "newest"]])
def test_wrong_numbers_of_backups_are_refused(words: list[str], tmp_path: Path) -> None:
    code, message = refusal_of("backup", "--folder", str(tmp_path / "backups"), *words)

    assert (code, message) == (2, "--keep: must be at least 1, and is not for --verify")
    assert names_in(tmp_path / "backups") == []
