"""The base of management commands for operators: output, exit codes, progress bars, audit trail."""

import sys
from abc import abstractmethod
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import OperationalError, ProgrammingError
from django.db.models import QuerySet
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from common.command_values import reason
from common.entry_points import EntryPoint, called_through
from common.error_texts import first_line
from common.pages import in_pages
from common.postgres.faults import is_denied

BATCH = 500
EXIT_CODES = """
exit codes:
  0    done, or nothing to do
  1    problems were found, or a part could not be done; the output says which
  2    wrong use
  130  stopped with Ctrl-C; what was done stays done
"""


@dataclass(frozen=True)
class Outcome:
    """The result of a command: `facts` for --json, `text` otherwise; with a `problem` the exit code is 1."""

    facts: dict[str, Any]
    text: str
    problem: str = ""


class HelpFormatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Keeps the line breaks of help texts and examples."""


class OperatorCommand(BaseCommand):
    """An idempotent command that prints its result as text or as JSON.

    Through `call_command` an exit code of 1 or 2 is a CommandError that carries it as `returncode`.
    """

    # The other checks are for developers. They import all views, which takes a third of the time of a short command.
    requires_system_checks: tuple[str, ...] = ("hooks",)
    examples: tuple[str, ...] = ()
    changes_data = False

    @abstractmethod
    def work(self, **options: Any) -> Outcome:
        """Raises CommandError on wrong use, with `returncode=2`."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        examples = "\n".join(f"  {example}" for example in self.examples)
        parser = super().create_parser(
            prog_name,
            subcommand,
            formatter_class=HelpFormatter,
            epilog=f"examples:\n{examples}\n{EXIT_CODES}",
            **kwargs,
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        if self.changes_data:
            parser.add_argument("--dry-run", action="store_true", help="say what would be done and change nothing")
        return parser

    def add_actions(self, parser: CommandParser) -> Any:
        """For a command that has several actions. Returns what `add_action` takes."""
        return parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add_action(self, actions: Any, name: str, text: str, *, changes_data: bool = False) -> ArgumentParser:
        """A parser for one action, with the options of all commands."""
        action: ArgumentParser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON object")
        if changes_data:
            action.add_argument(
                "--dry-run", action="store_true", default=SUPPRESS, help="say what would be done and change nothing"
            )
            action.add_argument("--reason", type=reason, required=True, help="why; the audit trail keeps it")
        return action

    def handle(self, *args: Any, **options: Any) -> None:
        with called_through(EntryPoint.COMMAND, uuid4().hex):
            try:
                outcome = self.work(**options)
            except KeyboardInterrupt:
                self.stderr.write("Stopped. What was done stays done; run it again for the rest.")
                raise
            except (ProgrammingError, OperationalError) as error:
                raise CommandError(_reason(error)) from error
        self.stdout.write(orjson.dumps(outcome.facts).decode() if options["json"] else outcome.text)
        if outcome.problem:
            raise CommandError(outcome.problem)

    def each_id(self, rows: QuerySet[Any], *, label: str) -> Iterator[str]:
        """The ids of `rows` in order, read in batches, with a progress bar on a terminal.

        Rows may leave the queryset meanwhile. A row that enters it below the last id is not among the results.
        """
        ids = in_pages(rows.values_list("pk", flat=True), size=BATCH, key=str)
        return self._with_bar(ids, total=rows.count() if sys.stderr.isatty() else None, label=label)

    @contextmanager
    def advancing(self, *, total: int, label: str) -> Iterator[Callable[[int], None]]:
        """Yields a function to call with the number of items done since its last call; a terminal shows a bar."""
        with self._bar() as progress:
            task = progress.add_task(label, total=total)
            yield lambda count: progress.advance(task, count)

    def each[T](self, rows: Collection[T], *, label: str) -> Iterator[T]:
        """The rows, with a progress bar on a terminal."""
        return self._with_bar(rows, total=len(rows), label=label)

    def _with_bar[T](self, ids: Iterable[T], *, total: int | None, label: str) -> Iterator[T]:
        with self._bar() as progress:
            yield from progress.track(ids, total=total, description=label)

    def _bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def _reason(error: ProgrammingError | OperationalError) -> str:
    if is_denied(error):
        return f"This role may not do that: let DATABASE_URL name the owner of the tables. ({first_line(error)})"
    if isinstance(error, ProgrammingError):
        return f"The database is not as this version needs it; run migrate. ({error})"
    return f"The database does not answer: {error}"


# --- the rows that a command is to change ---------------------------------------------------------


def refuse_unclear_choice(ids: Collection[Any], *, is_filtered: bool, all: bool) -> None:
    """Raises CommandError unless the rows are named in exactly one way: by ids, by filters or with --all."""
    if sum([bool(ids), is_filtered, all]) != 1:
        raise CommandError("ID: name ids, or filters, or --all, and only one of them.", returncode=2)


def refuse_missing(ids: Iterable[Any], found: Container[Any], *, kind: str) -> None:
    """Raises CommandError if any of the ids was not found. `kind` is the word for a row."""
    if missing := [str(each) for each in ids if each not in found]:
        raise CommandError(f"ID: there is no {kind} with the id {', '.join(missing)}.", returncode=2)
