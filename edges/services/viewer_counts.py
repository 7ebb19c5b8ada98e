"""The stored number of viewers of streams with more than `COUNTED_EACH_TIME`, counted again every few seconds."""

from datetime import datetime, timedelta

from django.db import transaction

from common.locks import AdvisoryLock
from edges.models import Participant, ViewerCount

# rows of a kind, for one stream; counting them costs less than keeping the number
COUNTED_EACH_TIME = 1_000
OLDEST = timedelta(seconds=5)  # the largest age of a number in a response
RENEWED_AFTER = timedelta(seconds=4)

COUNTING = AdvisoryLock("viewer count")


def counted(
    stream_id: str, *, seen_after: datetime, known: int | None, counted_at: datetime | None, now: datetime
) -> int:
    """The number of viewers, at most `OLDEST` old. `known` is the stored number, counted at `counted_at`.

    From `RENEWED_AFTER` on, one caller counts again and the others are answered with the stored number.
    """
    if known is not None and known <= COUNTED_EACH_TIME:
        known = None  # counted for lists before this many came; callers ask here because there are more
    # The clock of the machine that counted may be ahead of this one.
    age = abs(now - counted_at) if counted_at else timedelta.max
    if known is not None and age < RENEWED_AFTER:
        return known
    with transaction.atomic():
        if not COUNTING.try_take(stream_id) and known is not None and age < OLDEST:
            return known
        viewers = Participant.objects.audience(stream=stream_id, seen_after=seen_after).count()
        ViewerCount.objects.bulk_create(
            [ViewerCount(stream_id=stream_id, viewers=viewers, counted_at=now)],
            update_conflicts=True,
            unique_fields=["stream"],
            update_fields=["viewers", "counted_at"],
        )
    return viewers
