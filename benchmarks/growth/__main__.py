"""`make bench-lists`: what each list of the API costs in worlds of three sizes.

The lists, orders and filters are those of the OpenAPI document, so that none is forgotten. The calls run in this
process.
"""

import argparse
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from benchmarks import report
from benchmarks.growth import plot
from benchmarks.growth.cases import Case, cases
from benchmarks.growth.rows import Size, fill_in_bulk
from benchmarks.own_database import own_database
from benchmarks.report import say

SMALL = Size(
    users=5_000,
    streams=10_000,
    bans=20_000,
    viewers=1_000,
    watched=20_000,
    reminders=20_000,
    notifications=50_000,
    reports=20_000,
)
BIG = Size(
    users=101_000,
    streams=1_000_000,
    bans=1_000_000,
    viewers=100_000,
    watched=2_000_000,
    reminders=1_000_000,
    notifications=3_000_000,
    reports=1_000_000,
)
HUGE = Size(
    users=1_000_000,
    streams=10_000_000,
    bans=10_000_000,
    viewers=100_000,
    reminders=10_000_000,
    notifications=10_000_000,
    reports=5_000_000,
)
SIZES = (SMALL, BIG, HUGE)
REPEATED = 7
GOAL = 1.5


@dataclass(frozen=True)
class Cost:
    """Milliseconds, medians."""

    sql: float
    whole: float


type Costs = dict[tuple[str, bool], Cost]


class Measuring:
    """Calls as a superuser, whose own lists have what others have too."""

    def __init__(self) -> None:
        from django.utils import timezone  # noqa: PLC0415 - after django.setup
        from rest_framework.test import APIClient  # noqa: PLC0415

        from accounts import services, tokens  # noqa: PLC0415
        from accounts.models import User  # noqa: PLC0415
        from livestreams.models import LiveStream  # noqa: PLC0415

        user = User.objects.get(username="user7")
        user.is_superuser = True
        user.set_password("measured")
        user.save()
        session = services.log_in("user7", "measured", now=timezone.now())
        self.client = APIClient()
        self.token = str(tokens.AccessToken.of(session, now=timezone.now()))
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.token}")
        stream, channel = LiveStream.objects.order_by("pk").values_list("pk", "channel_name")[0]
        self.ids = {"user": user.pk, "stream": stream, "channel": channel}

    def cost(self, case: Case, *, after: bool) -> Cost | None:
        """Of one call; after the first page if `after`. None without such a page."""
        path, query = case.call(self.ids)
        if after:
            cursor = self._call(path, query)[0].headers.get("X-Next-Cursor")
            if cursor is None:
                return None
            query["after"] = cursor
        costs = [self._call(path, query)[1] for _ in range(2 + REPEATED)][2:]
        return Cost(statistics.median(cost.sql for cost in costs), statistics.median(cost.whole for cost in costs))

    def _call(self, path: str, query: dict[str, Any]) -> tuple[Any, Cost]:
        from django.db import connection  # noqa: PLC0415

        spent = 0.0

        def timed(execute: Any, *arguments: Any) -> Any:
            nonlocal spent
            begin = perf_counter()
            try:
                return execute(*arguments)
            finally:
                spent += perf_counter() - begin

        begin = perf_counter()
        with connection.execute_wrapper(timed):
            answer = self.client.get(path, query)
        whole = perf_counter() - begin
        if answer.status_code != 200:
            raise AssertionError(f"{path} {query}: {answer.status_code} {answer.content.decode()[:300]}")
        return answer, Cost(spent * 1000, whole * 1000)


def measured(document: dict[str, Any], only: re.Pattern[str]) -> Costs:
    """The costs of the cases whose text has a match of `only`."""
    measuring = Measuring()
    found: Costs = {}
    for case in cases(document):
        if not only.search(str(case)):
            continue
        for after in (False, True) if case.has_pages and "page" not in case.query else (False,):
            cost = measuring.cost(case, after=after)
            if cost is not None:
                found[str(case), after] = cost
    return found


def written(sizes: Sequence[Size], found: Sequence[Costs]) -> str:
    """The report. `found` has the costs at each of the sizes, the smallest first."""
    small, largest = found[0], found[-1]
    rows = []
    for name, after in largest:
        costs = [one.get((name, after)) for one in found]
        ratio = f"{largest[name, after].whole / small[name, after].whole:.2f}" if (name, after) in small else ""
        figures = [figure for cost in costs for figure in _figures(cost)]
        rows.append([f"{name}{' after' if after else ''}", *figures, ratio])
    ratios = [float(row[-1]) for row in rows if row[-1]]
    over = sum(ratio > GOAL for ratio in ratios)
    worlds = "\n".join(f"- {size}" for size in sizes)
    head = ["list", *(f"{title} {size.streams:,}" for size in sizes for title in ("call,", "SQL,")), "×"]
    return f"""# What lists cost as the tables grow

Written by `make bench-lists`. Medians of {REPEATED} calls, in ms: the whole call, and what of it is PostgreSQL.
`×` compares the whole call in the largest world with that in the smallest. The worlds:

{worlds}

- {datetime.now(UTC):%Y-%m-%d}; {report.hardware()}.
- {len(rows)} lists, orders and filters. Median ratio {statistics.median(ratios):.2f}; {over} cost more than {GOAL}
  times as much in the largest world.

![Milliseconds of each list by the number of streams](growth.png)

{report.table(head, rows)}"""


def _figures(cost: Cost | None) -> list[str]:
    return [f"{cost.whole:.1f}", f"{cost.sql:.1f}"] if cost else ["", ""]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--sizes", type=int, choices=[1, 2, 3], default=2, help="how many worlds, from the smallest (2)"
    )
    parser.add_argument(
        "--only",
        type=re.compile,
        metavar="PATTERN",
        help="measure only the cases of which a part matches this regular expression, and write no report",
    )
    options = parser.parse_args()
    report.load_before()
    with own_database("growth"):
        return run(SIZES[: options.sizes], options.only)


def run(sizes: Sequence[Size], only: re.Pattern[str] | None = None) -> int:
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    document: Any = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    found = []
    for size in sizes:
        say(f"Loading {size}")
        began = perf_counter()
        with connection.cursor() as cursor:
            fill_in_bulk(cursor, size)
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
        say(f"Loaded in {perf_counter() - began:.0f} s")
        found.append(measured(document, only or re.compile("")))
        say(f"Measured, {perf_counter() - began:.0f} s")
    text = written(sizes, found)
    print(text)
    if len(sizes) > 1 and only is None:
        plot.draw([size.streams for size in sizes], found)
        report.write(text, "lists.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
