"""Active streams and their viewers, for `settings.METRICS_READINGS`."""

from collections.abc import Iterator
from datetime import datetime

from django.contrib.contenttypes.models import ContentType
from django.db.models import F

from common.metrics.readings import Reading
from common.queries import CountUpTo, Question, TotalUpTo
from edges.models import ViewerCount

MOST_COUNTED = 10_000

_LIVE = ViewerCount.objects.filter(is_live=True)
_NUMBERS = Question(
    # Of a table that is never empty, one row.
    lambda: ContentType.objects.values_list(
        CountUpTo(_LIVE, MOST_COUNTED, order=["-viewers", "-stream"]),
        TotalUpTo(_LIVE, F("viewers"), MOST_COUNTED, order=["-viewers", "-stream"]),
    )
)


def read(now: datetime) -> Iterator[Reading]:
    ((streams, viewers),) = _NUMBERS.rows(limit=1)
    yield Reading("live_streams", f"Active streams, at most {MOST_COUNTED:,}", streams)
    yield Reading("viewers", f"Viewers of the {MOST_COUNTED:,} most watched active streams, as counted last", viewers)
