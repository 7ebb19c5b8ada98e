"""Policies and counters of rate limits."""

import os
import subprocess
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from common.models import RateCounter
from common.rate_limits import counters
from common.rate_limits.calls import network_of
from common.rate_limits.policies import ANONYMOUS, NAMES, READ, WRITE, Policy, policies_of, setting_of
from common.tasks import forget_rate_counters
from tests.forking import manage
from tests.patience import PATIENCE
from tests.races import at_once

EXACT = Policy(WRITE, 3, 60)
APPROXIMATE = Policy(READ, 100, 60)


@contextmanager
def process(monkeypatch: pytest.MonkeyPatch, held: OrderedDict[Any, Any]) -> Iterator[None]:
    """Count as another process would, whose counters are `held`."""
    with monkeypatch.context() as patch:
        patch.setattr(counters, "_held", held)
        yield


def count(policy: Policy, who: str = "somebody") -> counters.Standing:
    return counters.count(policy, who, time.monotonic())


def passes(policy: Policy, who: str = "somebody") -> bool:
    return not count(policy, who).is_spent


def end_windows() -> None:
    """As if all windows had ended, for PostgreSQL and for this process."""
    RateCounter.objects.update(ends_at=F("ends_at") - timedelta(hours=1))
    counters.forget_counted()


# --- settings -------------------------------------------------------------------------------------


def test_policies_are_read_from_the_settings() -> None:
    found = policies_of({READ: "3000/60", WRITE: " 0 ", ANONYMOUS: "1/3600"})
    assert found == {READ: Policy(READ, 3000, 60), ANONYMOUS: Policy(ANONYMOUS, 1, 3600)}
    assert found[READ].header == '"read";q=3000;w=60'


@pytest.mark.parametrize("text", ["", "x", "10", "0/60", "10/0", "-1/60", "10/3601", "1000001/60", "10/60/1", "1.5/60"])
def test_a_policy_that_cannot_be_read_is_refused_with_its_name_and_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match=r"RATE_LIMIT_ANONYMOUS_WRITE must be 0, .* calls/seconds, such as 600/60"):
        policies_of({"anonymous-write": text})


def test_a_process_does_not_start_with_a_wrong_limit() -> None:
    finished = subprocess.run(
        manage("check"),
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"RATE_LIMIT_WRITE": "many"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert finished.returncode != 0
    assert finished.stderr.startswith("RATE_LIMIT_WRITE must be 0, for no limit, or calls/seconds, such as 600/60")


def test_each_limit_has_a_setting_and_is_on_by_default() -> None:
    example = (django_settings.BASE_DIR / ".env.example").read_text("utf-8")
    for name in NAMES:
        policy = django_settings.RATE_LIMITS[name]
        assert f"Default {policy.quota}/{policy.seconds}.\n{setting_of(name)}=\n" in example


# --- counting -------------------------------------------------------------------------------------


def test_exactly_the_quota_passes_and_the_rest_costs_no_statement(db: None) -> None:
    assert [passes(EXACT) for _ in range(3)] == [True] * 3
    with CaptureQueriesContext(connection) as captured:
        assert [passes(EXACT) for _ in range(5)] == [False] * 5
    assert len(captured) == 0
    assert passes(EXACT, "another")


def test_a_standing_says_what_remains_and_when_the_window_ends(db: None) -> None:
    first = count(EXACT)
    assert (first.remain, first.seconds) == (2, 60)
    assert [count(EXACT).remain for _ in range(3)] == [1, 0, 0]


def test_a_window_never_ends_later_than_its_length(db: None) -> None:
    begin = time.monotonic()
    counters.count(EXACT, "somebody", begin)
    assert counters.count(EXACT, "somebody", begin - 5).seconds == 60, "it waited before the window began"


def test_processes_share_an_exact_quota(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = OrderedDict[Any, Any](), OrderedDict[Any, Any]()
    passed = 0
    for number in range(20):
        with process(monkeypatch, one if number % 2 else other):
            passed += passes(EXACT)
    assert passed == 3


RESERVING = Policy(WRITE, 600, 60)


def test_changes_are_reserved_a_hundredth_of_the_quota_at_a_time(db: None) -> None:
    with CaptureQueriesContext(connection) as captured:
        results = [count(RESERVING) for _ in range(700)]
    assert [standing.is_spent for standing in results] == [False] * 600 + [True] * 100
    assert [standing.remain for standing in results] == [*range(599, -1, -1), *[0] * 100]
    assert len(captured) == 100


@pytest.mark.parametrize("quota", [199, 200, 601, 650])
def test_processes_that_reserve_never_let_more_than_the_quota_pass(
    quota: int, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Policy(WRITE, quota, 60)
    processes = [OrderedDict[Any, Any]() for _ in range(3)]
    passed = 0
    for number in range(3 * quota):
        with process(monkeypatch, processes[number % 7 % 3]):
            passed += passes(policy)
    assert passed == quota, "each process goes on until its reserved calls are used"


def test_calls_that_another_process_has_reserved_do_not_pass_here(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = OrderedDict[Any, Any](), OrderedDict[Any, Any]()
    with process(monkeypatch, one):
        assert passes(RESERVING)
    with process(monkeypatch, other):
        assert sum(passes(RESERVING) for _ in range(700)) == 600 - RESERVING.step
    with process(monkeypatch, one):
        assert sum(passes(RESERVING) for _ in range(700)) == RESERVING.step - 1


def test_reserved_calls_end_with_their_window(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = time.monotonic()
    assert counters.count(RESERVING, "somebody", begin).remain == 599
    RateCounter.objects.update(ends_at=F("ends_at") - timedelta(hours=1))
    with CaptureQueriesContext(connection) as captured:
        assert counters.count(RESERVING, "somebody", begin + 61).remain == 599
    assert len(captured) == 1, "the reserved calls of the first window do not count for the next"


def test_reads_are_counted_in_the_process_and_added_in_steps(db: None) -> None:
    with CaptureQueriesContext(connection) as captured:
        results = [count(APPROXIMATE) for _ in range(130)]
    assert [standing.is_spent for standing in results] == [False] * 100 + [True] * 30
    assert [standing.remain for standing in results[:100]] == list(range(99, -1, -1))
    assert len(captured) == 10, "one statement for a tenth of the quota"


def test_processes_share_an_approximate_quota_up_to_one_step_each(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = [OrderedDict[Any, Any]() for _ in range(3)]
    passed = 0
    for number in range(600):
        with process(monkeypatch, processes[number % 3]):
            passed += passes(APPROXIMATE)
    assert 100 <= passed <= 100 + 3 * APPROXIMATE.step


def test_a_window_that_has_ended_begins_anew(db: None) -> None:
    for policy in (EXACT, APPROXIMATE):
        while passes(policy):
            pass
    end_windows()
    assert count(EXACT).remain == 2
    for _ in range(APPROXIMATE.step):
        standing = count(APPROXIMATE)
    assert (standing.remain, standing.seconds) == (90, 60)


def test_a_spent_counter_of_a_process_ends_with_its_window(db: None) -> None:
    quick = Policy(WRITE, 1, 1)
    assert [passes(quick), passes(quick)] == [True, False]
    time.sleep(1.01)
    assert passes(quick)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("quota", [15, 250])
def test_calls_at_once_are_all_counted(quota: int) -> None:
    policy = Policy(WRITE, quota, 60)

    def calls(_: int) -> int:
        return sum(passes(policy) for _ in range(10))

    assert sum(at_once(40, calls)) == quota


def test_a_process_holds_a_bounded_number_of_counters(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST_HELD", 5)
    for number in range(20):
        assert passes(APPROXIMATE, f"user {number}")
    assert [who for _name, who in counters._held] == [f"user {number}" for number in range(15, 20)]


def test_counters_that_have_ended_leave_the_process(db: None) -> None:
    for number in range(20):
        assert passes(Policy(READ, 100, 1), f"user {number}")
    time.sleep(1.01)
    assert passes(APPROXIMATE, "another")
    assert len(counters._held) == 1


def test_rows_are_keyed_hashes_in_an_unlogged_table_with_free_space(db: None, settings: Any) -> None:
    assert passes(EXACT, "192.0.2.7")
    first = RateCounter.objects.get().pk
    settings.SECRET_KEY = "another " * 8
    counters.forget_counted()
    assert passes(EXACT, "192.0.2.7")
    assert RateCounter.objects.exclude(pk=first).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence, reloptions FROM pg_class WHERE relname = 'common_ratecounter'")
        assert cursor.fetchone() == ("u", ["fillfactor=50"])


def test_the_worker_deletes_rows_whose_window_is_over(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "ROWS_AT_ONCE", 2)
    for number in range(5):
        assert passes(EXACT, f"user {number}")
    end_windows()
    assert passes(EXACT, "current")
    forget_rate_counters(0)
    assert RateCounter.objects.count() == 1


# --- networks -------------------------------------------------------------------------------------


def test_an_ipv6_client_is_its_64_and_forged_headers_are_not_used(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    assert network_of({"REMOTE_ADDR": "2001:db8:1:2::1"}) == network_of({"REMOTE_ADDR": "2001:db8:1:2:ffff::9"})
    assert network_of({"REMOTE_ADDR": "2001:db8:1:2::1"}) != network_of({"REMOTE_ADDR": "2001:db8:1:3::1"})
    for forged in ("198.51.100.9", ", ".join(["198.51.100.9"] * 20)):
        assert network_of({"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": forged}) == "192.0.2.7"
