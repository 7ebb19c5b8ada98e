"""The threads that run Django: how many calls run at once, when others start, and when calls are refused."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from common.postgres import deadlines
from common.server import threads
from common.server.threads import RequestThreads, ServerBusy, begin_wait

PATIENCE = 10  # seconds until a test that hangs fails
HOUR = 3600.0


class Gate:
    """Blocks calls in their threads until it is opened, and counts them."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.inside = self.most_inside = 0

    def enter(self) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.entered.release()
        assert self.opened.wait(PATIENCE)
        self.inside -= 1

    def enter_and_wait(self) -> None:
        begin_wait()
        self.enter()

    async def has_let_in(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.entered.acquire, timeout=PATIENCE)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


@pytest.fixture
def _nothing_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LONG_SECONDS", 1000)


def in_a_loop[Result](calls: Coroutine[Any, Any, Result]) -> Result:
    """Run it in a new thread, because a browser of another test keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, calls).result()


async def started(pool: RequestThreads, function: Callable[..., None], count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(pool.run(function)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


@pytest.mark.usefixtures("_nothing_is_long")
def test_two_calls_run_at_once_and_the_others_follow_in_their_order(gate: Gate) -> None:
    pool = RequestThreads(10, at_once=2)
    order: list[int] = []

    async def calls() -> None:
        first = await started(pool, gate.enter, 2)
        await gate.has_let_in(2)
        others = [asyncio.create_task(pool.run(order.append, number)) for number in range(5)]
        await asyncio.sleep(0.1)
        assert order == []
        gate.opened.set()
        await asyncio.gather(*first, *others)

    in_a_loop(calls())
    assert (gate.most_inside, sorted(order)) == (2, [0, 1, 2, 3, 4])


def test_a_long_call_lets_another_one_start(gate: Gate) -> None:
    assert_another_starts_beside(gate, gate.enter)


@pytest.mark.usefixtures("_nothing_is_long")
def test_a_call_that_announces_a_wait_lets_another_one_start(gate: Gate) -> None:
    assert_another_starts_beside(gate, gate.enter_and_wait)


def assert_another_starts_beside(gate: Gate, enter: Callable[[], None]) -> None:
    """While six calls of `enter` are in their threads, another call runs to its end."""
    pool = RequestThreads(10, at_once=2)
    ran: list[str] = []

    async def calls() -> None:
        first = await started(pool, enter, 6)
        await asyncio.wait_for(pool.run(ran.append, "another"), PATIENCE)
        assert gate.inside == 6
        gate.opened.set()
        await asyncio.gather(*first)

    in_a_loop(calls())
    assert ran == ["another"]


@pytest.mark.usefixtures("_nothing_is_long")
def test_a_call_that_is_cancelled_while_it_waits_for_a_thread_does_not_block_others(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WAIT_SECONDS", 0.1)
    pool = RequestThreads(2, at_once=1)
    ran: list[str] = []

    async def calls() -> None:
        first = await started(pool, gate.enter, 1)
        (cancelled,) = await started(pool, gate.enter, 1)
        cancelled.cancel()
        await asyncio.sleep(0.3)
        with pytest.raises(ServerBusy):
            await asyncio.wait_for(pool.run(ran.append, "refused"), PATIENCE)
        gate.opened.set()
        await asyncio.gather(*first)
        await pool.run(ran.append, "served")

    in_a_loop(calls())
    assert ran == ["served"]


def test_a_call_without_a_free_thread_is_refused_in_time_and_a_later_one_is_served(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WAIT_SECONDS", 0.3)
    pool = RequestThreads(3, at_once=2)
    ran: list[str] = []

    async def calls() -> None:
        first = await started(pool, gate.enter_and_wait, 3)
        await gate.has_let_in(3)
        began = time.monotonic()
        refused = await asyncio.gather(*[pool.run(ran.append, "refused") for _ in range(4)], return_exceptions=True)
        assert [type(outcome) for outcome in refused] == [ServerBusy] * 4
        assert 0.2 < time.monotonic() - began < PATIENCE
        gate.opened.set()
        await asyncio.gather(*first)
        await pool.run(ran.append, "served")

    in_a_loop(calls())
    assert ran == ["served"]


def test_an_exception_of_a_call_is_raised_where_it_is_awaited_and_its_thread_continues() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    pool = RequestThreads(1, at_once=1)
    ran: list[str] = []

    async def calls() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(pool.run(broken), PATIENCE)
        await pool.run(ran.append, "next")

    in_a_loop(calls())
    assert ran == ["next"]


def test_a_call_has_a_deadline_which_a_wait_delays_and_a_long_one_renews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "CALL_SECONDS", 10 * HOUR)
    left: list[float] = []

    def call() -> None:
        left.append(deadlines.seconds_left())
        deadlines.begin(time.monotonic() + 2 * HOUR)
        begin_wait()
        left.append(deadlines.seconds_left())
        begin_wait(is_long=True)
        left.append(deadlines.seconds_left())

    in_a_loop(RequestThreads(1, at_once=1).run(call))

    first, after_wait, after_long_wait = (seconds / HOUR for seconds in left)
    assert 9 < first <= 10
    assert 1 < after_wait <= 2
    assert 9 < after_long_wait <= 10


def test_an_idle_thread_keeps_no_reference_to_its_last_call() -> None:
    class Request:
        pass

    def handle(request: Any) -> None:
        begin_wait()

    pool = RequestThreads(1, at_once=1)

    async def calls() -> weakref.ref[Request]:
        request = Request()
        await pool.run(handle, request)
        return weakref.ref(request)

    last = in_a_loop(calls())
    gc.collect()
    assert last() is None
