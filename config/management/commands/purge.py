"""Remove what is past its retention."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from common import retention
from common.commands import OperatorCommand, Outcome
from common.items import Items


class Command(OperatorCommand):
    help = (
        "Remove what is past its retention: deleted streams with their pictures, sessions, notifications, records of\n"
        "streams that are over, and jobs. Old months of the audit trail become files (see docs/retention.md).\n"
        "docs/retention.md lists every table, with how long its rows are kept.\n"
        "Each kind leaves a row in the audit trail.\n"
        "A dry run counts what would be removed of each kind, with the time of the oldest.\n"
        "A stream that other rows still refer to is kept and counted.\n"
        "What cannot be removed does not stop the rest; it is reported, and the exit code is 1.\n"
        "The command can run several times at once: each row is removed once. After an interruption run it again."
    )
    examples = (
        "python manage.py purge --dry-run",
        "python manage.py purge",
        "python manage.py purge --json",
        "python manage.py purge --tables",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tables", action="store_true", help="print how long each table is kept, and do nothing")

    def work(self, **options: Any) -> Outcome:
        if options["tables"]:
            return _tables()
        return _purged(dry_run=options["dry_run"])


def _tables() -> Outcome:
    facts = [
        {"table": table, "kind": each.name, "setting": each.setting, "fixed": each.fixed}
        if isinstance(each, retention.Retention)
        else {"table": table, "until": each.until}
        for table, declared in retention.by_table().items()
        for each in declared
    ]
    lines = [f"| `{fact['table']}` | {_how_long(fact)} |" for fact in facts]
    return Outcome({"tables": facts}, "\n".join(["| table | its rows are kept |", "|---|---|", *lines]))


def _how_long(fact: dict[str, str]) -> str:
    if "until" in fact:
        return fact["until"]
    return f"kind `{fact['kind']}`: " + (f"`{fact['setting']}`" if fact["setting"] else fact["fixed"])


def _purged(*, dry_run: bool) -> Outcome:
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
        "oldest": {name: removal.oldest for name, removal in result.items() if removal.oldest is not None},
        "ids": ids,
        "kept": len(kept),
        "kept_ids": kept,
        "files_left": files_left,
        "notes": notes,
        "failed": items.failed,
    }
    verb = "would be removed" if dry_run else "removed"
    lines = ids if dry_run else []
    lines = [*lines, *(f"{name.replace('_', ' ')}: {_counted(removal, verb)}" for name, removal in result.items())]
    problems = [f"{stream_id} is kept: other rows still refer to it" for stream_id in kept]
    problems += [f"the file {name} could not be removed; remove it by hand" for name in files_left]
    problems += items.problems
    return Outcome(facts, "\n".join([*lines, *notes]), "\n".join(problems))


def _counted(removal: retention.Removal, verb: str) -> str:
    oldest = f", the oldest of {removal.oldest:%Y-%m-%d %H:%M} UTC" if removal.oldest else ""
    return f"{removal.count} {verb}{oldest}"
