"""Run jobs: rounds, chunks, deliveries and tidying."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reminders.services.jobs import DELIVERING, TELLING
from reminders.worker import run


class Command(BaseCommand):
    help = (
        "Run jobs until SIGTERM or Ctrl-C, then finish those in hand. Any number of workers on any number of machines"
        " share the work; the jobs of one that is killed are taken over by the others."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--telling", type=int, default=2, help="chunks written at once (default 2)")
        parser.add_argument("--delivering", type=int, default=8, help="deliveries under way at once (default 8)")
        parser.add_argument("--until-idle", action="store_true", help="stop when nothing is left to do now")

    def handle(self, *args: Any, **options: Any) -> None:
        run(
            {TELLING: options["telling"], DELIVERING: options["delivering"]},
            until_idle=options["until_idle"],
        )
