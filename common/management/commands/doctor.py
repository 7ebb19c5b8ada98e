"""Find out what is wrong with this installation."""

import re
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser

from common import audit_doctor
from common.commands import OperatorCommand, Outcome
from common.doctor import Finding, Severity, examine
from common.seals import Verification

UNVERIFIABLE = frozenset(["database_unreachable", "migrations_missing"])


def logged_seal(text: str) -> tuple[int, str]:
    """`NUMBER:DIGEST` as `doctor --audit` and the log have it. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", text):
        raise ArgumentTypeError(f"must be a number, a colon and 64 hexadecimal digits, not {text!r}")
    number, _, digest = text.partition(":")
    return int(number), digest


class Command(OperatorCommand):
    help = (
        "Look at the database, its migrations and its clock, the keys, the storage, the settings and\n"
        "the identity provider; list what is wrong, what that means and how to fix it. Warnings alone\n"
        "end with 0. --audit also reads the whole audit trail and verifies its seals."
    )
    examples = (
        "python manage.py doctor",
        "python manage.py doctor --json",
        "python manage.py doctor --audit",
    )
    # It must also run when Django's system checks fail, to report the cause as a finding.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--audit", action="store_true", help="verify every seal of the audit trail")
        parser.add_argument(
            "--seal",
            type=logged_seal,
            action="append",
            default=[],
            metavar="NUMBER:DIGEST",
            help="with --audit: a seal as a worker's log has it, which the database must have too; repeatable",
        )

    def work(self, **options: Any) -> Outcome:
        if options["seal"] and not options["audit"]:
            raise CommandError("--seal needs --audit.", returncode=2)
        findings = examine()
        verified = None
        # Without the tables there is nothing to verify; a finding reports that they are missing.
        if options["audit"] and not {finding.code for finding in findings} & UNVERIFIABLE:
            with self.advancing(total=audit_doctor.rows_to_verify(), label="Verifying the audit trail") as advance:
                verified, found = audit_doctor.verify(dict(options["seal"]), advance)
            findings = found + findings
        errors = sum(finding.severity is Severity.ERROR for finding in findings)
        facts = {
            "errors": errors,
            "warnings": len(findings) - errors,
            "findings": [finding.as_facts() for finding in findings],
        }
        parts = [*map(self._text, findings)] or ["Nothing is wrong."]
        if verified is not None:
            facts["audit"] = self._facts(verified)
            parts.append(self._figures(verified))
        text = "\n\n".join(parts)
        return Outcome(facts, text, f"{errors} error{'s' if errors > 1 else ''} found." if errors else "")

    def _text(self, finding: Finding) -> str:
        paint = self.style.ERROR if finding.severity is Severity.ERROR else self.style.WARNING
        head = paint(f"{finding.severity}: {finding.code}")
        return f"{head}\n  {finding.meaning}\n  Remedy: {finding.remedy}"

    def _facts(self, verified: Verification) -> dict[str, Any]:
        newest = verified.last
        return {
            "seals": verified.seals,
            "rows": verified.rows,
            "unsealed_rows": verified.unsealed_rows,
            "redacted_rows": verified.redacted_rows,
            "redacted_people": verified.redacted_people,
            "newest_seal": None if newest is None else f"{newest.number}:{newest.digest}",
        }

    def _figures(self, verified: Verification) -> str:
        figures = f"{verified.seals} seals over {verified.rows} rows were computed again; {verified.unsealed_rows} rows"
        figures += " have no seal yet."
        if verified.redacted_rows:
            figures += f" {verified.redacted_rows} rows were redacted, for {verified.redacted_people} erased people."
        return f"{figures} Newest seal: {verified.last.number}:{verified.last.digest}" if verified.last else figures
