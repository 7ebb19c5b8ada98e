"""Active streams and their viewers, for `settings.METRICS_READINGS`."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import F

from common.metrics.readings import Reading, one_row
from common.queries import CountUpTo, Question, TotalUpTo
from edges.models import ViewerCount

MOST_COUNTED = 10_000

_LIVE = ViewerCount.objects.filter(is_live=True)
_NUMBERS = Question(
    lambda: one_row(
        CountUpTo(_LIVE, MOST_COUNTED, order=["-viewers", "-stream"]),
        TotalUpTo(_LIVE, F("viewers"), MOST_COUNTED, order=["-viewers", "-stream"]),
    )
)


def read(now: datetime) -> Iterator[Reading]:
    ((streams, viewers),) = _NUMBERS.rows()
    yield Reading("live_streams", f"Active streams, at most {MOST_COUNTED:,}", streams)
    yield Reading("viewers", f"Viewers of the {MOST_COUNTED:,} most watched active streams, as counted last", viewers)
