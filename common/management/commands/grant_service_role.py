"""Let a role that does not own the tables run the service."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection, transaction

from common.commands import OperatorCommand, Outcome
from common.service_role import UnfitRole, grants


class Command(OperatorCommand):
    help = (
        "Give a role what the service and its workers need, and take all else from it: it reads and writes\n"
        "rows, but cannot change, remove or truncate those of the audit trail and its seals, nor alter any\n"
        "table. DATABASE_URL names the owner of the tables for this command. Run it once more after each\n"
        "migrate; repeating it changes nothing."
    )
    examples = (
        "python manage.py grant_service_role service --dry-run",
        "python manage.py grant_service_role service",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="the role that DATABASE_URL names for serve and worker; it exists already")

    @transaction.atomic
    def work(self, **options: Any) -> Outcome:
        try:
            statements = grants(options["role"])
        except UnfitRole as unfit:
            raise CommandError(str(unfit), returncode=2) from unfit
        if not options["dry_run"]:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        facts = {"dry_run": options["dry_run"], "role": options["role"], "statements": statements}
        script = "\n".join(f"{statement};" for statement in statements)
        return Outcome(facts, script if options["dry_run"] else f"{script}\nDone.")
