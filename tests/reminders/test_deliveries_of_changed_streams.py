"""What a later attempt sends when a ban, a reminder or the stream has changed since the first."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from bans import services as bans
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Delivery
from tests.bans.people import make_ban
from tests.reminders.receiver import answering, receiving
from tests.reminders.sending import (
    SECOND,
    attempt,
    due_at,
    failed_delivery_to,
    send,
)
from tests.reminders.working import work_off
from tests.streams import make_stream

pytestmark = pytest.mark.usefixtures("webhook_channel")


def test_a_user_banned_since_is_left_out(viewer: User, stranger: User, settings: Any, now: datetime) -> None:
    delivery = failed_delivery_to(viewer, stranger, now=now)
    make_ban(viewer, LiveStream.objects.get(), now=now)
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [stranger.pk]
    assert (sent.state, sent.recipients) == ("delivered", 1)


def test_a_user_whose_ban_was_lifted_since_is_notified(
    viewer: User, moderator: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    ban = make_ban(viewer, LiveStream.objects.get(), now=now)
    bans.lift_ban(ban.pk, by=moderator, now=now + SECOND)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [viewer.pk]


def test_a_user_whose_ban_has_expired_by_the_attempt_is_notified(viewer: User, settings: Any, now: datetime) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    make_ban(viewer, LiveStream.objects.get(), now=now, expires_at=now + SECOND)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [viewer.pk]


def test_a_user_who_removed_the_reminder_since_is_left_out(
    viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, stranger, now=now)
    services.remove_reminder(LiveStream.objects.get().pk, by=viewer, now=now)
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [stranger.pk]
    assert (sent.state, sent.recipients) == ("delivered", 1)


def cancel(stream: LiveStream, now: datetime) -> None:
    streams.cancel_stream(stream.pk, by=stream.creator, now=now)


def delete(stream: LiveStream, now: datetime) -> None:
    streams.delete_stream(stream.pk, by=stream.creator, now=now)


def move(stream: LiveStream, now: datetime) -> None:
    later = {"planned_start_at": now + timedelta(days=1)}
    streams.edit_stream(stream.pk, by=stream.creator, now=now, changes=later)


def remove_planned_start(stream: LiveStream, now: datetime) -> None:
    streams.edit_stream(stream.pk, by=stream.creator, now=now, changes={"planned_start_at": None})


def start(stream: LiveStream, now: datetime) -> None:
    streams.start_stream(stream.pk, by=stream.creator, now=now)


def start_and_end(stream: LiveStream, now: datetime) -> None:
    start(stream, now)
    streams.end_stream(stream.pk, by=stream.creator, now=now + SECOND)


@pytest.mark.parametrize("change", [cancel, delete, move, remove_planned_start, start_and_end])
def test_a_reminder_that_is_no_longer_true_is_void_and_sent_to_nobody(
    change: Callable[[LiveStream, datetime], None], viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, stranger, now=now)
    change(LiveStream.objects.get(), now + SECOND)
    with receiving(answering(200)) as gateway:
        void = attempt(delivery, gateway, settings)
        assert services.deliver(delivery.pk, now=now + timedelta(days=1)) is None
    assert gateway.calls == []
    # The last error is kept: it is the reason why the delivery was not made while it was true.
    assert (void.state, void.recipients, void.attempts, void.last_error) == ("void", 0, 1, delivery.last_error)
    assert void.last_error
    assert void.next_attempt_at is None
    entry = AuditEntry.objects.filter(action="deliver", target_id=delivery.pk).latest("id")
    assert (entry.before["state"], entry.after["state"]) == ("pending", "void")


def test_a_reminder_is_still_sent_after_the_start(viewer: User, settings: Any, now: datetime) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    start(LiveStream.objects.get(), now + SECOND)
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert gateway.only_call.recipients == [viewer.pk]


def test_a_reminder_whose_start_was_moved_away_and_back_is_true_again(
    viewer: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    stream = LiveStream.objects.get()
    move(stream, now + SECOND)
    plan = {"planned_start_at": stream.planned_start_at}
    streams.edit_stream(stream.pk, by=stream.creator, now=now + 2 * SECOND, changes=plan)
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert gateway.only_call.recipients == [viewer.pk]


def delivery_after(
    change: Callable[[LiveStream, datetime], None], viewer: User, creator: User, now: datetime
) -> Delivery:
    """The delivery of the notification that `change` causes."""
    stream = make_stream(creator, now=now - SECOND)
    services.set_reminder(stream.pk, by=viewer, now=now - SECOND, minute=None, language="en")
    change(stream, now)
    work_off(now)
    return Delivery.objects.get()


@pytest.mark.parametrize(("change", "kind"), [(start, "live"), (cancel, "cancelled")])
def test_a_start_and_a_cancellation_are_still_sent_a_day_later(
    change: Callable[[LiveStream, datetime], None], kind: str, viewer: User, creator: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_after(change, viewer, creator, now)
    with receiving(answering(500)) as gateway:
        while due_at(delivery) < now + timedelta(days=1):
            attempt(delivery, gateway, settings)
        gateway.answer = answering(200)
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert {call.json["data"]["kind"] for call in gateway.calls} == {kind}
    assert all(call.recipients == [viewer.pk] for call in gateway.calls)


def test_a_live_notification_of_an_ended_stream_is_void(
    viewer: User, creator: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_after(start, viewer, creator, now)
    assert send(delivery).state == "pending"
    streams.end_stream(LiveStream.objects.get().pk, by=creator, now=now + SECOND)
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == "void"
    assert gateway.calls == []
