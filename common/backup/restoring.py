"""Restoring a backup into an empty database, and comparing the result with its manifest.

Everything is checked before anything is changed. The files come first and the database last, in one transaction: after
an interruption the database is still empty, and the command can be run again.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from itertools import batched
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection

from common import audit, audit_doctor
from common.backup import BackupError, Refused
from common.backup.folders import (
    ARCHIVES,
    DUMP,
    PICTURES,
    Sum,
    refuse_damaged,
    refuse_little_space,
    sums_of,
)
from common.backup.making import BATCH, COPIED_AT_ONCE, RUN_KIND
from common.backup.manifest import Manifest, differences, read, refuse_unfit
from common.backup.programs import Programs, load, programs
from common.backup.progress import MEGABYTE, Advancing, counted, in_megabytes
from common.disk import blocks_of, sync_folder
from common.doctor import Finding, examine
from common.storage import checking, storage
from common.storage.backups import BACKUP
from common.storage.local import LocalStorage
from common.version import known_migrations


@dataclass(frozen=True)
class Checked:
    """A backup whose files are those that were written."""

    folder: Path
    manifest: Manifest
    size: int  # bytes


@dataclass(frozen=True)
class Result:
    """What was found afterwards. With `problems` the database is not the one of the backup, or not whole."""

    problems: list[str]
    findings: list[Finding]
    missing_migrations: int


def verify(backup: Path, advancing: Advancing) -> Checked:
    """Read all of a backup. It needs no database. Raises Refused, BackupError."""
    manifest = read(backup)
    total = manifest.files_bytes // MEGABYTE
    with advancing(total=total, label="Verifying, MB") as advance:
        size = refuse_damaged(backup, files=manifest.files, advance=in_megabytes(advance))
    return Checked(backup, manifest, size)


def refuse(checked: Checked) -> Programs:
    """Whether it can be restored here. Returns the programs that do it. Raises Refused, BackupError."""
    chosen = programs()
    refuse_unfit(checked.manifest, chosen)
    _refuse_used_database()
    _refuse_role_without_rights()
    archives, pictures = _sizes(checked.folder)
    folder = Path(settings.AUDIT_ARCHIVE_FOLDER)
    for each in _below(checked.folder, ARCHIVES):
        _refuse_other_archive(folder / each.name.removeprefix(ARCHIVES), each)
    if archives:
        refuse_little_space(folder, archives)
    if isinstance(storage(), LocalStorage):
        refuse_little_space(Path(settings.MEDIA_ROOT), pictures)
    if own := connection.settings_dict.get("EMBEDDED_DATA_DIR"):
        refuse_little_space(Path(own), checked.manifest.database_bytes)
    return chosen


_RELATIONS = """
    SELECT relnamespace::regnamespace || '.' || relname FROM pg_class
    WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema$)' AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    ORDER BY 1 LIMIT 1
"""


def _refuse_used_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_RELATIONS)
        found = cursor.fetchone()
    if found:
        raise Refused("database", f"must be empty; it has {found[0]}. Create another one, and name it in DATABASE_URL")


def _refuse_role_without_rights() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_database_privilege(current_database(), 'CREATE')"
            " AND has_schema_privilege(current_schema(), 'CREATE')"
        )
        (may_create,) = cursor.fetchone()
    if not may_create:
        raise Refused("DATABASE_URL", "must name the owner of the database: this role may not create tables in it")


def _refuse_other_archive(path: Path, backed_up: Sum) -> None:
    if not path.exists():
        return
    with path.open("rb") as file:
        if file_digest(file, "sha256").hexdigest() != backed_up.digest:
            raise Refused("AUDIT_ARCHIVE_FOLDER", f"must not have another file {path.name} than the backup")


def _sizes(folder: Path) -> tuple[int, int]:
    archives = sum(each.size for each in _below(folder, ARCHIVES))
    return archives, sum(each.size for each in _below(folder, PICTURES))


def _below(folder: Path, prefix: str) -> Iterator[Sum]:
    return (each for each in sums_of(folder) if each.name.startswith(prefix))


def restore(checked: Checked, *, now: datetime, advancing: Advancing) -> Result:
    """Raises Refused and BackupError, with an empty database; StorageFull, StorageUnavailable."""
    with BACKUP.tried_by_session() as is_taken:
        if not is_taken:
            raise BackupError("Another backup or restore runs on this database.")
        chosen = refuse(checked)
        try:
            _restore_archives(checked.folder)
            _restore_pictures(checked, advancing)
            _restore_database(checked, chosen, advancing)
        except OSError as error:
            raise BackupError(f"A file cannot be read or written; the database is still empty: {error}") from error
        return _examined(checked, now, advancing)


# --- restoring ------------------------------------------------------------------------------------


def _restore_archives(backup: Path) -> None:
    folder = Path(settings.AUDIT_ARCHIVE_FOLDER)
    for each in _below(backup, ARCHIVES):
        target = folder / each.name.removeprefix(ARCHIVES)
        if target.exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}")
        try:
            shutil.copyfile(backup / each.name, draft)
            draft.rename(target)
            sync_folder(folder)
        finally:
            draft.unlink(missing_ok=True)


def _restore_pictures(checked: Checked, advancing: Advancing) -> None:
    """A file of the same name is replaced: it has the same content, unless it is damaged."""

    def save(each: Sum) -> None:
        storage().save(each.name.removeprefix(PICTURES), ContentFile((checked.folder / each.name).read_bytes()))

    total = checked.manifest.pictures
    with ThreadPoolExecutor(COPIED_AT_ONCE) as pool, advancing(total=total, label="Restoring the files") as advance:
        for batch in batched(_below(checked.folder, PICTURES), BATCH):
            for _ in pool.map(save, batch):
                advance(1)


def _restore_database(checked: Checked, chosen: Programs, advancing: Advancing) -> None:
    dump = checked.folder / DUMP
    with (
        advancing(total=dump.stat().st_size // MEGABYTE, label="Restoring the database, MB") as advance,
        dump.open("rb") as file,
    ):
        load(chosen, counted(blocks_of(file), advance))
    with connection.cursor() as cursor:
        # Plans need statistics, and index-only scans the visibility map.
        cursor.execute("VACUUM (ANALYZE)")


# --- afterwards -----------------------------------------------------------------------------------


def _examined(checked: Checked, now: datetime, advancing: Advancing) -> Result:
    manifest = checked.manifest
    problems = list(differences(manifest))
    missing_migrations = known_migrations() - set(manifest.migrations)
    findings = examine()
    # Older tables may lack what this version reads and writes.
    if not missing_migrations:
        problems += _trail_problems(manifest, advancing)
        problems += _file_problems(manifest, now)
        after = {"file": checked.folder.name, "rows": sum(manifest.rows.values()), "files": manifest.files}
        audit.record_run("restore_backup", RUN_KIND, now=now, after=after)
    return Result(problems, findings, len(missing_migrations))


def _trail_problems(manifest: Manifest, advancing: Advancing) -> list[str]:
    number, _, digest = manifest.newest_seal.partition(":")
    logged = {int(number): digest} if number else {}
    with advancing(total=audit_doctor.rows_to_verify(), label="Verifying the audit trail") as advance:
        _, findings = audit_doctor.verify(logged, advance)
    return [f"{found.code}: {found.meaning}" for found in findings]


def _file_problems(manifest: Manifest, now: datetime) -> list[str]:
    report = checking.check(now=now, delete=False, rename=False, dry_run=True)
    holes = report.holes.count + report.unrenamed.count
    if not holes:
        return []
    return [f"{holes} files of rows are missing, of which {manifest.missing_count} were missing in the backup"]
