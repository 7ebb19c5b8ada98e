"""The service `send_again`."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from tests.reminders.receiver import answering, receiving
from tests.reminders.sending import (
    SECOND,
    attempt,
    deferred_at,
    delivery_to,
    due_at,
    failed_delivery_to,
    reloaded,
    send,
)

pytestmark = pytest.mark.usefixtures("webhook_channel")


def test_a_stopped_delivery_gets_all_attempts_again(
    viewer: User, moderator: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(410)) as gateway:
        attempt(delivery, gateway, settings)
        again = services.send_again(delivery.pk, by=moderator, now=now, reason="it is back")
        assert (again.state, again.attempts, again.closed_at) == ("pending", 0, None)
        assert deferred_at(now) == [{"delivery_id": delivery.pk}]
        gateway.answer = answering(200)
        assert attempt(delivery, gateway, settings).state == "delivered"
    entry = AuditEntry.objects.get(action="send_again")
    assert (entry.actor_id, entry.reason, entry.before["state"]) == (moderator.pk, "it is back", "stopped")


def test_a_pending_delivery_is_due_at_once(viewer: User, moderator: User, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    for _ in range(4):
        send(delivery)
    services.send_again(delivery.pk, by=moderator, now=now)
    assert (due_at(delivery), reloaded(delivery).attempts) == (now, 4)


def test_a_delivered_delivery_is_refused(viewer: User, moderator: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    with pytest.raises(services.AlreadyDelivered):
        services.send_again(delivery.pk, by=moderator, now=now)
    with pytest.raises(services.DeliveryMissing):
        services.send_again("0" * 24, by=moderator, now=now)
    assert not AuditEntry.objects.filter(action="send_again").exists()


def test_a_void_delivery_is_sent_once_it_is_true_again(
    viewer: User, creator: User, moderator: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    stream = LiveStream.objects.get()
    streams.delete_stream(stream.pk, by=creator, now=now)
    assert send(delivery).state == "void"
    with pytest.raises(services.NoLongerTrue):
        services.send_again(delivery.pk, by=moderator, now=now)
    assert reloaded(delivery).state == "void"
    streams.restore_stream(stream.pk, by=moderator, now=now + SECOND)
    services.send_again(delivery.pk, by=moderator, now=now + SECOND)
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert gateway.only_call.recipients == [viewer.pk]
