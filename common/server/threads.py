"""The threads that run Django: a fixed number, and a bounded wait for one of them."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.refusals import Unavailable

WAIT_SECONDS = 1.5
"""For a free thread. With the time limits of database statements it keeps the longest call below five seconds."""

type Job = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]


class ServerBusy(Unavailable):
    code = "server_busy"
    message = _("too many calls are in progress; try again shortly")


class RequestThreads:
    """Runs calls in at most `count` threads, which are started as they are needed. One event loop uses it.

    The standard library's executor makes two chained futures for each call, which costs a tenth of a fast request.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._running = self._started = 0

    async def run[Result](self, call: Callable[..., Result], *args: Any) -> Result:
        """Raises ServerBusy when no thread becomes free within `WAIT_SECONDS`, and what `call` raises."""
        if self._free.locked():
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._free.acquire()
            except TimeoutError as error:
                raise ServerBusy from error
        else:
            await self._free.acquire()
        self._running += 1
        try:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[Result] = loop.create_future()
            self._jobs.put((loop, answer, call, args))
            if self._running > self._started:
                self._started += 1
                threading.Thread(target=self._work, name=f"request-{self._started}", daemon=True).start()
            return await answer
        finally:
            self._running -= 1
            self._free.release()

    def _work(self) -> None:
        while True:
            loop, answer, call, args = self._jobs.get()
            try:
                result = call(*args)
            except BaseException as error:
                loop.call_soon_threadsafe(_fail, answer, error)
            else:
                loop.call_soon_threadsafe(_succeed, answer, result)
                del result
            # A thread that waits for its next job must not keep the last one alive.
            del loop, answer, call, args


def _succeed(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
