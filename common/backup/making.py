"""Making a backup.

The rows, their counts and the names of files are read in one snapshot, which pg_dump uses too. The files are copied
afterwards: none is removed or renamed until the end (`common/storage/backups.py`).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched, groupby
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from common import audit, redactions
from common.backup import BackupError
from common.backup.folders import (
    ARCHIVES,
    DUMP,
    PICTURES,
    Draft,
    Sum,
    drafted,
    is_plain,
    prune,
    refuse_little_space,
    remove_interrupted,
)
from common.backup.manifest import FORMAT, Manifest, rows_by_table, seals
from common.backup.programs import Programs, dumping, programs
from common.backup.progress import MEGABYTE, Advancing, counted
from common.disk import blocks_of
from common.models import AuditArchive
from common.secret_keys import fingerprints
from common.storage import storage
from common.storage.backups import BACKUP
from common.storage.checking import Names
from common.storage.sorting import Sorted
from common.storage.sources import NamedFile, sources
from common.version import applied_migrations, commit, postgresql_version, service_version

BATCH = 100  # files
COPIED_AT_ONCE = 8
RUN_KIND = "backup"  # the target of audit rows


@dataclass(frozen=True)
class Plan:
    """What a backup needs. The sizes are bounds: a dump is compressed, and has no indexes."""

    programs: Programs
    folder: Path
    database_bytes: int
    pictures_bytes: int
    archives_bytes: int

    @property
    def needed_bytes(self) -> int:
        return self.database_bytes + self.pictures_bytes + self.archives_bytes


@dataclass(frozen=True)
class Made:
    folder: Path
    manifest: Manifest
    removed: list[str]  # older backups


@dataclass
class _Copied:
    count: int = 0
    missing: Names = field(default_factory=Names)


_TABLES_SIZE = """
    SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND relpersistence = 'p' AND relnamespace = current_schema()::regnamespace
"""


def plan(folder: Path) -> Plan:
    """Raises Refused without fitting programs, BackupError without space, StorageUnavailable."""
    chosen = programs()
    with connection.cursor() as cursor:
        cursor.execute(_TABLES_SIZE)
        database_bytes = cursor.fetchone()[0]
    pictures = sum(file.size for file in storage().walk([source.folder for source in sources()]))
    archives = sum(path.stat().st_size for path in Path(settings.AUDIT_ARCHIVE_FOLDER).glob("*") if path.is_file())
    made = Plan(chosen, folder, database_bytes, pictures, archives)
    refuse_little_space(folder, made.needed_bytes)
    return made


def make(folder: Path, *, now: datetime, keep: int | None, advancing: Advancing) -> Made:
    """Make a backup in the folder, and then remove all but the newest `keep`, if that is a number.

    Raises BackupError, StorageUnavailable; then no new backup is left.
    """
    with BACKUP.tried_by_session() as is_taken:
        if not is_taken:
            raise BackupError("Another backup, a restore, or an erasure of a person runs on this database.")
        _make_folder(folder)
        remove_interrupted(folder)
        planned = plan(folder)
        with drafted(folder) as draft:
            manifest = _fill(draft, planned, advancing)
            # The lock ends with its session. Without it files may have been removed before they were copied.
            if not BACKUP.is_held():
                raise BackupError("The connection to the database was lost, and with it the lock. Try again.")
            made = draft.finish(manifest.as_json(), now)
        after = {"file": made.name, "rows": sum(manifest.rows.values()), "files": manifest.files}
        audit.record_run("make_backup", RUN_KIND, now=now, after=after)
        removed = prune(folder, keep) if keep else []
    return Made(made, manifest, removed)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(f"The folder {folder} cannot be made: {error.strerror}") from error


def _fill(draft: Draft, planned: Plan, advancing: Advancing) -> Manifest:
    facts, names, archives = _dumped(draft, planned, advancing)
    with closing(names):
        copied = _copy_pictures(draft, names, advancing)
    kept = sum(_copy_archive(draft, archive, copied) for archive in archives)
    return Manifest(
        format=FORMAT,
        version=service_version(),
        commit=commit(),
        program_version=planned.programs.version,
        secret_key=fingerprints.own()["SECRET_KEY"][0],
        pictures=copied.count,
        archives=kept,
        missing=copied.missing.first,
        missing_count=copied.missing.count,
        files=draft.files + 1,
        files_bytes=draft.size,
        **facts,
    )


# --- the database ---------------------------------------------------------------------------------


def _dumped(draft: Draft, planned: Plan, advancing: Advancing) -> tuple[dict[str, Any], Sorted, list[str]]:
    """Dump the database. Returns facts of its snapshot, the files that its rows name, and the archives of the trail."""
    total = planned.database_bytes // MEGABYTE
    with transaction.atomic(), advancing(total=total, label="Dumping the database, MB") as advance:
        snapshot = _exported_snapshot()
        # Ending the program first ends the thread that reads from it.
        with ThreadPoolExecutor(1) as pool, dumping(planned.programs, snapshot) as parts:
            written = pool.submit(draft.write, DUMP, counted(parts, advance))
            facts = _facts()
            names = Sorted(list(named) for source in sources() for named in source.named())
            archives = _archives()
            # The snapshot is kept until pg_dump has ended.
            draft.list(written.result())
    return facts, names, archives


def _archives() -> list[str]:
    """The names of the files. A redaction has replaced some of those with which the archives were made."""
    current = redactions.current()
    made = AuditArchive.objects.order_by("number").values_list("number", "sha256", "file")
    return [current.of_archive(number, sha256, file)[1] for number, sha256, file in made]


def _exported_snapshot() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # While pg_dump runs, this transaction is idle.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot: str = cursor.fetchone()[0]
    return snapshot


def _facts() -> dict[str, Any]:
    count, newest = seals()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now(), current_database(), pg_database_size(current_database())")
        now, name, size = cursor.fetchone()
    made_at = now.astimezone(UTC).isoformat()
    return {
        "made_at": made_at,
        "database": name,
        "server_version": postgresql_version(),
        "database_bytes": size,
        "migrations": applied_migrations(),
        "rows": rows_by_table(),
        "seals": count,
        "newest_seal": newest,
    }


# --- the files ------------------------------------------------------------------------------------


def _copy_pictures(draft: Draft, names: Sorted, advancing: Advancing) -> _Copied:
    copied = _Copied()
    # Of several rows that name a file, the first.
    rows = (NamedFile(*next(same)) for _, same in groupby(names, key=lambda record: record[0]))
    with (
        ThreadPoolExecutor(COPIED_AT_ONCE) as pool,
        advancing(total=names.count, label="Copying the files") as advance,
    ):
        for batch in batched(rows, BATCH):
            written = list(pool.map(lambda row: _copy(draft, row.name, row.name), batch))
            absent = [row for row, done in zip(batch, written, strict=True) if done is None]
            written += _copied_late(draft, absent, copied)
            for done in written:
                if done is not None:
                    draft.list(done)
                    copied.count += 1
            advance(len(batch))
    return copied


def _copied_late(draft: Draft, rows: Sequence[NamedFile], copied: _Copied) -> list[Sum | None]:
    """Files that a job has not renamed yet, or has renamed just now, get the name that their rows have."""
    if not rows:
        return []
    before: dict[str, Sequence[str]] = {}
    for source in sources():
        before |= source.names_before([row for row in rows if row.name.startswith(source.folder)])
    written = []
    for row in rows:
        candidates = (*before.get(row.name, ()), row.name)
        done = next(filter(None, (_copy(draft, stored, row.name) for stored in candidates)), None)
        if done is None:
            copied.missing.add(row.name)
        written.append(done)
    return written


def _copy(draft: Draft, stored: str, name: str) -> Sum | None:
    """None if there is no such file."""
    if not is_plain(stored):
        return None
    try:
        content = storage().read(stored)
    except FileNotFoundError:
        return None
    return draft.write(f"{PICTURES}{name}", [content])


def _copy_archive(draft: Draft, name: str, copied: _Copied) -> bool:
    """Returns whether there is such a file. Archives are never changed."""
    path = Path(settings.AUDIT_ARCHIVE_FOLDER) / name
    if not path.is_file():
        copied.missing.add(f"{ARCHIVES}{name}")
        return False
    with path.open("rb") as file:
        draft.list(draft.write(f"{ARCHIVES}{name}", blocks_of(file)))
    return True
