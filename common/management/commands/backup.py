"""Back up the database and the stored files, and verify a backup."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from common.backup import Refused, folders, making, restoring
from common.backup.commands import BackupCommand
from common.backup.progress import MEGABYTE
from common.commands import Outcome


class Command(BackupCommand):
    help = (
        "Write the database, the pictures and the archives of the audit trail to a new folder in BACKUP_FOLDER, with\n"
        "a manifest and checksums, while the service runs. The folder gets its name when it is whole. One backup of a\n"
        "database runs at a time. Programs of PostgreSQL's version are needed: see docs/backup.md."
    )
    examples = (
        "python manage.py backup --dry-run",
        "python manage.py backup",
        "python manage.py backup --keep 7 --json",
        "python manage.py backup --verify newest",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--keep", type=int, metavar="N", help="then remove all but the newest N backups there")
        parser.add_argument(
            "--verify", metavar="BACKUP", help="make none, but compare this one with its checksums: newest, or a folder"
        )

    def work_in(self, folder: Path, **options: Any) -> Outcome:
        keep, verify = options["keep"], options["verify"]
        if keep is not None and (keep < 1 or verify is not None):
            raise Refused("--keep", "must be at least 1, and is not for --verify")
        if verify is not None:
            return self._verified(folders.found(verify, folder), options["dry_run"])
        if options["dry_run"]:
            return self._planned(folder)
        return self._made(folder, keep)

    def _planned(self, folder: Path) -> Outcome:
        plan = making.plan(folder)
        facts = {
            "dry_run": True,
            "folder": str(folder),
            "programs": str(plan.programs.folder),
            "database_bytes": plan.database_bytes,
            "pictures_bytes": plan.pictures_bytes,
            "archives_bytes": plan.archives_bytes,
        }
        text = f"A backup in {folder} would need up to {_megabytes(plan.needed_bytes)}."
        return Outcome(facts, f"{text} pg_dump {plan.programs.version} is in {plan.programs.folder}.")

    def _made(self, folder: Path, keep: int | None) -> Outcome:
        made = making.make(folder, now=timezone.now(), keep=keep, advancing=self.advancing)
        manifest = made.manifest
        facts = {
            "dry_run": False,
            "backup": str(made.folder),
            "rows": sum(manifest.rows.values()),
            "pictures": manifest.pictures,
            "archives": manifest.archives,
            "bytes": manifest.files_bytes,
            "missing": {"count": manifest.missing_count, "first": manifest.missing},
            "removed": made.removed,
        }
        made_of = (
            f"{facts['rows']:,} rows, {manifest.pictures:,} pictures, {manifest.archives} archives of the audit trail"
        )
        lines = [f"{made.folder}: {made_of}, {_megabytes(manifest.files_bytes)}."]
        lines += [f"{name} was removed." for name in made.removed]
        problem = ""
        if manifest.missing_count:
            problem = (
                f"The backup is made, but {manifest.missing_count} files that rows name are missing, the first one"
                f" {manifest.missing[0]}. Run: python manage.py media check"
            )
        return Outcome(facts, "\n".join(lines), problem)

    def _verified(self, backup: Path, dry_run: bool) -> Outcome:
        checked = restoring.verify(backup, self.advancing)
        facts = {
            "dry_run": dry_run,
            "backup": str(backup),
            "files": checked.manifest.files,
            "bytes": checked.size,
            "made_at": checked.manifest.made_at,
            "version": checked.manifest.version,
        }
        text = f"{backup} is whole: {checked.manifest.files:,} files, {_megabytes(checked.size)}"
        return Outcome(facts, f"{text}, made at {checked.manifest.made_at} by version {checked.manifest.version}.")


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.1f} MB"
