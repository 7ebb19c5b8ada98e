"""`make bench-fanout` with fewer reminders."""

import pytest

from benchmarks import fanout

pytestmark = pytest.mark.slow


def test_everybody_is_notified_once_each_round_and_no_reminder_is_updated() -> None:
    with fanout.stage(reminders=2_500, jobs=50) as ready:
        rounds = [fanout.measured(ready) for _ in range(2)]  # raises Incomplete

    assert [figures.growth for figures in rounds] == [0, 0]
    assert all(min(figures.kumanda, figures.at_once, figures.job_each) > 0 for figures in rounds)
