"""Find out what is wrong with this installation."""

from typing import Any

from common.commands import OperatorCommand, Outcome
from common.doctor import Finding, Severity, examine


class Command(OperatorCommand):
    help = (
        "Look at the database, its migrations and its clock, the keys, the storage, the settings and\n"
        "the identity provider; tell what is wrong, what that means, and how to mend it. Warnings alone\n"
        "end with 0."
    )
    examples = (
        "python manage.py doctor",
        "python manage.py doctor --json",
    )
    # It is run when things are broken: what Django itself would refuse to start over is for us to tell.
    requires_system_checks = ()

    def work(self, **options: Any) -> Outcome:
        findings = examine()
        errors = sum(finding.severity is Severity.ERROR for finding in findings)
        facts = {
            "errors": errors,
            "warnings": len(findings) - errors,
            "findings": [finding.as_facts() for finding in findings],
        }
        text = "\n\n".join(map(self._told, findings)) or "Nothing is wrong."
        return Outcome(facts, text, f"{errors} errors found." if errors else "")

    def _told(self, finding: Finding) -> str:
        paint = self.style.ERROR if finding.severity is Severity.ERROR else self.style.WARNING
        head = paint(f"{finding.severity}: {finding.code}")
        return f"{head}\n  {finding.meaning}\n  Remedy: {finding.remedy}"
