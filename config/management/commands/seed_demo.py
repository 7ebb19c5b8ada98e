"""Fill an empty database with the world of the demonstration."""

from typing import Any

from django.utils import timezone

from common.commands import OperatorCommand, Outcome
from config import world


class Command(OperatorCommand):
    help = (
        "Make a believable world around the present moment: fifty people with photos, and streams in every state,\n"
        "past and coming, in Turkish and English. Where it is already, nothing happens. Its passwords are known to\n"
        "everybody who reads this project: never run it on a server that others can reach."
    )
    examples = (
        "python manage.py seed_demo --dry-run",
        "python manage.py seed_demo",
        "python manage.py seed_demo --json",
    )
    changes_data = True

    def work(self, **options: Any) -> Outcome:
        if options["dry_run"]:
            missing = not world.is_there()
            return Outcome({"dry_run": True, "seeded": missing}, "It would be made." if missing else "It is there.")
        seeded = world.seed(timezone.now())
        text = f"{len(world.PEOPLE)} people and their streams were made." if seeded else "The world is there already."
        return Outcome({"dry_run": False, "seeded": seeded}, text)
