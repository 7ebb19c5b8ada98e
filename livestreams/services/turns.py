"""Turns at a stream: who changes it, and who must not see it change, come one after the other as they asked.

A lock on its row is not enough. Those who hold it in share let each other in past one who waits to change it, and when
thousands set reminders or are told at once they starve the moderator who bans and the creator who starts. And what a
statement sees was settled before it won the row. A turn is taken before the first look, with a statement of its own.
"""

from common.locks import AdvisoryLock

STREAM = AdvisoryLock("stream")


def take_turn(stream_id: str) -> None:
    """Wait until nobody else has a turn, and keep everybody else waiting until the transaction ends."""
    STREAM.take(stream_id)


def try_turn(stream_id: str) -> bool:
    """Take the turn if nobody else has or shares one; never waits."""
    return STREAM.try_take(stream_id)


def share_turn(stream_id: str) -> None:
    """Wait for those who asked for a turn alone before, and keep them waiting; any number share one."""
    STREAM.share(stream_id)
