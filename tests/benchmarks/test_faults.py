"""`make faults`: the report, what the driver counts, and a short run of some faults."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from benchmarks.attack.calls import Reply
from benchmarks.faults import report
from benchmarks.faults.__main__ import lacking, run
from benchmarks.faults.driver import CUT, LATE, OTHER, REFUSED, SERVED, STALE, outcome_of
from benchmarks.faults.faults import BY_NAME, FAULTS
from benchmarks.faults.measuring import Figures

pytestmark = pytest.mark.slow

ENVELOPE = json.dumps({"isSuccess": False, "statusCode": 503, "data": None, "errors": [], "timestamp": ""}).encode()
HEAD = b"http/1.1 503 service unavailable\r\nretry-after: 1\r\n\r\n"
HELD = Figures(outcomes={SERVED: 900, REFUSED: 100}, recovery=1.2, health=0.05, health_p99=0.01)
BROKEN = {
    "a lost write": {"lost": ["create: served 201"]},
    "an error page": {"outcomes": {SERVED: 1, OTHER: 1}, "others": ["read: other 504 × 1"]},
    "a late answer": {"outcomes": {SERVED: 1, LATE: 1}},
    "a stream that its creator does not find": {"outcomes": {SERVED: 1, STALE: 1}},
    "a cut connection": {"outcomes": {SERVED: 1, CUT: 1}},
    "a slow health page": {"health": 1.1},
    "a health page that is often slow": {"health_p99": 0.3},
    "a late recovery": {"recovery": 5.1},
    "a wrong notice": {"wrong": ["missing: reminder of stream 1"]},
}


# --- the report -----------------------------------------------------------------------------------


def test_figures_within_the_bounds_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.printed({fault.name: HELD for fault in FAULTS}) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_each_broken_bound_is_reported_marked_and_ends_with_1(
    change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.printed({"crash": replace(HELD, **change)}) == 1  # type: ignore[arg-type]
    printed = capsys.readouterr()
    assert printed.err.startswith(f"BROKEN {BY_NAME['crash'].title}: ")
    assert len(printed.err.splitlines()) == 1
    assert printed.out.count("(!)") == 1


def test_cut_connections_of_killed_processes_break_no_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.printed({"server": replace(HELD, outcomes={SERVED: 1, CUT: 2})}) == 0


def test_a_fault_that_the_machine_cannot_cause_is_reported_and_breaks_no_bound(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report.printed({"clock": Figures(missing="needs libfaketime")}) == 0
    assert "needs libfaketime" in capsys.readouterr().out


def test_the_table_replaces_the_text_between_the_marks_and_nothing_else() -> None:
    page = f"# Title\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n"
    written = report.page_with(page, {"crash": HELD}, "a machine")

    assert written.startswith(f"# Title\n\n{report.BEGIN}\n\n| fault |")
    assert written.endswith(f"a machine\n\n{report.END}\n\nAfter.\n")
    assert "old" not in written
    with pytest.raises(ValueError, match="marks"):
        report.page_with("# Title\n", {}, "a machine")


def test_the_page_contains_every_fault() -> None:
    page = report.PAGE.read_text()
    for fault in FAULTS:
        assert len(re.findall(rf"^\| {re.escape(fault.title)} \|", page, re.MULTILINE)) == 1, fault.title


# --- the driver -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, 0.1), SERVED),
        (Reply(201, 0.1), SERVED),
        (Reply(503, 0.1, ENVELOPE, HEAD), REFUSED),
        (Reply(503, 0.1, ENVELOPE), OTHER),
        (Reply(503, 0.1, b"<html>", HEAD), OTHER),
        (Reply(502, 0.1, b"<html>"), CUT),
        (Reply(504, 0.1, b"<html>"), OTHER),
        (Reply(500, 0.1, ENVELOPE, HEAD), OTHER),
        (Reply(0, 0.1), CUT),
        (Reply(0, 15.0), LATE),
        (Reply(200, 5.1), LATE),
    ],
)
def test_the_outcome_of_an_answer(reply: Reply, outcome: str) -> None:
    assert outcome_of(reply) == outcome


# --- against an installation ----------------------------------------------------------------------


@pytest.mark.timeout(400)
@pytest.mark.skipif(bool(lacking()), reason=f"These programs are missing: {lacking()}. Debian has the packages.")
def test_some_faults_for_a_moment_lose_nothing_and_break_no_bound() -> None:
    faults = [BY_NAME[name] for name in ("crash", "worker", "locked")]
    # The rate is one that a machine full of other tests serves. Tests with a browser leave a running event loop in this
    # thread, and the script needs its own.
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(run, faults, seconds=3, rate=20).result()

    for fault in faults:
        figures = found[fault.name]
        assert figures.requests > 100, fault.title
        assert figures.outcomes[SERVED] > 50, (fault.title, figures.outcomes)
        assert figures.lost == [], fault.title
        assert figures.wrong == [], fault.title
        assert figures.outside == 0, (fault.title, figures.others)
