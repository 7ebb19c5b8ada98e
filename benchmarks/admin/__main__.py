"""`make bench-admin`: every page, search and filter of the admin with millions of bans, people and audit rows.

The pages are those of the admin's registry, so that none is forgotten. The requests run in this process: as a moderator
those that a moderator may send, the others as a superuser.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from benchmarks import report
from benchmarks.own_database import own_database
from benchmarks.report import say

if TYPE_CHECKING:
    from benchmarks.admin.cases import Case
    from benchmarks.admin.rows import AdminSize

REPEATED = 20
LONGEST = 60  # seconds for all calls of a page
MOST_STATEMENTS, MOST_MS = 15, 200
MOST_STATEMENTS_OF_FRONT_PAGE, MOST_MS_OF_FRONT_PAGE = 8, 100


class Call(NamedTuple):
    """Milliseconds, but for the status and the number of statements."""

    status: int
    whole: float
    sql: float
    cpu: float
    statements: int


@dataclass(frozen=True)
class Cost:
    """Of a page in ms: whole calls, the median of what of them is PostgreSQL, and the mean of the CPU time of both."""

    statements: int
    whole: list[float]
    sql: float
    cpu: float

    @property
    def median(self) -> float:
        return statistics.median(self.whole)

    @property
    def p95(self) -> float:
        return sorted(self.whole)[ceil(0.95 * len(self.whole)) - 1]


@dataclass(frozen=True)
class Measured:
    title: str
    role: str
    is_front_page: bool
    cost: Cost | None
    status: int

    @property
    def faults(self) -> list[str]:
        if self.cost is None:
            return [f"answered with {self.status}"]
        statements, milliseconds = (
            (MOST_STATEMENTS_OF_FRONT_PAGE, MOST_MS_OF_FRONT_PAGE) if self.is_front_page else (MOST_STATEMENTS, MOST_MS)
        )
        return [
            *([f"{self.cost.statements} statements"] if self.cost.statements > statements else []),
            *([f"p95 {self.cost.p95:,.0f} ms"] if self.cost.p95 > milliseconds else []),
        ]


class Measuring:
    def __init__(self, longest: float) -> None:
        from django.contrib.auth.models import Group  # noqa: PLC0415 - after django.setup
        from django.test import Client  # noqa: PLC0415

        from accounts.models import User  # noqa: PLC0415

        self.longest = longest
        self.root = User.objects.create_superuser("bench.root", "measured")
        moderator = User.objects.create_user("bench.moderator", is_staff=True)
        moderator.groups.add(Group.objects.get(name="Moderators"))
        self.clients = {"moderator": Client(), "superuser": Client()}
        self.clients["moderator"].force_login(moderator)
        self.clients["superuser"].force_login(self.root)

    def measured(self, case: "Case") -> Measured | None:
        """None if there is no such page, such as the form of an action that the state of the row does not allow."""
        status = 0
        for role, client in self.clients.items():
            status = self._call(client, case).status
            if status == 200 or (status == 302 and case.leads_on):
                return Measured(str(case), role, case.is_front_page, self._cost(client, case), status)
        return None if status in {302, 403, 405} else Measured(str(case), "superuser", case.is_front_page, None, status)

    def _cost(self, client: Any, case: "Case") -> Cost:
        self._call(client, case)
        calls: list[Call] = []
        began = perf_counter()
        while len(calls) < REPEATED and perf_counter() - began < self.longest:
            calls.append(self._call(client, case))
        return Cost(
            statements=max(call.statements for call in calls),
            whole=[call.whole for call in calls],
            sql=statistics.median(call.sql for call in calls),
            cpu=statistics.fmean(call.cpu for call in calls),  # some systems count it in steps of 10 ms
        )

    def _call(self, client: Any, case: "Case") -> Call:
        from django.db import connection  # noqa: PLC0415

        spent, count = 0.0, 0

        def timed(execute: Any, *arguments: Any) -> Any:
            nonlocal spent, count
            count += 1
            begin = perf_counter()
            try:
                return execute(*arguments)
            finally:
                spent += perf_counter() - begin

        begin, used = perf_counter(), _cpu_seconds(connection)
        with connection.execute_wrapper(timed):
            answer = client.get(case.path, case.query)
            answer.getvalue()
        whole, cpu = perf_counter() - begin, _cpu_seconds(connection) - used
        return Call(answer.status_code, whole * 1000, spent * 1000, cpu * 1000, count)


def _cpu_seconds(connection: Any) -> float:
    """Of this process, and of the process of PostgreSQL that serves it. Parallel workers do not count."""
    connection.ensure_connection()
    backend = psutil.Process(connection.connection.info.backend_pid).cpu_times()
    return process_time() + backend.user + backend.system


def measured(measuring: Measuring) -> Iterator[Measured]:
    from benchmarks.admin.cases import cases  # noqa: PLC0415 - after django.setup

    for case in cases(measuring.root):
        one = measuring.measured(case)
        if one is not None:
            if one.faults:
                say(f"{one.title}: {', '.join(one.faults)}")
            yield one


def written(size: "AdminSize", found: Sequence[Measured]) -> str:
    """The report."""
    failing = [one for one in found if one.faults]
    head = ["page", "as", "statements", "median, ms", "p95, ms", "SQL, ms", "CPU, ms"]
    times = [one.cost.p95 for one in found if one.cost]
    return f"""# The admin with millions of rows

Written by `make bench-admin`. {REPEATED} calls of each page (fewer of slow ones) after two that are not counted, in one
process and without a network. Allowed are {MOST_STATEMENTS} statements and a 95th percentile of {MOST_MS} ms; for the
front page {MOST_STATEMENTS_OF_FRONT_PAGE} and {MOST_MS_OF_FRONT_PAGE} ms. SQL is the time that a call waits for
PostgreSQL; CPU is that of both processes, which depends little on what else the machine does.

- {datetime.now(UTC):%Y-%m-%d}; {report.hardware()}.
- {size.rows.bans + size.evening:,} bans, {size.rows.users:,} people, {size.rows.streams:,} streams,
  {size.audited:,} audit rows, {size.rows.reports // 10:,} cases, {size.rows.reminders:,} reminders,
  {size.rounds:,} rounds.
- {len(found)} pages, orders, filters and searches; {len(failing)} are above what is allowed. Median p95
  {statistics.median(times):.0f} ms.

## Above what is allowed

{report.table([*head, "why"], [[*_line(one), ", ".join(one.faults)] for one in failing]) if failing else "None."}

## All

{report.table(head, map(_line, found))}"""


def _line(one: Measured) -> list[str]:
    figures = [""] * 5
    if one.cost:
        figures = [
            str(one.cost.statements),
            *(f"{figure:,.1f}" for figure in (one.cost.median, one.cost.p95, one.cost.sql, one.cost.cpu)),
        ]
    return [f"`{one.title.replace('|', '∣')}`", one.role, *figures]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin", description=__doc__)
    parser.add_argument("--divide", type=int, default=1, help="by which all numbers of rows are divided (1)")
    parser.add_argument("--longest", type=float, default=LONGEST, help=f"seconds for all calls of a page ({LONGEST})")
    options = parser.parse_args()
    report.load_before()
    with own_database("admin"):
        return run(options.divide, options.longest)


def run(divide: int, longest: float) -> int:
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from benchmarks.admin.rows import MILLIONS, fill_for_admin  # noqa: PLC0415

    settings.NOTIFICATION_CHANNELS = dict(settings.KNOWN_CHANNELS)  # the values of a filter
    call_command("migrate", verbosity=0)
    size = MILLIONS.divided(divide)
    say(f"Loading {size}")
    began = perf_counter()
    with connection.cursor() as cursor:
        fill_for_admin(cursor, size)
        cursor.execute("VACUUM (FULL) bans_livestreamban")
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")
    say(f"Loaded in {perf_counter() - began:.0f} s")
    found: list[Measured] = []
    try:
        found.extend(measured(Measuring(longest)))
    except KeyboardInterrupt:
        say("Stopped; this is what was measured before")
        print(written(size, found))
        return 130
    say(f"Measured, {perf_counter() - began:.0f} s")
    text = written(size, found)
    print(text)
    if divide == 1:
        report.write(text, "admin.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
