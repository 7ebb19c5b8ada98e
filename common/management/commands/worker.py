"""Run the background jobs of all queues."""

from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from common.commands import HelpFormatter
from common.jobs.worker import run

MOST_AT_ONCE = 100  # each has a thread and a connection to the database


def number(text: str) -> int:
    """How many jobs at once: 1 to MOST_AT_ONCE. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_AT_ONCE):
        raise ArgumentTypeError(f"must be a number from 1 to {MOST_AT_ONCE}, not {text!r}")
    return int(text)


class Command(BaseCommand):
    # Not an OperatorCommand: it runs until it is stopped, so it has no outcome to print, and the audit trail records
    # each of its jobs as a task with a request id of its own.
    help = (
        "Run jobs until SIGTERM or Ctrl-C, then finish those in hand. Any number of workers on any number of\n"
        "machines share the work; the jobs of one that is killed are taken over by the others."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        options = " ".join(f"--{queue} {2 * at_once}" for queue, (at_once, _) in settings.WORKER_QUEUES.items())
        examples = "".join(f"  python manage.py worker{words}\n" for words in ("", f" {options}", " --until-idle"))
        kwargs |= {"formatter_class": HelpFormatter, "epilog": f"examples:\n{examples}"}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        for queue, (at_once, what) in settings.WORKER_QUEUES.items():
            parser.add_argument(f"--{queue}", type=number, default=at_once, help=f"{what} (default: %(default)s)")
        parser.add_argument("--until-idle", action="store_true", help="stop when nothing is left to do now")

    def handle(self, *args: Any, **options: Any) -> None:
        run({queue: options[queue] for queue in settings.WORKER_QUEUES}, until_idle=options["until_idle"])
