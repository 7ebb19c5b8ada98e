"""The admin action send_again, with a webhook receiver on this machine."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from reminders import services
from reminders.models import Delivery, Reminder
from tests.admin.conftest import Office
from tests.admin.notifying import WEBHOOK, notify_of_start
from tests.admin.pages import action_url, change_many, list_url, messages_of, page_url, text_of
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.reminders.receiver import Gateway, answering, receiving
from tests.reminders.sending import SECRET
from tests.streams import make_stream

REASON = {"reason": "The receiver is mended."}
ACTION = "send_again"
State = Delivery.State


@pytest.fixture
def receiver(settings: Any) -> Iterator[Gateway]:
    """A webhook receiver that answers 410 Gone."""
    with receiving(answering(410)) as receiver:
        settings.NOTIFICATION_CHANNELS = WEBHOOK
        settings.WEBHOOK_URL, settings.WEBHOOK_ALLOW_PRIVATE = receiver.url, True
        settings.WEBHOOK_SECRETS = [SECRET]
        yield receiver


@pytest.fixture
def stopped(receiver: Gateway, creator: User, viewer: User) -> Delivery:
    """A delivery that was stopped by 410. The receiver answers 204 from now on."""
    delivery = notify_of_start(make_stream(creator), [viewer])
    assert services.deliver(delivery.pk, now=timezone.now()) == State.STOPPED
    receiver.answer, receiver.calls[:] = answering(204), []
    return delivery


@pytest.mark.parametrize("many", [False, True])
def test_a_stopped_delivery_is_sent_again_and_the_reason_is_recorded(
    many: bool, stopped: Delivery, receiver: Gateway, viewer: User, office: Office, moderator: User
) -> None:
    client = office(moderator)
    if many:
        answer = change_many(client, ACTION, [stopped], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(stopped, ACTION), REASON)

    assert answer.status_code == 302
    assert messages_of(answer) == ["1 delivery is sent again."]
    assert services.deliver(stopped.pk, now=timezone.now()) == State.DELIVERED
    assert receiver.only_call.recipients == [viewer.pk]
    entry = AuditEntry.objects.get(target_id=stopped.pk, action=ACTION)
    assert (entry.entry_point, entry.actor_id, entry.reason) == ("admin", moderator.pk, REASON["reason"])


def test_of_many_the_delivered_ones_are_refused(
    stopped: Delivery, receiver: Gateway, guest: User, viewer: User, office: Office, moderator: User
) -> None:
    delivered = notify_of_start(make_stream(guest), [viewer])
    services.deliver(delivered.pk, now=timezone.now())

    answer = change_many(office(moderator), ACTION, [stopped, delivered], confirmed="yes", **REASON)

    assert messages_of(answer) == [
        "1 delivery is sent again.",
        f"“{delivered}”: what has been delivered is not sent again",
    ]


@pytest.mark.parametrize("who", ["reader", "creator", "nobody"])
@pytest.mark.parametrize("many", [False, True])
def test_a_crafted_post_of_somebody_without_the_permission_sends_nothing(
    many: bool, who: str, stopped: Delivery, request: Any, office: Office, client: Client
) -> None:
    before, entries = Delivery.objects.values().get(), AuditEntry.objects.count()
    if who != "nobody":
        client = office(request.getfixturevalue(who))

    if many:
        answer = change_many(client, ACTION, [stopped], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(stopped, ACTION), REASON)

    assert answer.status_code == (302 if who == "nobody" else 403)
    assert Delivery.objects.values().get() == before
    assert AuditEntry.objects.count() == entries


def test_the_action_is_offered_for_stopped_and_pending_deliveries_only(
    stopped: Delivery, guest: User, viewer: User, office: Office, moderator: User, reader: User
) -> None:
    waiting = notify_of_start(make_stream(guest), [viewer])
    delivered = notify_of_start(make_stream(make_user("other")), [viewer])
    services.deliver(delivered.pk, now=timezone.now())

    assert action_url(stopped, ACTION) in office(moderator).get(page_url(stopped)).content.decode()
    assert action_url(waiting, ACTION) in office(moderator).get(page_url(waiting)).content.decode()
    assert action_url(delivered, ACTION) not in office(moderator).get(page_url(delivered)).content.decode()
    assert action_url(stopped, ACTION) not in office(reader).get(page_url(stopped)).content.decode()


def test_the_confirmation_page_shows_the_error_and_changes_nothing(
    stopped: Delivery, office: Office, moderator: User
) -> None:
    page = office(moderator).get(action_url(stopped, ACTION))

    assert "the receiver answered 410" in text_of(page)
    assert Delivery.objects.get().state == State.STOPPED


@pytest.mark.parametrize(("query", "count"), [("state__exact=stopped", 1), ("state__exact=failed", 0)])
@pytest.mark.parametrize("channel", ["webhook", "email"])
def test_deliveries_are_filtered_by_state_and_channel(
    query: str, count: int, channel: str, stopped: Delivery, office: Office, reader: User, settings: Any
) -> None:
    settings.NOTIFICATION_CHANNELS = WEBHOOK | {"email": "reminders.channels.email.EmailChannel"}

    found = office(reader).get(f"{list_url(Delivery)}?{query}&channel={channel}")

    assert len(found.context["cl"].result_list) == (count if channel == "webhook" else 0)


def test_the_page_of_a_round_links_to_its_chunks(
    stopped: Delivery, guest: User, viewer: User, office: Office, reader: User
) -> None:
    notify_of_start(make_stream(guest), [viewer])
    round_ = stopped.chunk.round
    client = office(reader)

    page = client.get(page_url(round_)).content.decode()
    address = f"/admin/reminders/chunk/?round__id__exact={round_.pk}"
    found = client.get(address)

    assert f'href="{address}">1 / 1</a>' in page
    assert [chunk.pk for chunk in found.context["cl"].result_list] == [stopped.chunk_id]


def test_the_state_of_a_reminder_follows_from_its_stream_the_ledger_and_bans(
    creator: User, viewer: User, stranger: User, office: Office, reader: User
) -> None:
    stream, now = make_stream(creator), timezone.now()
    for person in (viewer, stranger):
        services.set_reminder(stream.pk, by=person, now=now, minute=15, language="en")
    make_ban(stranger, stream)
    notified = make_user("notified")
    notify_of_start(make_stream(make_user("other")), [notified])

    page = office(reader).get(list_url(Reminder)).content.decode()
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in page.split("<tr")]

    for person, state in ((viewer, "scheduled"), (stranger, "cancelled"), (notified, "sent")):
        (row,) = [row for row in rows if f" {person.username} " in row]
        assert f" {state} " in row
