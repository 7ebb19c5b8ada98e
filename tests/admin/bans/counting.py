"""Counts what a moderator does on the pages of the queue: keys, taps and page loads."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page


@dataclass
class Effort:
    """Keys and taps by ban, and the documents that the browser loaded."""

    page: Page
    keys: list[int] = field(default_factory=list)
    taps: list[int] = field(default_factory=list)
    loads: int = 0

    def __post_init__(self) -> None:
        self.page.on("response", self._count)

    def _count(self, response: Any) -> None:
        if response.request.is_navigation_request() and response.status == 200:
            self.loads += 1

    @contextmanager
    def of_one(self) -> Iterator[None]:
        """What is done for one ban."""
        self.keys.append(0)
        self.taps.append(0)
        yield

    def press(self, *keys: str) -> None:
        """Each is one key, and a chord such as Control+Enter is one, too."""
        for key in keys:
            self.keys[-1] += 1
            self.page.keyboard.press(key)

    def tap(self, *places: Locator) -> None:
        for place in places:
            self.taps[-1] += 1
            place.tap()

    def summary(self, what: str) -> str:
        done = self.keys if any(self.keys) else self.taps
        kind = "keys" if any(self.keys) else "taps"
        spread = ", ".join(f"{number} × {count}" for count, number in sorted(Counter(done).items()))
        return f"{what}: {len(done)} bans, {sum(done)} {kind} ({spread} {kind}), {self.loads} page loads"
