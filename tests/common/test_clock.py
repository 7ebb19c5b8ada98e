"""Tasks take the time from the database, and a worker whose clock differs from it opens no rounds."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from accounts.models import User
from common import clock
from common.jobs import RetryStrategy
from reminders import services
from reminders.models import Notification, Round
from reminders.tasks import RETRY, cut_rounds, find_due_lead_times, notify_chunks
from tests.streams import make_stream

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HALF_AN_HOUR = 30 * MINUTE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget_difference() -> Iterator[None]:
    yield
    clock._difference = clock._Difference()


def shift(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Let the clock of this machine be ahead of that of the database."""
    unshifted = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: unshifted() + by)


def remind(viewer: User, creator: User, *, due_in: timedelta) -> str:
    """A stream with a reminder of five minutes before, which comes due after `due_in`."""
    now = timezone.now()
    earlier = now - MINUTE
    stream = make_stream(creator, now=earlier, planned_start_at=now + 5 * MINUTE + due_in)
    services.set_reminder(stream.pk, by=viewer, now=earlier, minute=5, language="en")
    return stream.pk


@pytest.mark.parametrize("by", [-HALF_AN_HOUR, timedelta(0), HALF_AN_HOUR])
def test_the_time_is_that_of_the_database(by: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    before = timezone.now()
    shift(monkeypatch, by)

    assert abs(clock.database_time() - before) < MINUTE
    assert abs(clock.difference() + by) < MINUTE


@pytest.mark.parametrize("by", [-HALF_AN_HOUR, -40 * SECOND, 40 * SECOND, HALF_AN_HOUR])
def test_clocks_that_differ_agree_on_no_time_and_are_reported_once_a_minute(
    by: timedelta, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shift(monkeypatch, by)
    with caplog.at_level(logging.ERROR, logger="common.clock"):
        assert clock.agreed_time() is None
        assert clock.agreed_time() is None
    assert len(caplog.records) == 1
    assert "differ by" in caplog.text


@pytest.mark.parametrize("by", [-20 * SECOND, timedelta(0), 20 * SECOND])
def test_small_differences_are_tolerated(by: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    shift(monkeypatch, by)
    assert clock.agreed_time() is not None


def test_a_fast_worker_opens_no_round(creator: User, viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    remind(viewer, creator, due_in=10 * MINUTE)
    remind(viewer, creator, due_in=-SECOND)
    shift(monkeypatch, HALF_AN_HOUR)

    find_due_lead_times(timestamp=0)

    assert not Round.objects.exists()


def test_a_fast_worker_sends_in_time_what_others_opened(
    creator: User, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own clock it would be too late."""
    remind(viewer, creator, due_in=-SECOND)
    find_due_lead_times(timestamp=0)
    shift(monkeypatch, HALF_AN_HOUR)

    cut_rounds(round_ids=list(Round.objects.values_list("pk", flat=True)))
    notify_chunks(chunk_ids=list(Round.objects.values_list("chunks__pk", flat=True)))

    notified = Notification.objects.get()
    assert abs(notified.created_at - (timezone.now() - HALF_AN_HOUR)) < MINUTE


def test_the_command_sends_nothing_while_the_clocks_differ(
    creator: User, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    remind(viewer, creator, due_in=-SECOND)
    shift(monkeypatch, HALF_AN_HOUR)

    with pytest.raises(CommandError, match=r"differ by 1,\d{3} seconds\. Nothing was sent"):
        call_command("dispatch_reminders", stdout=StringIO())
    assert not Round.objects.exists()


@pytest.mark.parametrize("by", [-HALF_AN_HOUR, HALF_AN_HOUR])
def test_retries_are_scheduled_by_the_clock_of_the_database(by: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    before = clock.database_time()
    shift(monkeypatch, by)
    clock.database_time()
    # Procrastinate does not use Django's function.
    machine = before + by
    monkeypatch.setattr("procrastinate.utils.utcnow", lambda: machine)
    job = Job(id=1, queue="q", lock=None, queueing_lock=None, task_name="t", attempts=2)

    decision = RETRY.get_retry_decision(exception=ValueError(), job=job)

    assert isinstance(RETRY, RetryStrategy)
    assert decision is not None
    assert isinstance(decision.retry_at, datetime)
    assert abs(decision.retry_at - before - 10 * SECOND) < MINUTE


def test_every_task_with_retries_has_this_strategy() -> None:
    strategies = {name: task.retry_strategy for name, task in app.tasks.items() if task.retry_strategy is not None}
    own = {name for name, strategy in strategies.items() if isinstance(strategy, RetryStrategy)}
    assert own
    # The rest are Procrastinate's own tasks.
    assert {name for name in strategies.keys() - own if not name.startswith(("builtin", "procrastinate"))} == set()
