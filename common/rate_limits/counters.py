"""Counters of calls: rows in PostgreSQL that all processes share, and what this process has not added to them yet."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b, sha256
from math import ceil
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection

from common.rate_limits.policies import Policy

# Counters that a process holds. Without one, at most a tenth of a quota is forgotten.
MOST_HELD = 50_000
# Ends of the same window that two statements return differ by their round trips.
SAME_WINDOW = 0.5  # seconds
ROWS_AT_ONCE = 10_000

type Who = str  # the id of a user or a network


class Standing(NamedTuple):
    """Where a caller stands: how many calls `remain` until the window ends, in `seconds` (rounded up)."""

    policy: Policy
    remain: int
    seconds: int
    is_spent: bool  # this call is above the quota
    is_shared: bool  # what all processes have counted is part of it


@dataclass(slots=True)
class _Held:
    """What this process knows of a window.

    `known` calls are in the row. Of these, this process has reserved `reserved` calls that have not come yet. `added`
    calls have come, but are not in the row.
    """

    ends: float  # on the monotonic clock
    known: int = 0
    reserved: int = 0
    added: int = 0


_lock = threading.Lock()
_held: OrderedDict[tuple[str, Who], _Held] = OrderedDict()  # in the order of their begin


def count(policy: Policy, who: Who, now: float) -> Standing:
    """Count a call at `now`, on the monotonic clock.

    Of an exact policy, never more than `policy.quota` calls pass, in any number of processes. Fewer pass if a process
    keeps calls that it has reserved, at most `policy.step - 1`, while the others have used up the rest. Of other
    policies each process may let one step more pass. Raises OperationalError when PostgreSQL does not answer.
    """
    key = policy.name, who
    with _lock:
        held = _held.get(key)
        if held is None or held.ends <= now:
            held = _begun(key, now, policy.seconds)
        # A call that began to wait before the window did has an earlier `now`.
        left = _seconds(min(held.ends - now, policy.seconds))
        if held.reserved:
            held.reserved -= 1
            remain = max(0, policy.quota - held.known) + held.reserved
            return Standing(policy, remain, left, is_spent=False, is_shared=False)
        # A spent counter stays spent until its window ends, so refusing costs no statement.
        if held.known >= policy.quota:
            return Standing(policy, 0, left, is_spent=True, is_shared=True)
        if policy.is_exact:
            adding = policy.step
        else:
            held.added += 1
            counted = held.known + held.added
            if held.added < policy.step and counted <= policy.quota:
                return Standing(policy, policy.quota - counted, left, is_spent=False, is_shared=False)
            adding, held.added = held.added, 0
    known, seconds = _add(policy, who, adding)
    # The number of this call in the window. Of an exact policy it is the first of the calls that were added, and those
    # after it are reserved, up to the quota. Of other policies it is the last.
    number = known - adding + 1 if policy.is_exact else known
    reserved = max(0, min(known, policy.quota) - number)
    # From before the statement: never later than the end of the row's window.
    ends = now + seconds
    with _lock:
        is_same = abs(held.ends - ends) < SAME_WINDOW
        held.known = max(held.known, known) if is_same else known
        held.reserved = held.reserved + reserved if is_same else reserved
        held.ends = ends
    return Standing(policy, max(0, policy.quota - number), _seconds(seconds), number > policy.quota, is_shared=True)


def forget_counted() -> None:
    """Forget what this process has counted. For tests."""
    with _lock:
        _held.clear()


def _begun(key: tuple[str, Who], now: float, seconds: int) -> _Held:
    """A new counter, at the end of `_held`. The caller holds the lock."""
    _held.pop(key, None)
    while _held and (len(_held) >= MOST_HELD or next(iter(_held.values())).ends <= now):
        _held.popitem(last=False)
    held = _held[key] = _Held(now + seconds)
    return held


def _seconds(left: float) -> int:
    return max(1, ceil(left))


# One statement and one round trip. The clock is PostgreSQL's, because those of several machines differ.
_ADD = """
    INSERT INTO common_ratecounter AS counter (key, count, ends_at)
    VALUES (%s::uuid, %s::integer, statement_timestamp() + %s::integer * interval '1 second')
    ON CONFLICT (key) DO UPDATE SET
        count = CASE
            WHEN counter.ends_at > statement_timestamp() THEN counter.count + excluded.count ELSE excluded.count
        END,
        ends_at = CASE
            WHEN counter.ends_at > statement_timestamp() THEN counter.ends_at ELSE excluded.ends_at
        END
    RETURNING count, extract(epoch FROM ends_at - statement_timestamp())::float8
"""
_DELETE = """
    DELETE FROM common_ratecounter WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM common_ratecounter WHERE ends_at <= statement_timestamp() LIMIT %s FOR UPDATE SKIP LOCKED
    ))
"""


def _add(policy: Policy, who: Who, calls: int) -> tuple[int, float]:
    """The calls in the window of the row, with these, and the seconds until it ends."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [_row_key(policy.name, who), calls, policy.seconds])
        known, seconds = cursor.fetchone()
    return known, seconds


def _row_key(name: str, who: Who) -> UUID:
    """A keyed hash: addresses themselves are not stored."""
    return UUID(bytes=blake2b(f"{name}\0{who}".encode(), key=_secret(settings.SECRET_KEY), digest_size=16).digest())


@cache
def _secret(secret_key: str) -> bytes:
    return sha256(f"common.rate_limits {secret_key}".encode()).digest()


def delete_expired() -> None:
    """Delete the rows whose window is over, in short transactions."""
    deleted = ROWS_AT_ONCE
    while deleted == ROWS_AT_ONCE:
        with connection.cursor() as cursor:
            cursor.execute(_DELETE, [ROWS_AT_ONCE])
            deleted = cursor.rowcount
