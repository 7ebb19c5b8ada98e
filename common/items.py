"""Loops over independent items: one that fails never stops the others, and the loop reports it at its end."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)

MOST_NAMED = 10  # ids in one message


class ItemsFailed(Exception):
    """Some items of a loop failed, and the others were done. `ids` are those of the failed ones."""

    def __init__(self, action: str, ids: list[str]) -> None:
        self.ids = ids
        named = ", ".join(ids[:MOST_NAMED]) + (", …" if len(ids) > MOST_NAMED else "")
        super().__init__(f"{action} failed for {len(ids)}: {named}")


class Items:
    """Keeps count of what fails in one loop.

        items = Items("expire_stream")
        for stream_id in ids:
            with items.item(stream_id):
                expire_stream(stream_id, now=now)
        items.raise_failures()

    `action` names the loop in the log and in the error. Commands read `failed` and `problems` instead of the last
    line, so that they can still print what was done.
    """

    def __init__(self, action: str) -> None:
        self.action = action
        self.failed: list[str] = []
        self._first: Exception | None = None

    @contextmanager
    def item(self, item_id: str) -> Iterator[None]:
        """Log what fails in the block, with the id, and go on after it.

        A database that does not answer is raised: it would fail every item alike.
        """
        try:
            yield
        except Exception as error:  # of any kind: the other items are independent of it
            if _is_lost(error):
                raise
            logger.exception("%s failed for %s", self.action, item_id)
            self.failed.append(item_id)
            self._first = self._first or error

    @property
    def problems(self) -> list[str]:
        """One sentence for each item that failed."""
        return [f"{self.action} failed for {item_id}; the log says why" for item_id in self.failed]

    def raise_failures(self) -> None:
        """Raises ItemsFailed, from the first error, when any item failed."""
        if self.failed:
            raise ItemsFailed(self.action, self.failed) from self._first


def for_each(action: str, ids: Iterable[str], call: Callable[[str], object]) -> None:
    """Call `call` with each id. Raises ItemsFailed at the end when any call failed."""
    items = Items(action)
    for item_id in ids:
        with items.item(item_id):
            call(item_id)
    items.raise_failures()


def _is_lost(error: Exception) -> bool:
    return isinstance(error, (DatabaseError, InterfaceError)) and not connection.is_usable()
