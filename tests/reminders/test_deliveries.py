"""How a delivery is sent: to whom, outside transactions, once, and with which result."""

from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.channels import Batch, Unreached
from reminders.models import Delivery, MutedChannel
from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.races import at_once
from tests.reminders.receiver import Gateway, answering, receiving
from tests.reminders.sending import (
    SECRET,
    attempt,
    delivery_to,
    send,
)
from tests.reminders.working import work

pytestmark = pytest.mark.usefixtures("webhook_channel")


def test_a_delivered_delivery_is_closed(viewer: User, stranger: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, stranger, now=now)
    with receiving(answering(204)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert (sent.state, sent.recipients, sent.attempts, sent.last_error) == ("delivered", 2, 1, "")
    assert sent.next_attempt_at is None
    assert sent.closed_at is not None
    assert sent.closed_at >= now
    assert gateway.only_call.key == delivery.chunk_id
    assert gateway.only_call.recipients == sorted([viewer.pk, stranger.pk])


def test_each_attempt_writes_an_audit_row(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    send(delivery)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    entries = AuditEntry.objects.filter(action="deliver", target_id=delivery.pk).order_by("id")
    assert [(entry.before["state"], entry.after["state"], entry.after["attempts"]) for entry in entries] == [
        ("pending", "pending", 1),
        ("pending", "delivered", 2),
    ]


def test_a_delivered_delivery_is_not_sent_again(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
        assert services.deliver(delivery.pk, now=now + timedelta(days=1)) is None
    assert len(gateway.calls) == 1


def test_each_recipient_has_the_language_of_their_reminder(
    viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, stranger, now=now, languages={"viewer": "tr"})
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    recipients = gateway.only_call.json["data"]["recipients"]
    assert {person["userId"]: person["language"] for person in recipients} == {viewer.pk: "tr", stranger.pk: "en"}


def test_users_who_muted_the_channel_or_are_inactive_are_skipped(
    viewer: User, stranger: User, guest: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, stranger, guest, now=now)
    services.choose_channels(by=stranger, now=now, wanted={"webhook": False})
    MutedChannel.objects.create(user=viewer, channel="email")
    User.objects.filter(pk=guest.pk).update(is_active=False)
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [viewer.pk]
    assert sent.recipients == 1


def test_without_recipients_the_receiver_is_not_called(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    services.choose_channels(by=viewer, now=now, wanted={"webhook": False})
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert (sent.state, sent.recipients, gateway.calls) == ("delivered", 0, [])


def test_a_second_round_of_a_planned_start_goes_only_to_the_users_it_notified(
    creator: User, viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    """A start that is moved away and back comes due again. Users of the first round are not notified again."""
    first = delivery_to(viewer, now=now)
    stream = LiveStream.objects.get()
    planned = stream.planned_start_at
    assert planned is not None
    for minute, moved in ((1, planned + timedelta(hours=3)), (2, planned)):
        at = now + timedelta(minutes=minute)
        streams.edit_stream(stream.pk, by=creator, now=at, changes={"planned_start_at": moved})
        if moved != planned:
            services.set_reminder(stream.pk, by=stranger, now=at, minute=15, language="en")
        work(at)
    second = Delivery.objects.exclude(pk=first.pk).get()
    with receiving(answering(200)) as gateway:
        attempt(first, gateway, settings)
        attempt(second, gateway, settings)
    assert [call.recipients for call in gateway.calls] == [[viewer.pk], [stranger.pk]]
    assert len({call.key for call in gateway.calls}) == 2


# --- channels that fail ---------------------------------------------------------------------------


class Raising:
    def send(self, batch: Batch) -> None:
        raise RuntimeError(f"cannot sign with {SECRET}")


class OneAtATime:
    """Reaches one user in each attempt."""

    def send(self, batch: Batch) -> None:
        if len(batch.people) > 1:
            raise Unreached("one reached", reached_user=batch.people[0].user_id)


MODULE = "tests.reminders.test_deliveries"


@pytest.mark.parametrize("channels", [{}, {"webhook": f"{MODULE}.Nothing"}], ids=["removed", "misspelt"])
def test_a_missing_channel_fails_with_its_name(
    channels: dict[str, str], viewer: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, now=now)
    settings.NOTIFICATION_CHANNELS = channels
    failed = send(delivery)
    assert (failed.state, failed.last_error) == ("failed", "settings name no working channel 'webhook'")


def test_an_exception_of_a_channel_is_a_failed_attempt_without_secrets(
    viewer: User, settings: Any, now: datetime
) -> None:
    settings.NOTIFICATION_CHANNELS = {"raising": f"{MODULE}.Raising"}
    failed = send(delivery_to(viewer, now=now))
    assert (failed.state, failed.last_error) == ("pending", "RuntimeError: cannot sign with …")


def test_progress_is_stored_and_starts_the_gaps_again(
    viewer: User, stranger: User, guest: User, settings: Any, now: datetime
) -> None:
    settings.NOTIFICATION_CHANNELS = {"one reached": f"{MODULE}.OneAtATime"}
    delivery = delivery_to(viewer, stranger, guest, now=now)
    people = sorted([viewer.pk, stranger.pk, guest.pk])
    for reached in people[:2]:
        failed = send(delivery)
        assert (failed.state, failed.attempts, failed.reached_user) == ("pending", 1, reached)
    sent = send(delivery)
    assert (sent.state, sent.recipients) == ("delivered", 3)


# --- concurrency ----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_calls_one_sends(settings: Any) -> None:
    now = timezone.now()
    delivery = delivery_to(make_user("viewer"), now=now)
    both_tried = Event()

    def answer(gateway: Gateway, handler: Any) -> None:
        assert both_tried.wait(timeout=PATIENCE)
        answering(200)(gateway, handler)

    def deliver(_: int) -> str | None:
        state = services.deliver(delivery.pk, now=now)
        both_tried.set()
        return state

    with receiving(answer) as gateway:
        settings.WEBHOOK_URL = gateway.url
        states = at_once(2, deliver)
    assert sorted(states, key=str) == [None, "delivered"]
    assert len(gateway.calls) == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction(settings: Any) -> None:
    """Another connection changes the row while the receiver handles the call."""
    now = timezone.now()
    delivery = delivery_to(make_user("viewer"), now=now)
    operator = make_user("operator")
    seen: list[str] = []

    def answer(gateway: Gateway, handler: Any) -> None:
        # In the server's thread, on its own connection. A transaction that is open during the call would block it.
        seen.extend(at_once(1, lambda _: services.send_again(delivery.pk, by=operator, now=now).state))
        answering(200)(gateway, handler)

    with receiving(answer) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert seen == ["pending"]
