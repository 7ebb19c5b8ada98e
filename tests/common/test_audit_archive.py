"""Old months of the audit trail in files: what is archived, and how the doctor verifies it."""

import gzip
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from common import audit, audit_archive, audit_doctor, audit_guard, partitions
from common.audit_archive import NotArchived
from common.items import Items
from common.models import AuditArchive, AuditEntry, AuditSeal
from common.retention import Removal
from tests.common.sealing import sealed

TABLE = "common_auditentry"


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_ARCHIVE_FOLDER = tmp_path / "archive"
    return tmp_path / "archive"


def write(creator: User, when: datetime, count: int = 3) -> None:
    for number in range(count):
        audit.record("greet", creator, by=creator, now=when, before={}, after={"said": f"merhaba {number} ş"})


def long_after() -> datetime:
    """When all months up to the present are past their retention."""
    first = partitions.partitions_of(TABLE)[0].end
    assert first is not None
    return partitions.begin_of(first + 12 * settings.AUDIT_RETENTION_YEARS) + timedelta(days=1)


def archive(*, dry_run: bool = False, now: datetime | None = None) -> Removal:
    removal = Removal(dry_run, Items("purge"))
    audit_archive.archive_old_months(now or long_after(), removal)
    return removal


def verified() -> tuple[int, int, list[str]]:
    """The seals and rows that were verified, and what was found."""
    result, findings = audit_doctor.verify({}, lambda _: None)
    return result.seals, result.rows, [finding.meaning for finding in findings]


@pytest.fixture
def archived(creator: User, now: datetime) -> Path:
    """The file of two archived seals with six rows; the table goes on with three rows, which are sealed, too."""
    write(creator, now - timedelta(hours=2))
    write(creator, now)
    sealed(now=now)
    assert archive().count == 6
    write(creator, now + timedelta(hours=3))
    sealed(now=now + timedelta(hours=3))
    return settings.AUDIT_ARCHIVE_FOLDER / AuditArchive.objects.get().file


def test_rows_of_an_old_month_become_a_file_that_is_verified(archived: Path) -> None:
    assert len(gzip.decompress(archived.read_bytes()).splitlines()) == 6
    assert AuditEntry.objects.exclude(action="archive_audit_rows").count() == 3
    seals, rows, found = verified()
    assert (seals, rows, found) == (3, 6 + 1 + 3, [])
    entry = AuditEntry.objects.get(action="archive_audit_rows")
    assert (entry.after["rows"], entry.after["file"]) == (6, archived.name)
    assert list(audit_guard.faults()) == []


def test_a_second_month_follows_the_first(archived: Path, creator: User, now: datetime) -> None:
    assert archive(now=long_after() + timedelta(days=8 * 365)).count == 4
    write(creator, now + timedelta(hours=5))
    sealed(now=now + timedelta(hours=5))
    assert AuditArchive.objects.count() == 2
    seals, rows, found = verified()
    assert (seals, rows, found) == (4, 6 + 4 + 1 + 3, [])


def test_a_dry_run_counts_and_changes_nothing(creator: User, now: datetime, folder: Path) -> None:
    write(creator, now)
    sealed(now=now)
    assert archive(dry_run=True).count == 3
    assert (AuditEntry.objects.count(), AuditArchive.objects.count(), folder.exists()) == (3, 0, False)


def _shorten(file: Path) -> None:
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(lines[1:])))


def _alter(file: Path) -> None:
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"merhaba 1", b"merhaba 9")))


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "removed": Path.unlink,
    "shortened": _shorten,
    "altered": _alter,
    "truncated": _truncate,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_found(damage: str, archived: Path) -> None:
    DAMAGES[damage](archived)
    _, _, (found,) = verified()
    assert f"the archive {archived.name}" in found
    if damage != "truncated":  # the end of the file is only its checksum
        assert "seal 1 (" in found or "seal 2 (" in found


def test_rows_without_a_seal_are_not_archived(creator: User, now: datetime, folder: Path) -> None:
    write(creator, now)
    with pytest.raises(NotArchived, match="no seal yet"):
        archive()
    assert (AuditEntry.objects.count(), list(folder.glob("*")) if folder.exists() else []) == (3, [])


def test_altered_rows_are_not_archived(creator: User, now: datetime, folder: Path) -> None:
    write(creator, now)
    sealed(now=now)
    (partition, *_) = (each.table for each in partitions.partitions_of(TABLE) if partitions.rows_in(each.table))
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {partition} DISABLE TRIGGER {audit_guard.TRIGGER}")
        cursor.execute(f"UPDATE {partition} SET reason = 'forged' WHERE id = (SELECT min(id) FROM {partition})")
        cursor.execute(audit_guard.enable_trigger(partition))
    with pytest.raises(NotArchived, match="seal 1 are not those that were sealed"):
        archive()
    assert (AuditEntry.objects.count(), list(folder.glob("*"))) == (3, [])


def test_a_month_with_a_row_of_a_later_time_stays(creator: User, now: datetime) -> None:
    write(creator, now)
    write(creator, long_after(), count=1)  # as if no worker had begun a new month meanwhile
    sealed(now=now)
    assert archive().count == 0
    assert AuditEntry.objects.count() == 4


def test_nothing_is_archived_if_the_trail_is_kept_for_ever(creator: User, now: datetime, settings: Any) -> None:
    write(creator, now)
    sealed(now=now)
    when = long_after()
    settings.AUDIT_RETENTION_YEARS = 0
    assert (archive(now=when).count, AuditEntry.objects.count()) == (0, 3)


@pytest.fixture
def _as_service(db: None) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE archiving_service")
        cursor.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO archiving_service")
        cursor.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO archiving_service")
        cursor.execute("SET LOCAL ROLE archiving_service")
        yield
        cursor.execute("RESET ROLE")
        transaction.set_rollback(True)


def test_a_role_that_does_not_own_the_trail_learns_who_must_do_it(
    creator: User, now: datetime, request: pytest.FixtureRequest
) -> None:
    write(creator, now)
    sealed(now=now)
    request.getfixturevalue("_as_service")
    removal = archive()
    assert removal.count == 0
    (note,) = removal.notes
    assert "as the owner of the tables" in note
    assert AuditEntry.objects.count() == 3


def test_doctor_warns_of_months_that_wait_for_the_owner(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(creator, now)
    sealed(now=now)
    assert "audit_rows_past_retention" not in {finding.code for finding in audit_doctor.examine()}
    monkeypatch.setattr(timezone, "now", lambda: long_after() + timedelta(days=9))
    assert "audit_rows_past_retention" in {finding.code for finding in audit_doctor.examine()}


def test_the_database_refuses_to_change_the_list_of_archives(archived: Path) -> None:
    with pytest.raises(IntegrityError, match="only grows"), transaction.atomic():
        AuditArchive.objects.all().delete()
    assert AuditArchive.objects.exists()


def test_a_removed_record_of_an_archive_is_found(archived: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE common_auditarchive DISABLE TRIGGER {audit_guard.TRIGGER}")
        cursor.execute("DELETE FROM common_auditarchive")
        cursor.execute(audit_guard.enable_trigger("common_auditarchive"))
    _, _, found = verified()
    assert "3 of 3 rows are missing" in found[0]
    assert AuditSeal.objects.count() == 3
