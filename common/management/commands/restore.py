"""Restore a backup into an empty database."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from common.backup import folders, restoring
from common.backup.commands import BackupCommand
from common.backup.manifest import key_problem
from common.backup.restoring import Checked, Result
from common.commands import Outcome


class Command(BackupCommand):
    help = (
        "Restore a backup into the empty database that DATABASE_URL names, and its files into the storage of pictures\n"
        "and AUDIT_ARCHIVE_FOLDER. Stop servers and workers before. All is checked before anything is changed:\n"
        "checksums, versions, space, and that the database is empty. Then rows, seals and files are compared with the\n"
        "manifest, and the checks of doctor run; what doctor finds is shown and does not decide the exit code."
    )
    examples = (
        "python manage.py restore newest --dry-run",
        "python manage.py restore newest",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("backup", help="newest, the name of a folder in BACKUP_FOLDER, or a path")
        super().add_arguments(parser)

    def work_in(self, folder: Path, **options: Any) -> Outcome:
        checked = restoring.verify(folders.found(options["backup"], folder), self.advancing)
        problem = key_problem(checked.manifest)
        if options["dry_run"]:
            restoring.refuse(checked)
            text = f"{_described(checked)} can be restored."
            return Outcome(_facts(checked, dry_run=True), text, problem and f"{problem}.")
        if problem:  # before hours of work, and again at the end
            self.stderr.write(f"{problem}.")
        return _outcome(checked, restoring.restore(checked, now=timezone.now(), advancing=self.advancing))


def _outcome(checked: Checked, result: Result) -> Outcome:
    facts = _facts(checked, dry_run=False) | {
        "problems": result.problems,
        "findings": [finding.as_facts() for finding in result.findings],
        "missing_migrations": result.missing_migrations,
    }
    lines = [f"{_described(checked)} is restored."]
    lines += [f"doctor: {finding.severity}: {finding.code}: {finding.meaning}" for finding in result.findings]
    if result.missing_migrations:
        lines.append(
            f"The backup is of an older version: {result.missing_migrations} migrations are missing. Run migrate, and"
            " then doctor --audit and media check."
        )
    return Outcome(facts, "\n".join(lines), "\n".join(f"{problem}." for problem in result.problems))


def _facts(checked: Checked, *, dry_run: bool) -> dict[str, Any]:
    manifest = checked.manifest
    return {
        "dry_run": dry_run,
        "backup": str(checked.folder),
        "rows": sum(manifest.rows.values()),
        "pictures": manifest.pictures,
        "archives": manifest.archives,
        "made_at": manifest.made_at,
        "version": manifest.version,
    }


def _described(checked: Checked) -> str:
    manifest = checked.manifest
    rows = sum(manifest.rows.values())
    return f"{checked.folder}, made at {manifest.made_at}, with {rows:,} rows and {manifest.pictures:,} pictures,"
