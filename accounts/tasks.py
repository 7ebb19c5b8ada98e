"""Periodic tasks of accounts."""

from accounts.services import forget_refreshed_pairs
from common.clock import database_time
from common.jobs import SLOW_QUEUE, periodic

EVERY_MINUTE = "* * * * *"


@periodic(EVERY_MINUTE, queue=SLOW_QUEUE)
def forget_tokens(timestamp: int) -> None:
    """Delete stored pairs of tokens as soon as no retry of their refresh may get them any more."""
    forget_refreshed_pairs(now=database_time())
