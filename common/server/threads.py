"""The threads that run Django: a fixed number, and a bounded wait for one of them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.refusals import Unavailable

WAIT_SECONDS = 1.5
"""For a free thread. With the time limits of database statements it keeps the longest call below five seconds."""


class ServerBusy(Unavailable):
    code = "server_busy"
    message = _("too many calls are in progress; try again shortly")


class RequestThreads:
    """Runs calls in at most `count` threads. One event loop uses it."""

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="request")
        self._free = asyncio.Semaphore(count)

    async def run[Result](self, call: Callable[..., Result], *args: Any) -> Result:
        """Raises ServerBusy when no thread becomes free within `WAIT_SECONDS`."""
        try:
            async with asyncio.timeout(WAIT_SECONDS if self._free.locked() else None):
                await self._free.acquire()
        except TimeoutError as error:
            raise ServerBusy from error
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)
        finally:
            self._free.release()
