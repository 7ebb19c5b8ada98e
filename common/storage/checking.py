"""Compares the stored files with the rows that name them, and removes, renames or copies what differs.

Files and rows are sorted on disk and joined, so that memory does not grow with their number, and the database gets
short statements only. All files are listed before the first row is read: a file that is older than `YOUNG_SECONDS` has
its row by then, unless it is an orphan. While this runs, pictures may be uploaded, replaced and renamed.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile

from common import audit
from common.storage import forget, storage
from common.storage.backups import refuse_while_running
from common.storage.files import StoredFile
from common.storage.local import LocalStorage
from common.storage.sorting import Record, Sorted, Spool, joined
from common.storage.sources import NamedFile, Source, sources

# A file that is younger may belong to a change that is not committed yet, and a job that renames may not have run.
YOUNG_SECONDS = 3_600
# A row that was changed so shortly before the listing began may name a file that was stored after it.
MARGIN_SECONDS = 60
SUFFIX = ".webp"
BATCH = 100
COPIED_AT_ONCE = 8
MOST_NAMED = 1_000
RUN_KIND = "stored_files"  # the target of audit rows


@dataclass
class Names:
    """How many, and the first of them."""

    count: int = 0
    first: list[Any] = field(default_factory=list)

    def add(self, one: Any) -> None:
        self.count += 1
        if len(self.first) < MOST_NAMED:
            self.first.append(one)

    def as_facts(self) -> dict[str, Any]:
        return {"count": self.count, "first": self.first}


@dataclass
class Report:
    files: int = 0
    rows: int = 0
    orphans: Names = field(default_factory=Names)  # names of files
    temporary: Names = field(default_factory=Names)  # names of files
    holes: Names = field(default_factory=Names)  # {"name", "kind", "id"}
    unrenamed: Names = field(default_factory=Names)  # {"name", "now", "kind", "id"}
    other_files: int = 0
    deleted: int = 0
    renamed: int = 0
    not_deleted: Names = field(default_factory=Names)  # names of files


@dataclass
class Copied:
    copied: int = 0
    present: int = 0
    missing: Names = field(default_factory=Names)  # {"name", "kind", "id"}: neither storage nor folder has the file


class Comparison:
    """The files of the storage and the rows that name them. Close it."""

    def __init__(self, declared: Sequence[Source]) -> None:
        self.sources = declared
        self.began = time.time()
        listed = storage().walk([source.folder for source in declared])
        self.files = Sorted([file.name, file.modified] for file in listed)
        self.rows = Sorted(list(named) for source in declared for named in source.named())

    def close(self) -> None:
        self.files.close()
        self.rows.close()

    def unnamed(self) -> Iterator[StoredFile]:
        """Files that no row names, in the order of their names."""
        for file, _ in joined(self.files, self.rows):
            if file is not None:
                yield StoredFile(*file)

    def missing(self) -> Iterator[tuple[NamedFile, Sequence[str]]]:
        """Rows without their file, with the names that the file may still have."""
        rows = (NamedFile(*row) for _, row in joined(self.files, self.rows) if row is not None)
        for batch in batched(filter(self._is_missing, rows), BATCH):
            before: dict[str, Sequence[str]] = {}
            for source in self.sources:
                before |= source.names_before([each for each in batch if each.name.startswith(source.folder)])
            yield from ((each, before.get(each.name, ())) for each in batch)

    def _is_missing(self, row: NamedFile) -> bool:
        """Of rows that were changed since the listing the storage is asked again."""
        return row.changed < self.began - MARGIN_SECONDS or not storage().exists(row.name)

    def is_young(self, moment: float) -> bool:
        return moment > self.began - YOUNG_SECONDS


def check(*, now: datetime, delete: bool, rename: bool, dry_run: bool) -> Report:
    """Compare, and with `delete` and `rename` correct, all but in a dry run.

    Raises StorageUnavailable, BackupRunning.
    """
    report = Report()
    with closing(Comparison(sources())) as compared, closing(Spool()) as waiting:
        report.files, report.rows = compared.files.count, compared.rows.count
        for pairs in batched(_unrenamed(compared, waiting, report), BATCH):
            if rename and not dry_run:
                _rename(pairs, report, now)
        with closing(Sorted(waiting)) as still_needed:
            for names in batched(_orphans(compared, still_needed, report), BATCH):
                if delete and not dry_run:
                    _delete(names, report, now)
    return report


def _unrenamed(compared: Comparison, waiting: Spool, report: Report) -> Iterator[tuple[str, str]]:
    """Reports holes and files that should have been renamed; yields old and new names, which are in `waiting` too."""
    for row, names in compared.missing():
        facts = {"name": row.name, "kind": row.kind, "id": row.row_id}
        old = next(filter(storage().exists, names), None)
        if old is None:
            # A job may have renamed it since the listing.
            if not (names and storage().exists(row.name)):
                report.holes.add(facts)
            continue
        waiting.add([old])
        if not compared.is_young(row.changed):
            report.unrenamed.add(facts | {"now": old})
            yield old, row.name


def _orphans(compared: Comparison, still_needed: Iterable[Record], report: Report) -> Iterator[str]:
    unnamed = ([*file] for file in compared.unnamed())
    for record, _ in joined(unnamed, still_needed):
        if record is None:
            continue
        file = StoredFile(*record)
        if compared.is_young(file.modified):
            continue
        if file.is_temporary:
            report.temporary.add(file.name)
        elif file.name.endswith(SUFFIX):
            report.orphans.add(file.name)
        else:
            report.other_files += 1
            continue
        yield file.name


def _rename(pairs: Sequence[tuple[str, str]], report: Report, now: datetime) -> None:
    refuse_while_running()
    after = {"renamed": len(pairs), "files": [new for _, new in pairs]}
    audit.record_run("rename_stored_files", RUN_KIND, now=now, after=after)
    for old, new in pairs:
        storage().move(old, new)
        report.renamed += 1


def _delete(names: Sequence[str], report: Report, now: datetime) -> None:
    refuse_while_running()
    # First the row, so that there is no deletion without one.
    after = {"removed": len(names), "files": list(names)}
    audit.record_run("delete_stored_files", RUN_KIND, now=now, after=after)
    left = forget(names)
    for name in left:
        report.not_deleted.add(name)
    report.deleted += len(names) - len(left)


def copy(folder: str, *, now: datetime, dry_run: bool) -> Copied:
    """Copy the files that rows name and the storage lacks from a folder. Raises StorageFull, StorageUnavailable.

    A file that is still to be renamed is stored under its new name.
    """
    origin = LocalStorage(location=folder, base_url=settings.MEDIA_URL)
    report = Copied()

    def copied(missing: tuple[NamedFile, Sequence[str]]) -> bool:
        row, names = missing
        found = next(filter(origin.exists, (row.name, *names)), None)
        if found is not None and not dry_run:
            storage().save(row.name, ContentFile(origin.read(found)))
        return found is not None

    with closing(Comparison(sources())) as compared, ThreadPoolExecutor(COPIED_AT_ONCE) as pool:
        report.present = compared.rows.count
        for batch in batched(compared.missing(), BATCH):
            report.present -= len(batch)
            for (row, _), is_copied in zip(batch, pool.map(copied, batch), strict=True):
                if is_copied:
                    report.copied += 1
                else:
                    report.missing.add({"name": row.name, "kind": row.kind, "id": row.row_id})
    if report.copied and not dry_run:
        audit.record_run("copy_stored_files", RUN_KIND, now=now, after={"copied": report.copied})
    return report
