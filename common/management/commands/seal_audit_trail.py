"""Seal the rows of the audit trail that have no seal yet."""

from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from common import seals
from common.commands import OperatorCommand, Outcome


class Command(OperatorCommand):
    help = (
        "Seal the rows of the audit trail that have no seal yet, one seal for each hour. Workers do it every\n"
        "hour; by hand where none runs, and before a backup or a handover. doctor --audit verifies the seals.\n"
        "Any number of copies may run at once: each seal is made once."
    )
    examples = (
        "python manage.py seal_audit_trail",
        "python manage.py seal_audit_trail --dry-run",
    )
    changes_data = True

    def work(self, **options: Any) -> Outcome:
        if options["dry_run"]:
            rows = seals.unsealed_rows()
            return Outcome({"dry_run": True, "rows": rows}, f"{rows} rows have no seal yet.")
        try:
            # Not logged: the output of the command is the copy outside the database.
            made = seals.seal_rows(now=timezone.now(), report=lambda seal: None)
        except seals.StillWriting as busy:
            raise CommandError(f"{busy} End them, or try again later.") from busy
        names = [f"{seal.number}:{seal.digest}" for seal in made]
        rows = sum(seal.rows for seal in made)
        return Outcome(
            {"dry_run": False, "rows": rows, "seals": names},
            "\n".join([*names, f"{len(made)} seals made over {rows} rows."]),
        )
