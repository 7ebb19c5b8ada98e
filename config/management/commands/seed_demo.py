"""Create the demo data."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from common.commands import OperatorCommand, Outcome
from config import demo, world


class Command(OperatorCommand):
    help = (
        "Create the demo data with times around now: fifty users with photos, and streams in every state, past and\n"
        "planned, in Turkish and English. If it exists already, nothing happens. In the embedded database it has the\n"
        "public passwords of config/world.py. Any other database is refused unless it has no users and\n"
        "--external-database is given. Then the passwords are random and printed once."
    )
    examples = (
        "python manage.py seed_demo --dry-run",
        "python manage.py seed_demo",
        "python manage.py seed_demo --json",
        "python manage.py seed_demo --close",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        demo.add_flag(parser)
        parser.add_argument(
            "--close",
            action="store_true",
            help="close the accounts that have a public password, in any database, and create nothing",
        )

    def work(self, **options: Any) -> Outcome:
        if options["close"]:
            return self._close(dry_run=options["dry_run"])
        demo.refuse_wrong_database(is_external_wanted=options["external_database"])
        if options["dry_run"]:
            missing = not world.is_seeded()
            text = "The demo data would be created." if missing else "The demo data exists already."
            return Outcome({"dry_run": True, "seeded": missing}, text)
        accounts = demo.accounts_for_this_database()
        if not world.seed(timezone.now(), accounts):
            return Outcome({"dry_run": False, "seeded": False}, "The demo data exists already.")
        facts = {"dry_run": False, "seeded": True, "accounts": [asdict(account) for account in accounts]}
        text = f"{len(world.PEOPLE)} people and their streams were made."
        if not demo.is_embedded():
            text = f"{text} These passwords are shown only now:\n\n{world.table_of(accounts)}"
        return Outcome(facts, text)

    def _close(self, *, dry_run: bool) -> Outcome:
        closed = [user.username for user in demo.open_accounts()] if dry_run else demo.close_accounts()
        verb = "would be closed" if dry_run else "closed"
        text = f"Accounts {verb}: {', '.join(closed)}." if closed else "No account opens with a public password."
        return Outcome({"dry_run": dry_run, "closed": closed}, text)
