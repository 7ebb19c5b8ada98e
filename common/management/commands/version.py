"""Which versions run here: of the service, of Django, of the database and of its tables."""

from typing import Any

import django
from django.db import DatabaseError

from common import version
from common.commands import OperatorCommand, Outcome
from common.error_texts import first_line


class Command(OperatorCommand):
    help = (
        "Print the version of the service and of its checkout, of Django and of the database, and whether all\n"
        "migrations of this version are applied. Missing migrations, and a database that does not answer, are problems."
    )
    examples = (
        "python manage.py version",
        "python manage.py version --json",
    )

    def work(self, **options: Any) -> Outcome:
        facts: dict[str, Any] = {
            "version": version.service_version(),
            "commit": version.commit() or None,
            "django": django.get_version(),
            "postgresql": None,
            "migrations": None,
        }
        lines = [f"version {facts['version']}", f"commit {facts['commit'] or 'unknown'}", f"Django {facts['django']}"]
        try:
            postgresql = version.postgresql_version()
            known, applied = version.known_migrations(), version.applied_migrations()
        except DatabaseError as error:
            return Outcome(facts, "\n".join(lines), f"The database does not answer: {first_line(error)}")
        missing, unknown = sorted(known - set(applied)), sorted(set(applied) - known)
        facts |= {
            "postgresql": postgresql,
            "migrations": {"applied": len(applied), "missing": missing, "unknown": unknown},
        }
        lines += [f"PostgreSQL {postgresql}", f"{len(applied)} migrations applied, {len(missing)} missing"]
        if unknown:
            lines.append(f"{len(unknown)} are of another version: {', '.join(unknown)}")
        problem = f"{len(missing)} migrations are missing, first {missing[0]}. Run migrate." if missing else ""
        return Outcome(facts, "\n".join(lines), problem)
