"""How a chunk gets through to a receiver that is down, slow or tired of it, on a clock that the test moves."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Event
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from bans import services as bans
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.channels import Batch, Unreached
from reminders.models import Delivery, MutedChannel
from reminders.services.deliveries import GAPS
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.races import at_once
from tests.reminders.receiver import Gateway, answering, closing, receiving
from tests.reminders.sending import SECRET, as_it_is, delivery_to, due_at, send
from tests.reminders.working import work, work_off
from tests.servers import free_port
from tests.streams import make_stream

WEBHOOK = {"webhook": "reminders.channels.webhook.WebhookChannel"}
SECOND = timedelta(seconds=1)
DOWN = "http://127.0.0.1:{}/"


@pytest.fixture(autouse=True)
def _place(settings: Any) -> None:
    settings.NOTIFICATION_CHANNELS = WEBHOOK
    settings.WEBHOOK_SECRETS = [SECRET]
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.WEBHOOK_URL = DOWN.format(free_port())


def jobs_at(at: datetime) -> list[dict[str, Any]]:
    """What deliveries workers are to do from `at` on."""
    jobs = ProcrastinateJob.objects.filter(task_name="reminders.tasks.deliver", scheduled_at=at)
    return list(jobs.values_list("args", flat=True))


def attempt(delivery: Delivery, gateway: Gateway, settings: Any, now: datetime | None = None) -> Delivery:
    settings.WEBHOOK_URL = gateway.url
    return send(delivery, now)


# --- got through ----------------------------------------------------------------------------------


def test_a_delivery_that_got_through_is_closed(viewer: User, stranger: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, stranger, now=now)
    with receiving(answering(204)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert (sent.state, sent.recipients, sent.attempts, sent.last_error) == ("delivered", 2, 1, "")
    assert sent.next_attempt_at is None
    assert sent.closed_at is not None
    assert sent.closed_at >= now
    assert gateway.only_call.key == delivery.chunk_id
    assert gateway.only_call.recipients == sorted([viewer.pk, stranger.pk])


def test_each_attempt_leaves_an_audit_row(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    send(delivery)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    entries = AuditEntry.objects.filter(action="deliver", target_id=delivery.pk).order_by("id")
    assert [(entry.before["state"], entry.after["state"], entry.after["attempts"]) for entry in entries] == [
        ("pending", "pending", 1),
        ("pending", "delivered", 2),
    ]


def test_what_was_delivered_is_not_sent_once_more(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
        assert services.deliver(delivery.pk, now=now + timedelta(days=1)) is None
    assert len(gateway.calls) == 1


def test_each_person_has_the_language_of_their_reminder(
    viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, stranger, now=now, languages={"viewer": "tr"})
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    recipients = gateway.only_call.json["data"]["recipients"]
    assert {person["userId"]: person["language"] for person in recipients} == {viewer.pk: "tr", stranger.pk: "en"}


def test_who_muted_the_channel_or_left_is_passed_over(
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


def test_with_nobody_left_nothing_is_called(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    services.choose_channels(by=viewer, now=now, wanted={"webhook": False})
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert (sent.state, sent.recipients, gateway.calls) == ("delivered", 0, [])


def test_a_second_round_of_one_plan_goes_only_to_those_it_told(
    creator: User, viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    """Moved away and back, a start comes due anew; who was told before is not told again, on no way."""
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


# --- what changed between the attempts ------------------------------------------------------------


def failed_delivery_to(*people: User, now: datetime) -> Delivery:
    delivery = delivery_to(*people, now=now)
    failed = send(delivery)
    assert (failed.state, failed.recipients) == ("pending", len(people))
    return failed


def test_who_was_banned_since_is_left_out(viewer: User, stranger: User, settings: Any, now: datetime) -> None:
    delivery = failed_delivery_to(viewer, stranger, now=now)
    make_ban(viewer, LiveStream.objects.get(), now=now)
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [stranger.pk]
    assert (sent.state, sent.recipients) == ("delivered", 1)


def test_whose_ban_was_lifted_since_is_told(viewer: User, moderator: User, settings: Any, now: datetime) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    ban = make_ban(viewer, LiveStream.objects.get(), now=now)
    bans.lift_ban(ban.pk, by=moderator, now=now + SECOND)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [viewer.pk]


def test_whose_ban_has_lapsed_by_the_attempt_is_told(viewer: User, settings: Any, now: datetime) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    make_ban(viewer, LiveStream.objects.get(), now=now, expires_at=now + SECOND)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    assert gateway.only_call.recipients == [viewer.pk]


def test_who_removed_the_reminder_since_is_left_out(viewer: User, stranger: User, settings: Any, now: datetime) -> None:
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


def take_the_plan_away(stream: LiveStream, now: datetime) -> None:
    streams.edit_stream(stream.pk, by=stream.creator, now=now, changes={"planned_start_at": None})


def start(stream: LiveStream, now: datetime) -> None:
    streams.start_stream(stream.pk, by=stream.creator, now=now)


def start_and_end(stream: LiveStream, now: datetime) -> None:
    start(stream, now)
    streams.end_stream(stream.pk, by=stream.creator, now=now + SECOND)


@pytest.mark.parametrize("change", [cancel, delete, move, take_the_plan_away, start_and_end])
def test_a_reminder_that_is_no_longer_true_is_void_and_goes_to_nobody(
    change: Callable[[LiveStream, datetime], None], viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, stranger, now=now)
    change(LiveStream.objects.get(), now + SECOND)
    with receiving(answering(200)) as gateway:
        void = attempt(delivery, gateway, settings)
        assert services.deliver(delivery.pk, now=now + timedelta(days=1)) is None
    assert gateway.calls == []
    # The error of the attempt that was made tells why it did not go out while it was true.
    assert (void.state, void.recipients, void.attempts, void.last_error) == ("void", 0, 1, delivery.last_error)
    assert void.last_error
    assert void.next_attempt_at is None
    entry = AuditEntry.objects.filter(action="deliver", target_id=delivery.pk).latest("id")
    assert (entry.before["state"], entry.after["state"]) == ("pending", "void")


def test_a_reminder_that_comes_after_the_start_is_late_and_better_than_no_word(
    viewer: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    start(LiveStream.objects.get(), now + SECOND)
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert gateway.only_call.recipients == [viewer.pk]


def test_a_reminder_whose_start_was_moved_and_moved_back_is_true_again(
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
    """Of what people are told when this happens to the stream."""
    stream = make_stream(creator, now=now - SECOND)
    services.set_reminder(stream.pk, by=viewer, now=now - SECOND, minute=None, language="en")
    change(stream, now)
    work_off(now)
    return Delivery.objects.get()


@pytest.mark.parametrize(("change", "kind"), [(start, "live"), (cancel, "cancelled")])
def test_the_start_and_a_cancellation_are_told_at_once_and_still_a_day_later(
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


def test_a_live_notice_of_a_stream_that_has_ended_is_void(
    viewer: User, creator: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_after(start, viewer, creator, now)
    assert send(delivery).state == "pending"
    streams.end_stream(LiveStream.objects.get().pk, by=creator, now=now + SECOND)
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == "void"
    assert gateway.calls == []


# --- not yet --------------------------------------------------------------------------------------


def test_what_is_not_due_is_left_alone_and_asked_for_again(viewer: User, settings: Any, now: datetime) -> None:
    delivery = send(delivery_to(viewer, now=now))
    at = due_at(delivery)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings, now=at - SECOND)
        assert gateway.calls == []
        assert as_it_is(delivery).attempts == 1
    # By the worker's clock the job came too soon; without another one nobody would come back.
    assert jobs_at(at) == [{"delivery_id": delivery.pk}] * 2


def test_a_failure_is_due_again_in_a_job_of_its_own(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(500)) as gateway:
        failed = attempt(delivery, gateway, settings)
    assert (failed.state, failed.attempts, failed.last_error) == ("pending", 1, "the receiver answered 500")
    assert jobs_at(due_at(failed)) == [{"delivery_id": delivery.pk}]


def test_the_gaps_grow_over_three_days_until_it_is_given_up(viewer: User, now: datetime) -> None:
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


def test_a_receiver_that_was_down_for_a_day_gets_it_all(
    viewer: User, stranger: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, stranger, now=now)
    while due_at(delivery) < now + timedelta(days=1):
        assert send(delivery).state == "pending"
    with receiving(answering(200)) as gateway:
        sent = attempt(delivery, gateway, settings)
    assert (sent.state, sent.attempts) == ("delivered", 8)
    assert gateway.only_call.recipients == sorted([viewer.pk, stranger.pk])


def test_all_attempts_carry_one_key_and_one_message(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(closing) as gateway:
        attempt(delivery, gateway, settings)
        gateway.answer = answering(503)
        attempt(delivery, gateway, settings)
        gateway.answer = answering(200)
        attempt(delivery, gateway, settings)
    assert {(call.key, call.body) for call in gateway.calls} == {(delivery.chunk_id, gateway.calls[0].body)}
    assert len(gateway.calls) == 3


# --- what the receiver wishes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wished", "least", "most"),
    [("3600", 3600, 3610), ("1", 5, 16), ("99999999", 86_400, 86_410)],
    ids=["longer than the gap", "shorter than the gap", "longer than a day"],
)
def test_429_is_left_alone_for_as_long_as_it_asks(
    wished: str, least: int, most: int, viewer: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(429, {"Retry-After": wished})) as gateway:
        failed = attempt(delivery, gateway, settings)
    assert least * SECOND <= due_at(failed) - now <= most * SECOND


def test_410_stops_it_at_once(viewer: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(410)) as gateway:
        stopped = attempt(delivery, gateway, settings)
        assert services.deliver(delivery.pk, now=now + timedelta(days=1)) is None
    assert (stopped.state, stopped.last_error) == ("stopped", "the receiver answered 410: it wants no more")
    assert stopped.next_attempt_at is None
    assert len(gateway.calls) == 1


# --- channels that do not work --------------------------------------------------------------------


class Breaking:
    def send(self, batch: Batch) -> None:
        raise RuntimeError(f"cannot sign with {SECRET}")


class Midway:
    """Reaches one person at each attempt."""

    def send(self, batch: Batch) -> None:
        if len(batch.people) > 1:
            raise Unreached("midway", reached_user=batch.people[0].user_id)


HERE = "tests.reminders.test_deliveries"


@pytest.mark.parametrize("channels", [{}, {"webhook": f"{HERE}.Nothing"}], ids=["removed", "misspelt"])
def test_a_channel_that_is_not_there_fails_clearly(
    channels: dict[str, str], viewer: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, now=now)
    settings.NOTIFICATION_CHANNELS = channels
    failed = send(delivery)
    assert (failed.state, failed.last_error) == ("failed", "settings name no working channel 'webhook'")


def test_a_channel_that_breaks_is_a_failed_attempt_without_its_secrets(
    viewer: User, settings: Any, now: datetime
) -> None:
    settings.NOTIFICATION_CHANNELS = {"breaking": f"{HERE}.Breaking"}
    failed = send(delivery_to(viewer, now=now))
    assert (failed.state, failed.last_error) == ("pending", "RuntimeError: cannot sign with …")


def test_progress_is_kept_and_begins_the_gaps_anew(
    viewer: User, stranger: User, guest: User, settings: Any, now: datetime
) -> None:
    settings.NOTIFICATION_CHANNELS = {"midway": f"{HERE}.Midway"}
    delivery = delivery_to(viewer, stranger, guest, now=now)
    people = sorted([viewer.pk, stranger.pk, guest.pk])
    for reached in people[:2]:
        failed = send(delivery)
        assert (failed.state, failed.attempts, failed.reached_user) == ("pending", 1, reached)
    sent = send(delivery)
    assert (sent.state, sent.recipients) == ("delivered", 3)


# --- two at once ----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_one_sends(settings: Any) -> None:
    now = timezone.now()
    delivery = delivery_to(make_user("viewer"), now=now)
    both_tried = Event()

    def answer(gateway: Gateway, handler: Any) -> None:
        assert both_tried.wait(timeout=30)
        answering(200)(gateway, handler)

    def act(_: int) -> str | None:
        state = services.deliver(delivery.pk, now=now)
        both_tried.set()
        return state

    with receiving(answer) as gateway:
        settings.WEBHOOK_URL = gateway.url
        states = at_once(2, act)
    assert sorted(states, key=str) == [None, "delivered"]
    assert len(gateway.calls) == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction(settings: Any) -> None:
    """Another connection changes the row while the receiver has the call in hand."""
    now = timezone.now()
    delivery = delivery_to(make_user("viewer"), now=now)
    operator = make_user("operator")
    seen: list[str] = []

    def answer(gateway: Gateway, handler: Any) -> None:
        # In the server's thread, on its own connection; a transaction held over the call would make it wait for ever.
        seen.extend(at_once(1, lambda _: services.send_again(delivery.pk, by=operator, now=now).state))
        answering(200)(gateway, handler)

    with receiving(answer) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert seen == ["pending"]


# --- again ----------------------------------------------------------------------------------------


def test_what_was_given_up_is_sent_again_with_all_attempts(
    viewer: User, moderator: User, settings: Any, now: datetime
) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(410)) as gateway:
        attempt(delivery, gateway, settings)
        again = services.send_again(delivery.pk, by=moderator, now=now, reason="it is back")
        assert (again.state, again.attempts, again.closed_at) == ("pending", 0, None)
        assert jobs_at(now) == [{"delivery_id": delivery.pk}]
        gateway.answer = answering(200)
        assert attempt(delivery, gateway, settings).state == "delivered"
    entry = AuditEntry.objects.get(action="send_again")
    assert (entry.actor_id, entry.reason, entry.before["state"]) == (moderator.pk, "it is back", "stopped")


def test_what_waits_is_sent_at_once(viewer: User, moderator: User, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    for _ in range(4):
        send(delivery)
    services.send_again(delivery.pk, by=moderator, now=now)
    assert (due_at(delivery), as_it_is(delivery).attempts) == (now, 4)


def test_what_was_delivered_is_not_sent_again(viewer: User, moderator: User, settings: Any, now: datetime) -> None:
    delivery = delivery_to(viewer, now=now)
    with receiving(answering(200)) as gateway:
        attempt(delivery, gateway, settings)
    with pytest.raises(services.AlreadyDelivered):
        services.send_again(delivery.pk, by=moderator, now=now)
    with pytest.raises(services.DeliveryMissing):
        services.send_again("0" * 24, by=moderator, now=now)
    assert not AuditEntry.objects.filter(action="send_again").exists()


def test_what_is_void_is_sent_again_once_it_is_true_again(
    viewer: User, creator: User, moderator: User, settings: Any, now: datetime
) -> None:
    delivery = failed_delivery_to(viewer, now=now)
    stream = LiveStream.objects.get()
    delete(stream, now)
    assert send(delivery).state == "void"
    with pytest.raises(services.NoLongerTrue):
        services.send_again(delivery.pk, by=moderator, now=now)
    assert as_it_is(delivery).state == "void"
    streams.restore_stream(stream.pk, by=moderator, now=now + SECOND)
    services.send_again(delivery.pk, by=moderator, now=now + SECOND)
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == "delivered"
    assert gateway.only_call.recipients == [viewer.pk]
