"""Remove what is past its retention."""

from typing import Any

from django.utils import timezone

from common import retention
from common.commands import OperatorCommand, Outcome
from common.items import Items


class Command(OperatorCommand):
    help = (
        "Remove what is past its retention: deleted streams with their pictures, sessions, notifications, records of\n"
        "streams that are over, and jobs. Old months of the audit trail become files (see docs/operations.md).\n"
        "The settings *_RETENTION_* say how long each is kept. Each kind leaves a row in the audit trail.\n"
        "A stream that other rows still refer to is kept and counted.\n"
        "What cannot be removed does not stop the rest; it is reported, and the exit code is 1.\n"
        "The command can run several times at once: each row is removed once."
    )
    examples = (
        "python manage.py purge --dry-run",
        "python manage.py purge",
        "python manage.py purge --json",
    )
    changes_data = True

    def work(self, **options: Any) -> Outcome:
        dry_run = options["dry_run"]
        items = Items("purge")
        result = retention.run(now=timezone.now(), dry_run=dry_run, items=items)
        by_kind = list(result.values())
        ids = [each for removal in by_kind for each in removal.ids]
        kept = [each for removal in by_kind for each in removal.kept_ids]
        files_left = [name for removal in by_kind for name in removal.files_left]
        notes = [note for removal in by_kind for note in removal.notes]
        facts = {
            "dry_run": dry_run,
            "removed": {name: removal.count for name, removal in result.items()},
            "ids": ids,
            "kept": len(kept),
            "kept_ids": kept,
            "files_left": files_left,
            "notes": notes,
            "failed": items.failed,
        }
        verb = "would be removed" if dry_run else "removed"
        lines = ids if dry_run else []
        lines = [*lines, *(f"{name.replace('_', ' ')}: {removal.count} {verb}" for name, removal in result.items())]
        problems = [f"{stream_id} is kept: other rows still refer to it" for stream_id in kept]
        problems += [f"the file {name} could not be removed; remove it by hand" for name in files_left]
        problems += items.problems
        return Outcome(facts, "\n".join([*lines, *notes]), "\n".join(problems))
