"""Tasks of accounts."""

from django.utils import timezone

from accounts.services import forget_refreshed_pairs
from common.jobs import SLOW_QUEUE, periodic

EVERY_MINUTE = "* * * * *"


@periodic(EVERY_MINUTE, queue=SLOW_QUEUE)
def forget_tokens(timestamp: int) -> None:
    """Pairs of tokens are stored, encrypted, only as long as a retry of their refresh may ask for them."""
    forget_refreshed_pairs(now=timezone.now())
