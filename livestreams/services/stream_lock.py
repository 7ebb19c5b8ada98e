"""The advisory lock of a stream: exclusive for changes, shared for transactions that must not run beside a change.

A row lock is not enough. Shared row locks starve an exclusive waiter: thousands of transactions that set reminders or
send notifications would delay a moderator's ban. And under READ COMMITTED a statement's snapshot is older than the
lock it waits for. Take this lock first, in a statement of its own.
"""

from common.locks import AdvisoryLock

STREAM = AdvisoryLock("stream")


def take_stream_lock(stream_id: str) -> None:
    """Wait for the lock in exclusive mode and hold it until the transaction ends."""
    STREAM.take(stream_id)


def try_stream_lock(stream_id: str) -> bool:
    """Take the lock in exclusive mode without waiting. Returns whether it was taken."""
    return STREAM.try_take(stream_id)


def share_stream_lock(stream_id: str) -> None:
    """Wait for the lock in shared mode, also behind earlier waiters for exclusive mode."""
    STREAM.share(stream_id)
