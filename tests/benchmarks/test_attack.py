"""`make attack`: the report, the watch, and short attacks on a running service."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.attack import report
from benchmarks.attack.attacks import ATTACKS, BY_NAME
from benchmarks.attack.calls import Reply
from benchmarks.attack.measuring import Figures, measured
from benchmarks.attack.service import Place, place
from benchmarks.attack.watch import Watch, seen
from tests import loops
from tests.servers import free_port

pytestmark = pytest.mark.slow

GIBIBYTE = 2**30
HELD = Figures(
    health_p99=20.0,
    health_unanswered=0,
    calls_asked=100,
    calls_failed=0,
    failures={},
    memory_before=400_000_000,
    memory_peak=500_000_000,
    memory_after=410_000_000,
    stopped="",
    value=0,
    text="0 of 60 calls failed",
)
BROKEN = {
    "slow health page": ("closed", {"health_p99": 200.0}),
    "silent health page": ("closed", {"health_p99": None}),
    "failed ordinary calls": ("closed", {"calls_failed": 1, "failures": {"join: 500": 1}}),
    "calls that the attack bounds": ("closed", {"value": 1}),
    "memory that stays": ("pictures", {"memory_after": 441_000_000}),
    "an attack that was stopped": ("closed", {"stopped": "did not end", "value": None}),
}


def run_of(name: str, figures: Figures | None) -> report.Run:
    return report.Run("1234567", "a machine", {name: figures})


# --- the report -----------------------------------------------------------------------------------


def test_figures_within_the_bounds_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.printed(report.Run("1234567", "a machine", {attack.name: HELD for attack in ATTACKS})) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("name", "change"), BROKEN.values(), ids=BROKEN)
def test_each_broken_bound_is_reported_and_ends_with_1(
    name: str, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.printed(run_of(name, replace(HELD, **change))) == 1  # type: ignore[arg-type]
    reported = capsys.readouterr().err
    assert reported.startswith(f"BROKEN {BY_NAME[name].title}: ")
    assert len(reported.splitlines()) == 1


def test_memory_is_bounded_only_for_attacks_with_memory_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.printed(run_of("closed", replace(HELD, memory_after=900_000_000))) == 0


def test_a_missing_proxy_is_reported_and_breaks_no_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.printed(run_of("refused", None)) == 0
    assert "nginx not installed" in capsys.readouterr().out


def test_the_table_replaces_the_text_between_the_marks_and_nothing_else() -> None:
    page = f"# Title\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n"
    now = run_of("closed", HELD)
    written = report.page_with(page, report.loaded(), now)

    assert written.startswith(f"# Title\n\n{report.BEGIN}\n\n| attack |")
    assert written.endswith(f"{report.END}\n\nAfter.\n")
    assert "old" not in written
    assert report.page_with(written, report.loaded(), now) == written
    with pytest.raises(ValueError, match="marks"):
        report.page_with("# Title\n", report.loaded(), now)


def test_the_security_page_and_the_earlier_figures_contain_every_attack() -> None:
    page = report.PAGE.read_text()
    assert {attack.name for attack in ATTACKS} == set(report.loaded().figures)
    for attack in ATTACKS:
        assert len(re.findall(rf"^\| {re.escape(attack.title)} \|", page, re.MULTILINE)) == 2, attack.title


# --- the watch ------------------------------------------------------------------------------------


def test_the_watch_counts_a_missing_service_as_unanswered() -> None:
    """Nothing listens on the port."""

    async def watched() -> None:
        watch = Watch(free_port(), [("users/me", b"GET / HTTP/1.1\r\n\r\n")], [])
        ended = asyncio.Event()
        asyncio.get_running_loop().call_later(0.5, ended.set)
        found = await watch.until(ended)
        assert found.health_p99 is None
        assert found.health_unanswered == found.health_asked >= 5
        assert found.calls_failed == found.calls_asked >= 3
        assert found.failures == {"users/me: no answer": found.calls_asked}

    loops.run(watched())


def test_the_watch_reports_the_99th_percentile_which_one_lost_response_in_200_does_not_change() -> None:
    health = [Reply(200, number / 1000) for number in range(1, 200)] + [Reply(0, 5.0)]
    found = seen(health, [])
    assert (found.health_p99, found.health_unanswered) == (199.0, 1)
    assert seen([*health[:50], Reply(0, 5.0)], []).health_p99 is None


def test_a_503_counts_only_in_the_envelope_and_in_time() -> None:
    body = b'{"isSuccess": false, "statusCode": 503, "data": null, "errors": [], "timestamp": ""}'
    assert Reply(503, 1.0, body).is_answer(200, 503)
    assert not Reply(503, 1.0, b"<html>").is_answer(200, 503)
    assert not Reply(503, 5.1, body).is_answer(200, 503)
    assert not Reply(503, 1.0, body).is_answer(200)


# --- against a service ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked_place() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.mark.parametrize("name", ["closed", "absurd"])
def test_a_short_attack_yields_figures(name: str, attacked_place: Place) -> None:
    figures = measured(BY_NAME[name], attacked_place, seconds=2, memory_limit=8 * GIBIBYTE)

    assert figures is not None
    assert figures.stopped == ""
    assert figures.health_p99 is not None
    assert figures.calls_asked >= 3, "ten or more on an idle machine"
    # A call that is in hand while the database closes its connection gets 503.
    refused = "503" if name == "closed" else None
    assert all(failure.endswith(f": {refused}") for failure in figures.failures), figures.failures
    assert figures.value == 0, figures.text
    assert 100_000_000 < figures.memory_before <= figures.memory_peak < GIBIBYTE


def test_a_service_that_uses_too_much_memory_is_killed_and_reported(attacked_place: Place) -> None:
    figures = measured(BY_NAME["slow"], attacked_place, seconds=20, memory_limit=1_000_000)

    assert figures is not None
    assert figures.stopped.startswith("ended at ")
    assert list(report.broken(BY_NAME["slow"], figures))
