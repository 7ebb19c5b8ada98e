"""What waits for moderators, for `settings.METRICS_READINGS`."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.dateparse import parse_datetime

from bans.overview import MOST_COUNTED, waiting
from common.metrics.readings import Reading, by_label, one_row
from common.queries import Question

_WAITING = Question(lambda: one_row(waiting()))


def read(now: datetime) -> Iterator[Reading]:
    ((found,),) = _WAITING.rows(now=now)
    numbers = {name: min(found[name], MOST_COUNTED) for name in ("appeals", "live", "ending")}
    numbers["rest"] = found["rest"]["found"]
    about = f"Bans that wait for a review, at most {MOST_COUNTED:,} of each queue"
    yield from by_label("bans_waiting", about, "queue", numbers)
    oldest = parse_datetime(found["oldest_appeal"] or "")
    age = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    yield Reading("oldest_appeal_seconds", "Since the oldest pending appeal was made, 0 without one", age)
