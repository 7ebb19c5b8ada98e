"""Turns at a stream: who changes it, and who must not see it change, come one after the other as they asked.

A lock on its row is not enough. Those who hold it in share let each other in past one who waits to change it, and when
thousands set reminders or are told at once they starve the moderator who bans and the creator who starts. And what a
statement sees was settled before it won the row. A turn is taken before the first look, with a statement of its own.
"""

from django.db import connection

_TAKE = "SELECT pg_advisory_xact_lock(%s)"
_SHARE = "SELECT pg_advisory_xact_lock_shared(%s)"


def take_turn(stream_id: str) -> None:
    """Wait until nobody else has a turn, and keep everybody else waiting until the transaction ends."""
    _wait(_TAKE, stream_id)


def share_turn(stream_id: str) -> None:
    """Wait for those who asked for a turn alone before, and keep them waiting; any number share one."""
    _wait(_SHARE, stream_id)


def _wait(sql: str, stream_id: str) -> None:
    # Of the id, what tells streams of one second apart. Two streams that met in it would only wait for each other.
    key = int.from_bytes(bytes.fromhex(stream_id)[-8:], signed=True)
    with connection.cursor() as cursor:
        cursor.execute(sql, [key])
