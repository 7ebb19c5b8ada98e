"""When the attempts of a delivery are made, and when it is given up. The test moves the clock."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from accounts.models import User
from reminders import services
from reminders.services.deliveries import GAPS
from tests.reminders.receiver import answering, closing, receiving
from tests.reminders.sending import (
    SECOND,
    attempt,
    deferred_at,
    delivery_to,
    due_at,
    reloaded,
    send,
)

pytestmark = pytest.mark.usefixtures("webhook_channel")


def test_a_job_that_runs_before_the_delivery_is_due_defers_another_one(
    viewer: User, settings: Any, now: datetime
) -> None:
    delivery = send(delivery_to(viewer, now=now))
    at = due_at(delivery)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings, now=at - SECOND)
        assert gateway.calls == []
        assert reloaded(delivery).attempts == 1
    # The clock of the worker is behind. Without another job the delivery would never be attempted.
    assert deferred_at(at) == [{"delivery_id": delivery.pk}] * 2


def test_a_failed_attempt_defers_the_next_one(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(500)) as gateway:
        failed = attempt(delivery, gateway, settings)
    assert (failed.state, failed.attempts, failed.last_error) == ("pending", 1, "the receiver answered 500")
    assert deferred_at(due_at(failed)) == [{"delivery_id": delivery.pk}]


def test_gaps_grow_over_three_days_until_the_delivery_is_given_up(viewer: User, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    at = [now]
    while (failed := send(delivery)).state == "pending":
        at.append(due_at(failed))
    for gap, (earlier, later) in zip(GAPS, pairwise(at), strict=True):
        assert gap <= later - earlier <= gap * 1.1 + 10 * SECOND
    assert timedelta(hours=75) < at[-1] - now < timedelta(hours=84)
    assert (failed.state, failed.attempts) == ("failed", 10)
    assert failed.last_error == "the connection failed, or was closed before the answer"
    assert failed.closed_at is not None


def test_a_receiver_that_was_down_for_a_day_gets_the_whole_batch(
    viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, stranger, now=now)
    while due_at(delivery) < now + timedelta(days=1):
        assert send(delivery).state == "pending"
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert (sent.state, sent.attempts) == ("delivered", 8)
    assert gateway.only_call.recipients == sorted([viewer.pk, stranger.pk])


def test_all_attempts_have_the_same_key_and_body(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(closing) as gateway:
        attempt(delivery, gateway, settings)
        gateway.answer = answering(503)
        attempt(delivery, gateway, settings)
        gateway.answer = answering(200)
        attempt(delivery, gateway, settings)
    assert {(call.key, call.body) for call in gateway.calls} == {(delivery.chunk_id, gateway.calls[0].body)}
    assert len(gateway.calls) == 3


# --- Retry-After and 410 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [("3600", 3600, 3610), ("1", 5, 16), ("99999999", 86_400, 86_410)],
    ids=["longer than the gap", "shorter than the gap", "longer than a day"],
)
def test_after_429_the_next_attempt_respects_retry_after(
    retry_after: str, least: int, most: int, viewer: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(429, {"Retry-After": retry_after})) as gateway:
        failed = attempt(delivery, gateway, settings)
    assert least * SECOND <= due_at(failed) - now <= most * SECOND


def test_410_stops_the_delivery(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(410)) as gateway:
        stopped = attempt(delivery, gateway, settings)
        assert services.deliver(delivery.pk, now=now + timedelta(days=1)) is None
    assert (stopped.state, stopped.last_error) == ("stopped", "the receiver answered 410: it wants no more")
    assert stopped.next_attempt_at is None
    assert len(gateway.calls) == 1
