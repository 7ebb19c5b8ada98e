"""Replace the key that signs join tokens."""

from typing import Any

from django.utils import timezone

from common.commands import OperatorCommand, Outcome
from edges.services import KEY_PUBLISHED_BEFORE, rotate_join_key


class Command(OperatorCommand):
    help = (
        "Make a new key for join tokens. It is published at once and signs from some seconds later on, so that every\n"
        "process and every edge knows it by then; the old key stays public until its last token has lapsed.\n"
        "While a new key waits for its turn nothing is done: any number of copies may run at once, for one new key."
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
            return Outcome(facts, "A new key waits for its turn already; nothing to do.")
        facts = {"dry_run": dry_run, "rotated": not dry_run, "old": rotation.old, "new": rotation.new}
        if dry_run:
            return Outcome(facts, f"The key {rotation.old or '(none yet)'} would be replaced.")
        if rotation.old is None:
            return Outcome(facts, f"The first key is {rotation.new}.")
        seconds = int(KEY_PUBLISHED_BEFORE.total_seconds())
        return Outcome(facts, f"The key {rotation.new} signs in {seconds} seconds, and {rotation.old} until then.")
