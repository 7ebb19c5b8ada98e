"""Tasks of presence: the numbers that lists are sorted by, and statistics."""

from common.clock import database_time
from common.jobs import SLOW_QUEUE, periodic
from edges.services import CREATORS, LIVE, STATISTICS

EVERY_FIVE_SECONDS = "* * * * * */5"  # the seconds are the last field
EVERY_MINUTE = "* * * * *"


@periodic(EVERY_FIVE_SECONDS)
def count_live_viewers(timestamp: int) -> None:
    LIVE.finish_pass(database_time())


# In the slow queue, because it may take long.
@periodic(EVERY_MINUTE, queue=SLOW_QUEUE)
def count_viewers_of_creators(timestamp: int) -> None:
    CREATORS.finish_pass(database_time())


@periodic(EVERY_MINUTE, queue=SLOW_QUEUE)
def count_statistics(timestamp: int) -> None:
    STATISTICS.finish_pass(database_time())
