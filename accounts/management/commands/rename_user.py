"""Give a user another username."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts.management.people import found
from accounts.services import rename_user
from common.commands import OperatorCommand, Outcome
from common.refusals import Invalid


class Command(OperatorCommand):
    help = (
        "Give a user another username, instead of one that looks like the name of a member of staff or like an id,\n"
        "or that becomes equal to another. Sessions stay open; the next login needs the new username, so inform the\n"
        "user."
    )
    examples = (
        "python manage.py rename_user viewer other.viewer --dry-run",
        "python manage.py rename_user viewer other.viewer --json",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "user", help="the id or the present username; a text that looks like an id is taken for one"
        )
        parser.add_argument("username", help="the new username")
        parser.add_argument("--reason", default="", help="what the audit trail keeps as the reason")

    def work(self, **options: Any) -> Outcome:
        user = found(options["user"])
        with transaction.atomic():
            try:
                renamed = rename_user(
                    user.pk, options["username"], by=None, now=timezone.now(), reason=options["reason"]
                )
            except Invalid as refusal:
                raise CommandError(refusal.reasons[0], returncode=2) from refusal
            transaction.set_rollback(options["dry_run"])
        facts = {"dry_run": options["dry_run"], "id": user.pk, "old": user.username, "new": renamed.username}
        done = "would be" if options["dry_run"] else "is now"
        return Outcome(facts, f"{user.username} (id {user.pk}) {done} {renamed.username}.")
