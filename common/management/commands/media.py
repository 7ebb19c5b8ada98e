"""Compare stored pictures with the rows that name them, and copy pictures to another storage."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from common.commands import OperatorCommand, Outcome
from common.storage import StorageFull, StorageUnavailable, checking, storage
from common.storage.backups import BackupRunning
from common.storage.checking import Copied, Names, Report
from common.storage.local import LocalStorage

SHOWN = 20  # of each kind, in the text


class Command(OperatorCommand):
    help = (
        "check: compare the stored pictures with the rows that name them. It finds orphans (files older than an hour\n"
        "that no row names, and temporary files that an interrupted upload left), holes (rows whose file is missing)\n"
        "and pictures of deleted rows that still have their published name. It changes nothing unless options say so.\n"
        "copy: copy what rows name, and the storage lacks, from the folder of pictures to the storage that\n"
        "MEDIA_STORAGE_… names (see docs/storage.md)."
    )
    examples = (
        "python manage.py media check",
        "python manage.py media check --json",
        "python manage.py media check --delete-orphans --dry-run",
        "python manage.py media check --delete-orphans --rename",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("check", "copy"), help="what to do")
        parser.add_argument("--delete-orphans", action="store_true", help="check: delete the orphans")
        parser.add_argument("--rename", action="store_true", help="check: give pictures the names that their rows have")
        parser.add_argument(
            "--from", dest="folder", default="", help="copy: the folder to copy from; by default media in KUMANDA_DATA"
        )

    def work(self, **options: Any) -> Outcome:
        try:
            if options["action"] == "copy":
                return self._copy(**options)
            return self._check(**options)
        except BackupRunning as running:
            raise CommandError(f"{running} Run it again when the backup has ended.") from running
        except (StorageUnavailable, StorageFull) as refusal:
            raise CommandError(f"The storage does not do it: {refusal.__cause__ or refusal.message}") from refusal

    def _check(self, *, delete_orphans: bool, rename: bool, dry_run: bool, folder: str, **options: Any) -> Outcome:
        if folder:
            raise CommandError("--from is for copy.", returncode=2)
        report = checking.check(now=timezone.now(), delete=delete_orphans, rename=rename, dry_run=dry_run)
        lines = [f"{report.files} files and {report.rows} names of files in rows were compared in {storage().place}."]
        for names, text in (
            (report.orphans, "orphans, files that no row names"),
            (report.temporary, "temporary files of interrupted uploads"),
            (report.holes, "holes, rows whose file is missing"),
            (report.unrenamed, "pictures of deleted rows that still have their published name"),
        ):
            lines += _listed(names, text)
        if report.other_files:
            lines.append(f"{report.other_files} other files are left alone: they are no pictures.")
        for count, text in ((report.deleted, "deleted"), (report.renamed, "renamed")):
            if count:
                lines.append(f"{count} files were {text}.")
        return Outcome(_facts(report, dry_run=dry_run), "\n".join(lines), _problem(report, delete_orphans, rename))

    def _copy(self, *, delete_orphans: bool, rename: bool, dry_run: bool, folder: str, **options: Any) -> Outcome:
        if delete_orphans or rename:
            raise CommandError("--delete-orphans and --rename are for check.", returncode=2)
        origin, target = Path(folder or settings.MEDIA_ROOT).resolve(), storage()
        if not origin.is_dir():
            raise CommandError(f"There is no folder {origin}.", returncode=2)
        if isinstance(target, LocalStorage) and origin == Path(settings.MEDIA_ROOT).resolve():
            raise CommandError("Set MEDIA_STORAGE_KIND=s3, or name another folder with --from.", returncode=2)
        copied = checking.copy(str(origin), now=timezone.now(), dry_run=dry_run)
        verb = "would be copied" if dry_run else "were copied"
        lines = [f"{copied.copied} files {verb}, {copied.present} are in the storage."]
        lines += _listed(copied.missing, "files are neither here nor there")
        facts = {
            "dry_run": dry_run,
            "copied": copied.copied,
            "present": copied.present,
            "missing": copied.missing.as_facts(),
        }
        return Outcome(facts, "\n".join(lines), _problem_of_copy(copied))


def _listed(names: Names, text: str) -> list[str]:
    if not names.count:
        return []
    shown = [f"  {one if isinstance(one, str) else _described(one)}" for one in names.first[:SHOWN]]
    more = [f"  and {names.count - SHOWN} more"] if names.count > SHOWN else []
    return [f"{names.count} {text}:", *shown, *more]


def _described(row: dict[str, str]) -> str:
    now = f", which is {row['now']}" if "now" in row else ""
    return f"{row['name']} of {row['kind']} {row['id']}{now}"


def _facts(report: Report, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "storage": storage().place,
        "files": report.files,
        "rows": report.rows,
        "orphans": report.orphans.as_facts(),
        "temporary": report.temporary.as_facts(),
        "holes": report.holes.as_facts(),
        "unrenamed": report.unrenamed.as_facts(),
        "other_files": report.other_files,
        "deleted": report.deleted,
        "renamed": report.renamed,
        "not_deleted": report.not_deleted.as_facts(),
    }


def _problem(report: Report, delete: bool, rename: bool) -> str:
    problems = []
    if report.holes.count:
        problems.append(f"{report.holes.count} files are missing; restore them from a backup, or replace the pictures.")
    if report.not_deleted.count:
        problems.append(f"{report.not_deleted.count} files could not be deleted; the log says why.")
    unnamed = report.orphans.count + report.temporary.count
    if unnamed and not delete:
        problems.append(f"{unnamed} files are left of interrupted changes; delete them with --delete-orphans.")
    if report.unrenamed.count and not rename:
        problems.append(f"{report.unrenamed.count} pictures of deleted rows can be reached; rename them with --rename.")
    return "\n".join(problems)


def _problem_of_copy(copied: Copied) -> str:
    return f"{copied.missing.count} files are missing." if copied.missing.count else ""
