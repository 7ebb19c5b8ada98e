"""The advisory lock of a stream: exclusive for changes, shared for what must not see a change half done.

A row lock is not enough. Shared row locks starve an exclusive waiter: thousands who set reminders or are notified would
hold up the moderator who bans. And under READ COMMITTED a statement's snapshot is older than the lock it waits for.
Take this lock first, in a statement of its own.
"""

from common.locks import AdvisoryLock

STREAM = AdvisoryLock("stream")


def take_stream_lock(stream_id: str) -> None:
    """Wait for the lock in exclusive mode and hold it until the transaction ends."""
    STREAM.take(stream_id)


def try_stream_lock(stream_id: str) -> bool:
    """Take the lock in exclusive mode if that needs no waiting; whether it was taken."""
    return STREAM.try_take(stream_id)


def share_stream_lock(stream_id: str) -> None:
    """Wait for the lock in shared mode, behind those who asked for it exclusively before."""
    STREAM.share(stream_id)
