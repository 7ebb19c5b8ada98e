"""The push gateway gets the tokens of the devices on which a user is logged in, and nobody else does."""

import json
import logging
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from accounts import services as accounts
from accounts.models import Session, User
from common.models import AuditEntry
from reminders import services
from reminders.channels import Batch, Device, Person, webhook
from reminders.models import Delivery
from tests.conftest import session_of
from tests.reminders.receiver import answering, receiving
from tests.reminders.sending import SECRET, attempt, delivery_to
from tests.test_statements import statements

TOKEN = "fcm-secret:APA91bHPRgkF3JUikC4E"


@pytest.fixture(autouse=True)
def _webhook(settings: Any) -> None:
    settings.NOTIFICATION_CHANNELS = {"webhook": "reminders.channels.webhook.WebhookChannel"}
    settings.WEBHOOK_SECRETS = [SECRET]
    settings.WEBHOOK_ALLOW_PRIVATE = True


def register(user: User, token: str, platform: str, session: Session, now: datetime) -> None:
    services.register_device(by=user, now=now, token=token, platform=platform, session_id=session.pk)


def recipients_of(delivery: Delivery, settings: Any) -> dict[str, list[dict[str, str]]]:
    """The devices of each recipient, as the gateway gets them."""
    with receiving(answering(204)) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    return {each["userId"]: each["devices"] for each in gateway.only_call.json["data"]["recipients"]}


def test_each_recipient_has_the_devices_with_a_session(
    viewer: User, stranger: User, guest: User, now: datetime, settings: Any
) -> None:
    here, there, ended = (session_of(viewer) for _ in range(3))
    register(viewer, f"{TOKEN}-1", "ios", here, now)
    register(viewer, f"{TOKEN}-2", "web", there, now)
    register(viewer, "ended", "ios", ended, now)
    register(guest, "of somebody who gets no notification", "ios", session_of(guest), now)
    accounts.revoke(ended.pk, now=now)
    delivery = delivery_to(viewer, stranger, now=now)

    assert recipients_of(delivery, settings) == {
        viewer.pk: [{"platform": "ios", "token": f"{TOKEN}-1"}, {"platform": "web", "token": f"{TOKEN}-2"}],
        stranger.pk: [],
    }


@pytest.mark.parametrize("way", ["logout", "removal", "another user"])
def test_a_token_that_ended_before_the_delivery_is_not_sent(
    way: str, viewer: User, stranger: User, now: datetime, settings: Any
) -> None:
    session = session_of(viewer)
    register(viewer, TOKEN, "ios", session, now)
    delivery = delivery_to(viewer, stranger, now=now)
    match way:
        case "logout":
            accounts.log_out(viewer, now=now)
        case "removal":
            services.remove_device(viewer.device_tokens.get().pk, by=viewer, now=now)
        case "another user":
            register(stranger, TOKEN, "ios", session_of(stranger), now)

    moved = [{"platform": "ios", "token": TOKEN}] if way == "another user" else []
    assert recipients_of(delivery, settings) == {viewer.pk: [], stranger.pk: moved}


def test_the_audit_trail_the_delivery_and_the_logs_have_no_token(
    viewer: User, now: datetime, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    register(viewer, TOKEN, "ios", session_of(viewer), now)
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(500)) as gateway:
        assert attempt(delivery, gateway, settings).last_error
    assert TOKEN in json.dumps(gateway.calls[0].json)

    stored = [*AuditEntry.objects.values(), *Delivery.objects.values()]
    assert TOKEN not in repr(stored)
    assert TOKEN not in caplog.text


def test_the_error_of_a_channel_that_fails_shows_no_token(
    viewer: User, now: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any, batch: Batch) -> None:
        raise ValueError(f"cannot send {batch.people}")

    monkeypatch.setattr(webhook.WebhookChannel, "send", fail)
    register(viewer, TOKEN, "ios", session_of(viewer), now)
    delivery = delivery_to(viewer, now=now)
    services.deliver(delivery.pk, now=now + timedelta(seconds=1))

    delivery.refresh_from_db()
    assert viewer.pk in delivery.last_error
    assert TOKEN not in delivery.last_error + caplog.text


def test_devices_are_read_with_the_recipients(
    viewer: User, stranger: User, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook.WebhookChannel, "send", lambda *_: None)
    counts: list[int] = []
    for user in (viewer, stranger):
        delivery = delivery_to(user, now=now + len(counts) * timedelta(days=1))
        if counts:
            for number in range(5):
                register(user, f"{number}", "ios", session_of(user), now)
        later = now + timedelta(days=2)
        counts.append(len(statements(partial(services.deliver, delivery.pk, now=later))))
        Delivery.objects.all().delete()
    assert counts[0] == counts[1]


def test_a_device_does_not_show_its_token() -> None:
    person = Person("0" * 24, "Ayşe", "", "tr", (Device("ios", TOKEN),))
    assert TOKEN not in f"{person} {person.devices}"
