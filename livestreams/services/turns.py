"""Turns at a stream: who changes it, and who must not see it change, come one after the other as they asked.

A lock on its row is not enough. Those who hold it in share let each other in past one who waits to change it, and when
thousands set reminders or are told at once they starve the moderator who bans and the creator who starts. And what a
statement sees was settled before it won the row. A turn is taken before the first look, with a statement of its own.
"""

from django.db import connection

_TAKE = "SELECT pg_advisory_xact_lock(%s)"
_SHARE = "SELECT pg_advisory_xact_lock_shared(%s)"
_TRY = "SELECT pg_try_advisory_xact_lock(%s)"


def take_turn(stream_id: str) -> None:
    """Wait until nobody else has a turn, and keep everybody else waiting until the transaction ends."""
    _wait(_TAKE, stream_id)


def try_turn(stream_id: str) -> bool:
    """Take the turn if nobody else has or shares one; never waits."""
    with connection.cursor() as cursor:
        cursor.execute(_TRY, [_key(stream_id)])
        return bool(cursor.fetchone()[0])


def share_turn(stream_id: str) -> None:
    """Wait for those who asked for a turn alone before, and keep them waiting; any number share one."""
    _wait(_SHARE, stream_id)


def _wait(sql: str, stream_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, [_key(stream_id)])


def _key(stream_id: str) -> int:
    # Of the id, what tells streams of one second apart. Two streams that met in it would only wait for each other.
    return int.from_bytes(bytes.fromhex(stream_id)[-8:], signed=True)
