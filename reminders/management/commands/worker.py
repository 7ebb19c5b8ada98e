"""Run jobs: rounds, chunks, deliveries and tidying."""

from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter

from reminders.services.jobs import DELIVERING, TELLING
from reminders.worker import run

MOST_AT_ONCE = 100  # each has a thread and a connection to the database


def number(text: str) -> int:
    """How many jobs at once: 1 to MOST_AT_ONCE. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_AT_ONCE):
        raise ArgumentTypeError(f"must be a number from 1 to {MOST_AT_ONCE}, not {text!r}")
    return int(text)


class _HelpFormatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    pass


class Command(BaseCommand):
    # No OperatorCommand: it runs until it is stopped, so it has no outcome to tell, and what it does goes through the
    # door of tasks, each under the id of its job.
    help = (
        "Run jobs until SIGTERM or Ctrl-C, then finish those in hand. Any number of workers on any number of\n"
        "machines share the work; the jobs of one that is killed are taken over by the others."
    )
    examples = (
        "python manage.py worker",
        "python manage.py worker --telling 4 --delivering 16",
        "python manage.py worker --until-idle",
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        examples = "\n".join(f"  {example}" for example in self.examples)
        kwargs |= {"formatter_class": _HelpFormatter, "epilog": f"examples:\n{examples}\n"}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--telling", type=number, default=2, help="chunks written at once (default: %(default)s)")
        parser.add_argument(
            "--delivering", type=number, default=8, help="deliveries under way at once (default: %(default)s)"
        )
        parser.add_argument("--until-idle", action="store_true", help="stop when nothing is left to do now")

    def handle(self, *args: Any, **options: Any) -> None:
        run(
            {TELLING: options["telling"], DELIVERING: options["delivering"]},
            until_idle=options["until_idle"],
        )
