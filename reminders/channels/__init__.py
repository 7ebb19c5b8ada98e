"""The ways on which notices leave the house. A way is one class with one method, `send`; settings name the class.

Whoever is sent to must expect repeats: a worker may die between the sending and the note that it was done. The batch's
key is the same each time, so that they can be dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Person:
    """`language` is the one in which they asked to be told; `email` may be empty."""

    user_id: str
    name: str
    email: str
    language: str


def _unnoted(user_id: str | None) -> None:
    """For a batch whose progress nobody keeps."""


@dataclass(frozen=True, slots=True)
class Batch:
    """At most a thousand people who are told the same of the same stream, in the order of their ids.

    A channel that reaches people one after the other calls `reached` after each of them, with the id of the last one
    who needs no further message (None: nobody yet), so that what a killed worker has sent is not sent again. It may
    raise Interrupted, which the channel lets pass.
    """

    key: str
    kind: str
    stream_id: str
    title: str
    planned_start_at: datetime | None
    told_at: datetime
    people: tuple[Person, ...]
    reached: Callable[[str | None], None] = field(default=_unnoted, compare=False, repr=False)


class Unreached(Exception):
    """The batch, or what comes after `reached_user` of it, did not get through.

    `retry_after` (seconds) is how long the receiver asked to be left alone; `for_good` says that it wants no more.
    """

    def __init__(
        self, why: str, *, retry_after: float | None = None, reached_user: str | None = None, for_good: bool = False
    ) -> None:
        self.retry_after, self.reached_user, self.for_good = retry_after, reached_user, for_good
        super().__init__(why)


class Interrupted(Exception):
    """Sending shall end here: the worker stops, or the delivery is no longer its own.

    `reached_user` is the last person who was reached, None when nobody was.
    """

    def __init__(self, reached_user: str | None) -> None:
        self.reached_user = reached_user
        super().__init__(reached_user)


class Channel(Protocol):
    def send(self, batch: Batch) -> None:
        """Raises Unreached, and lets Interrupted pass."""
