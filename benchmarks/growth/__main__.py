"""`make bench-lists`: what each list of the API costs in a small and in a big world.

The lists, orders and filters are those of the OpenAPI document, so that none is forgotten. The calls run in this
process.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import report
from benchmarks.growth.cases import Case, cases
from benchmarks.growth.rows import Size, fill
from benchmarks.report import say
from common.postgres.embedded import server_in

OWNER = "kumanda"
SMALL = Size(
    users=5_000, streams=10_000, bans=20_000, viewers=1_000, watched=20_000, reminders=20_000, notifications=50_000
)
BIG = Size(
    users=101_000,
    streams=500_000,
    bans=1_000_000,
    viewers=100_000,
    watched=2_000_000,
    reminders=1_000_000,
    notifications=3_000_000,
)
REPEATED = 7
GOAL = 1.5


@dataclass(frozen=True)
class Cost:
    """Milliseconds, medians."""

    sql: float
    whole: float


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


def measured(document: dict[str, Any]) -> dict[tuple[str, bool], Cost]:
    measuring = Measuring()
    found: dict[tuple[str, bool], Cost] = {}
    for case in cases(document):
        for after in (False, True) if case.is_paged and "page" not in case.query else (False,):
            cost = measuring.cost(case, after=after)
            if cost is not None:
                found[str(case), after] = cost
    return found


def written(small: dict[tuple[str, bool], Cost], big: dict[tuple[str, bool], Cost]) -> str:
    rows = []
    for (name, after), cost in big.items():
        before = small.get((name, after))
        ratio = f"{cost.sql / before.sql:.1f}" if before else ""
        rows.append(
            [
                f"{name}{' after' if after else ''}",
                f"{before.sql:.1f}" if before else "",
                f"{cost.sql:.1f}",
                ratio,
                f"{cost.whole:.1f}",
            ]
        )
    over = sum(row[3] != "" and float(row[3]) > GOAL for row in rows)
    return f"""# What lists cost in a big world

Written by `make bench-lists`. Medians of {REPEATED} calls, in ms; `SQL` is the time in PostgreSQL. Small: {SMALL}.
Big: {BIG}.

- {datetime.now(UTC):%Y-%m-%d}; {report.hardware()}.
- {len(rows)} lists, orders and filters; {over} cost more than {GOAL} times as much in the big world.

{report.table(["list", "small, SQL", "big, SQL", "×", "big, all"], rows)}"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--small-only", action="store_true", help="measure the small world only, and write no report")
    options = parser.parse_args()
    report.load_before()
    folder = Path(tempfile.mkdtemp(prefix="kumanda-growth-"))
    server = server_in(folder, owner=OWNER)
    try:
        sockets = server.ensure_running()
        os.environ |= {
            "DATABASE_URL": f"postgresql://{OWNER}@/{OWNER}?host={sockets}",
            "KUMANDA_DATA": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "false",
            "ALLOWED_HOSTS": "testserver",
        }
        return run(small_only=options.small_only)
    finally:
        server.stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)


def run(*, small_only: bool) -> int:
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    document: Any = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    found = []
    for size in (SMALL,) if small_only else (SMALL, BIG):
        say(f"Loading {size}")
        with connection.cursor() as cursor:
            fill(cursor.execute, size)
            cursor.execute("VACUUM (ANALYZE)")
        found.append(measured(document))
    if not small_only:
        text = written(*found)
        print(text)
        report.write(text, "lists.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
