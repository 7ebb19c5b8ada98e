"""Old months of the audit trail become files, which `doctor --audit` still verifies.

A file is a gzip of lines, one for each row in the order of the ids: the canonical form over which seals are computed
(decision 11). So a file needs nothing else to be verified than the seals, which stay in the database.
"""

# ruff: noqa: S608 - names of tables are ours or those of the catalogue

import gzip
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from common import audit, partitions, redactions, seals
from common.canonical import Row, canonical
from common.disk import BLOCK, sync_folder
from common.locks import AdvisoryLock
from common.models import AuditArchive, AuditEntry, AuditSeal
from common.partitions import Partition
from common.retention import Removal

TABLE = AuditEntry._meta.db_table
LOCK = AdvisoryLock("archives of the audit trail")  # of who makes or replaces files, and who redacts rows


class NotArchived(Exception):
    """A month stays in the table; the message has the reason."""


# --- archiving ------------------------------------------------------------------------------------


def archive_old_months(now: datetime, removal: Removal) -> None:
    """Write the months that are older than AUDIT_RETENTION_YEARS to files, and remove their partitions.

    It needs the privileges of the owner of the table, because the service must not remove audit rows. `removal.notes`
    says when these are missing. Raises NotArchived when the rows of a month are not those that were sealed.
    """
    if removal.dry_run:
        for partition in months_past_retention(now):
            removal.foresee(*partitions.rows_and_oldest(partition.table, "at"))
        return
    with LOCK.tried_by_session() as is_taken:
        # Another process archives the same months, or erases a person: then the next run archives them.
        if is_taken:
            _archive_each(months_past_retention(now), now, removal)


def _archive_each(months: list[Partition], now: datetime, removal: Removal) -> None:
    for partition in months:
        count = partitions.rows_in(partition.table)
        if not _is_owner():
            removal.notes.append(
                f"{partition.table} is past AUDIT_RETENTION_YEARS; run purge as the owner of the tables to archive it."
            )
        elif count:
            _archive(partition, now)
            removal.count += count


def months_past_retention(now: datetime) -> list[Partition]:
    """The partitions with rows all of which are older than AUDIT_RETENTION_YEARS; the oldest one first."""
    years = settings.AUDIT_RETENTION_YEARS
    if not years:
        return []
    before = partitions.month_of(now) - 12 * years
    found = []
    for partition in partitions.partitions_of(TABLE):
        if partition.end is None or partition.end > before:
            break
        newest = _value(f"SELECT max(at) FROM {partition.table}")
        # If no worker began a new month, a partition also has rows of the months after it.
        if newest is not None and newest >= partitions.begin_of(before):
            break
        if newest is not None:
            found.append(partition)
    return found


def _is_owner() -> bool:
    return bool(_value("SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass(%s)", TABLE))


def _value(query: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0]


def _archive(partition: Partition, now: datetime) -> None:
    """The file is complete and on the disk before the rows are removed."""
    first, last = _ends(partition)
    _refuse_unsealed(last)
    number = AuditArchive.objects.count() + 1
    archive = AuditArchive(
        number=number,
        file=f"audit-{number:04}-ids-{first}-to-{last}.ndjson.gz",
        first_id=first,
        last_id=last,
        archived_at=now,
    )
    folder = Path(settings.AUDIT_ARCHIVE_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{archive.file}.*"):  # by a process that was killed: LOCK is ours
        left.unlink()
    draft = folder / f".{archive.file}.{os.getpid()}"
    try:
        archive.rows, archive.sha256 = write(draft, seals.pages_of_table(first, last))
        _compare(draft, archive)
        draft.rename(folder / archive.file)
        sync_folder(folder)
    finally:
        draft.unlink(missing_ok=True)
    partitions.patiently(*_removal(partition), then=lambda: _record(archive, partition, now))


def _ends(partition: Partition) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(id), max(id) FROM {partition.table}")
        first, last = cursor.fetchone()
    return first, last


def _removal(partition: Partition) -> tuple[str, str, int | None]:
    return "SELECT remove_month_partitions(%s, %s)", TABLE, partition.end


def _record(archive: AuditArchive, partition: Partition, now: datetime) -> None:
    archive.save(force_insert=True)
    after = {"file": archive.file, "sha256": archive.sha256, "rows": archive.rows, "partition": partition.table}
    after |= {"first_id": archive.first_id, "last_id": archive.last_id}
    audit.record_run("archive_audit_rows", "audit_rows", now=now, after=after)


def _refuse_unsealed(last: int) -> None:
    newest = AuditSeal.objects.order_by("-number").first()
    if newest is None or newest.last_id < last:
        raise NotArchived("rows of this month have no seal yet; run seal_audit_trail")


def write(path: Path, pages_of_rows: Iterable[list[Row]]) -> tuple[int, str]:
    """Write a file and store it on the disk. Returns the number of rows, and the digest of their lines."""
    digest, rows = sha256(), 0
    with path.open("wb") as file:
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
            for page in pages_of_rows:
                lines = b"".join(map(canonical, page))
                digest.update(lines)
                packed.write(lines)
                rows += len(page)
        file.flush()
        os.fsync(file.fileno())
    return rows, digest.hexdigest()


def _compare(path: Path, archive: AuditArchive) -> None:
    """Read the file again, and compare it with what was written and with the seals of its rows.

    A seal that has rows of another month as well is left to `doctor --audit`.
    """
    whole = AuditSeal.objects.filter(first_id__gte=archive.first_id, last_id__lte=archive.last_id).order_by("number")
    digest, redacted = sha256(), redactions.current()
    reader = seals.Reader(_counted(_rows_of(path), digest.update))
    for seal in whole.iterator():
        reader.take(seal.first_id - 1)
        expected = redacted.digest_of_seal(seal.number, seal.rows_digest)
        if reader.take(seal.last_id) != (seal.rows, expected):
            raise NotArchived(f"the rows of seal {seal.number} are not those that were sealed; run doctor --audit")
    reader.take(archive.last_id)
    if (reader.rows, digest.hexdigest()) != (archive.rows, archive.sha256):
        raise NotArchived(f"{path.name} was not written completely")


def _counted(pages: Iterator[list[Row]], update: Callable[[bytes], None]) -> Iterator[list[Row]]:
    for page in pages:
        update(b"".join(map(canonical, page)))
        yield page


# --- reading --------------------------------------------------------------------------------------


def pages(report: Callable[[str], None]) -> Iterator[list[Row]]:
    """The rows of all archives in the order of their ids. `report` gets a sentence for each file that is damaged."""
    expected, redacted = 1, redactions.current()
    for archive in AuditArchive.objects.order_by("number"):
        if archive.number != expected:
            report(f"archive {expected} is missing in the database, archive {archive.number} comes next")
        expected = archive.number + 1
        sha, file = redacted.of_archive(archive.number, archive.sha256, archive.file)
        digest = sha256()
        try:
            yield from _counted(pages_of(file), digest.update)
        except (OSError, EOFError, ValueError) as problem:
            report(f"the archive {file} cannot be read from AUDIT_ARCHIVE_FOLDER ({problem})")
            continue
        if digest.hexdigest() != sha:
            report(f"the archive {file} is not the file that was written")


def pages_of(file: str) -> Iterator[list[Row]]:
    """Raises OSError, EOFError, ValueError when the file is missing or damaged."""
    yield from _rows_of(Path(settings.AUDIT_ARCHIVE_FOLDER) / file)


def _rows_of(path: Path) -> Iterator[list[Row]]:
    """Raises OSError, EOFError, ValueError when the file is missing or damaged."""
    with gzip.open(path) as file:
        while lines := file.readlines(BLOCK):
            yield [orjson.loads(line) for line in lines]
