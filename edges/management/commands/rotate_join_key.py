"""Replace the key that signs join tokens."""

from typing import Any

from django.utils import timezone

from common.commands import OperatorCommand, Outcome
from edges.services import KEY_PUBLISHED_BEFORE, rotate_join_key


class Command(OperatorCommand):
    help = (
        "Make a new key for join tokens. It is published at once and begins to sign some seconds later, when every\n"
        "process and every edge knows it. The old key stays published until its last token has expired.\n"
        "While a new key does not sign yet, nothing is done: several runs at once make one new key."
    )
    examples = (
        "python manage.py rotate_join_key --dry-run",
        "python manage.py rotate_join_key",
        "python manage.py rotate_join_key --json",
    )
    changes_data = True

    def work(self, **options: Any) -> Outcome:
        dry_run = options["dry_run"]
        rotation = rotate_join_key(by=None, now=timezone.now(), dry_run=dry_run)
        if rotation is None:
            facts = {"dry_run": dry_run, "rotated": False, "old": None, "new": None}
            return Outcome(facts, "There is a new key already, which does not sign yet; nothing to do.")
        facts = {"dry_run": dry_run, "rotated": not dry_run, "old": rotation.old, "new": rotation.new}
        if dry_run:
            return Outcome(facts, f"The key {rotation.old or '(none yet)'} would be replaced.")
        if rotation.old is None:
            return Outcome(facts, f"The first key is {rotation.new}.")
        seconds = int(KEY_PUBLISHED_BEFORE.total_seconds())
        return Outcome(facts, f"The key {rotation.new} signs in {seconds} seconds, and {rotation.old} until then.")
