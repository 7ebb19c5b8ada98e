"""What a process knows about the replica after checks, without any server."""

from typing import Any

import pytest

from common.replica import state
from common.replica.state import ReplicaState, Report


class Clock:
    """The monotonic clock, which a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clock:
    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = 5
    clock = Clock()
    monkeypatch.setattr(state, "monotonic", clock)
    return clock


def confirm(known: ReplicaState, clock: Clock, *, primary: int, replica: int) -> None:
    known.confirm(at=clock.now, primary=primary, replica=replica)


def test_a_replica_that_was_not_checked_is_not_read(clock: Clock) -> None:
    known = ReplicaState()
    assert not known.holds(0)
    assert known.report() == Report("it has not been checked yet", None)


def test_it_is_read_for_what_it_has_replayed(clock: Clock) -> None:
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=100)
    assert known.holds(100)
    assert not known.holds(101)
    assert known.report() == Report(None, 0.0)


def test_it_is_not_read_before_it_has_reached_a_position_of_the_primary(clock: Clock) -> None:
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=50)
    assert not known.holds(0)
    assert known.report() == Report("it has not caught up with the primary yet", None)
    clock.now += 1
    confirm(known, clock, primary=200, replica=100)
    assert known.holds(100)
    assert known.report() == Report(None, 1.0)


def test_an_idle_primary_makes_no_lag(clock: Clock) -> None:
    known = ReplicaState()
    for _ in range(100):
        confirm(known, clock, primary=100, replica=100)
        clock.now += 1
    assert known.holds(100)
    assert known.report().lag == 0.0


def test_the_lag_is_the_age_of_what_it_has_reached(clock: Clock) -> None:
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=100)
    for second in range(1, 6):
        clock.now += 1
        confirm(known, clock, primary=100 + second, replica=100)
        assert known.report() == Report(None, second)
        assert known.holds(100)
    clock.now += 1
    confirm(known, clock, primary=106, replica=100)
    assert not known.holds(100)
    assert known.report() == Report("it is late", 6.0)


def test_it_is_read_again_as_soon_as_it_is_near_enough(clock: Clock) -> None:
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=100)
    for second in range(1, 21):
        clock.now += 1
        confirm(known, clock, primary=100 + second, replica=100)
    assert not known.holds(0)
    clock.now += 1
    confirm(known, clock, primary=121, replica=118)
    assert known.holds(118)
    assert known.report() == Report(None, 3.0)


def test_without_checks_it_is_soon_not_read_any_more(clock: Clock) -> None:
    """The thread has died, or the primary does not answer."""
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=100)
    clock.now += 5.1
    assert not known.holds(0)
    problem, lag = known.report()
    assert problem == "it is late"
    assert lag == pytest.approx(5.1)


def test_a_failure_ends_reading_until_the_next_check(clock: Clock) -> None:
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=100)
    known.leave_out("it does not answer")
    assert not known.holds(0)
    assert known.report().problem == "it does not answer"
    confirm(known, clock, primary=100, replica=100)
    assert known.holds(0)


def test_what_is_known_of_a_server_is_forgotten_with_it(clock: Clock) -> None:
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=100)
    known.forget("it is not a replica any more")
    assert not known.holds(0)
    confirm(known, clock, primary=200, replica=150)
    assert not known.holds(0)
    assert known.report() == Report("it has not caught up with the primary yet", None)


def test_positions_that_are_too_old_are_not_kept(clock: Clock) -> None:
    known = ReplicaState()
    for position in range(10_000):
        clock.now += 0.5
        confirm(known, clock, primary=100 + position, replica=0)
    assert len(known._waiting) < 20


def test_with_a_largest_lag_of_zero_it_is_checked_and_not_read(clock: Clock, settings: Any) -> None:
    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = 0
    known = ReplicaState()
    confirm(known, clock, primary=100, replica=100)
    clock.now += 0.001
    assert not known.holds(0)
    assert known.report().problem == "DATABASE_REPLICA_MAX_LAG_SECONDS is 0"
