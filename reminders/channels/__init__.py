"""Notification channels. A channel is a class with one method, `send`; settings name the class.

Delivery is at-least-once: a worker may crash after sending and before it stores that. The key of a batch is the same in
each attempt, so receivers can use it as an idempotency key.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Device:
    """`token` is the address at the push service of `platform`, and a secret: no error or log may show it."""

    platform: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """`language` is a code of LANGUAGES, from the reminder; `email` may be empty.

    `devices` are those on which the user is logged in to an app that has registered there.
    """

    user_id: str
    name: str
    email: str
    language: str
    devices: tuple[Device, ...] = ()


def _ignored(user_id: str | None) -> None:
    """For a batch whose progress is not stored."""


@dataclass(frozen=True, slots=True)
class Batch:
    """At most a thousand users who get the same notification of the same stream, ordered by id.

    A channel that sends to one user after another calls `reached` after each, with the id of the last user who needs no
    further message (None: no user yet), so that the next attempt can continue there. `reached` may raise Interrupted,
    which the channel must not catch.
    """

    key: str
    kind: str
    stream_id: str
    title: str
    planned_start_at: datetime | None
    notified_at: datetime
    people: tuple[Person, ...]
    reached: Callable[[str | None], None] = field(default=_ignored, compare=False, repr=False)


class Unreached(Exception):
    """Sending failed for the batch or, where `reached_user` is set, for the users after that one.

    `retry_after` (seconds) is what the receiver asked for. `permanent`: the receiver refuses all further attempts.
    """

    def __init__(
        self, why: str, *, retry_after: float | None = None, reached_user: str | None = None, permanent: bool = False
    ) -> None:
        self.retry_after, self.reached_user, self.permanent = retry_after, reached_user, permanent
        super().__init__(why)


class Interrupted(Exception):
    """Stop sending: the worker is stopping, or it has lost the lock of the delivery.

    `reached_user` is the last user who was reached, None without any.
    """

    def __init__(self, reached_user: str | None) -> None:
        self.reached_user = reached_user
        super().__init__(reached_user)


class Channel(Protocol):
    def send(self, batch: Batch) -> None:
        """Raises Unreached. Must not catch Interrupted."""
