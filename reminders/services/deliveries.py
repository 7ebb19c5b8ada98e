"""Deliveries: send a chunk on a channel, and retry until it is delivered or given up."""

import logging
import random
from datetime import datetime, timedelta
from itertools import product
from time import monotonic
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import audit
from common.jobs import defer, stopping
from common.locks import AdvisoryLock
from common.log_secrets import message_of
from common.metrics import Counter
from common.refusals import Conflict, Missing
from common.times import optional_wire_time
from livestreams.models import Status
from reminders.channels import Batch, Device, Interrupted, Person, Unreached
from reminders.models import (
    VALID_IN,
    Delivery,
    DeviceToken,
    Kind,
    MutedChannel,
    Notification,
    Reminder,
    blocks_of,
)
from reminders.services.channels import channel

logger = logging.getLogger(__name__)

DELIVER = "reminders.tasks.deliver"

# Between one attempt and the next, about three days in all: the example schedule in section "Deliverability and
# reliability" of the Standard Webhooks specification.
GAPS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.1  # of the gap, so that deliveries that failed together are not retried together
LONGEST_RETRY_AFTER = timedelta(days=1)  # that a receiver may ask for
RETRY_LOCK_AFTER = timedelta(seconds=30)
LONGEST_ERROR = 500  # characters
STORE_PROGRESS_EVERY = 50  # users; a killed worker repeats at most so many messages
SENDING = AdvisoryLock("delivery")

# By the state of the delivery afterwards.
OUTCOMES: dict[str, str] = {
    Delivery.State.DELIVERED: "delivered",
    Delivery.State.PENDING: "retried",
    Delivery.State.FAILED: "given_up",
    Delivery.State.STOPPED: "stopped",
}
ATTEMPTS = Counter(
    "delivery_attempts_total",
    "Attempts to send a delivery",
    ["channel", "outcome"],
    known=product(settings.NOTIFICATION_CHANNELS, [*OUTCOMES.values(), "interrupted"]),
)


class DeliveryMissing(Missing):
    code = "delivery_not_found"
    message = _("there is no delivery with this id")


class AlreadyDelivered(Conflict):
    code = "already_delivered"
    message = _("what has been delivered is not sent again")


class NoLongerTrue(Conflict):
    code = "no_longer_true"
    message = _("what it says is no longer true of the stream, so it is not sent")


class _NoSuchChannel(Exception):
    """The settings no longer name this channel, or its class cannot be imported or configured."""


# --- sending --------------------------------------------------------------------------------------


def deliver(delivery_id: str, *, now: datetime) -> str | None:
    """Send a delivery that is due. Returns its state afterwards, or None when there was nothing to send now.

    Sends outside any transaction, under an advisory lock, so that one process at a time sends it. After a failure the
    next attempt is due after the next of GAPS or the receiver's Retry-After, whichever is longer. An attempt that made
    progress starts GAPS again. A delivery that is no longer true of its stream becomes void and is not sent.
    Channels that send to one user after another have their progress stored every STORE_PROGRESS_EVERY users. They are
    interrupted when the worker is asked to stop; the rest is due at once, for another worker.
    """
    with SENDING.tried_by_session(delivery_id) as is_exclusive:
        if not is_exclusive:
            # The session of a crashed worker may still hold the lock, so this job must not be the last one.
            _defer(delivery_id, now + RETRY_LOCK_AFTER)
            return None
        due = Delivery.objects.filter(pk=delivery_id, state=Delivery.State.PENDING)
        delivery = due.select_related("chunk__round__stream").first()
        if delivery is None:
            return None
        if delivery.next_attempt_at > now:  # type: ignore[operator]  # not null while pending
            # The clock of the database, which decides when a job is due, may be ahead of this machine's.
            _defer(delivery_id, delivery.next_attempt_at)  # type: ignore[arg-type]
            return None
        if not is_delivery_true(delivery):
            return _void(delivery_id, now=now)
        began = monotonic()
        people = list(_people(delivery, now))
        failure = _failure_of_sending(delivery, people)
        ended = now + timedelta(seconds=monotonic() - began)
        state = _record(delivery_id, failure, recipients=len(people), now=ended)
        if state is not None:
            ATTEMPTS.inc(delivery.channel, "interrupted" if isinstance(failure, Interrupted) else OUTCOMES[state])
        return state


def _defer(delivery_id: str, at: datetime) -> None:
    defer(DELIVER, at=at, delivery_id=delivery_id)


def is_delivery_true(delivery: Delivery) -> bool:
    """Whether the notifications of `delivery` are still true of the stream, however old they are.

    Two differences from `is_round_true`. After a start was moved away and back, the delivery is true again: the round
    that came due again skips the users of this one. And a `reminder` stays true after the start: its users are not
    sent `live`, so they would otherwise get no notification.
    """
    round_ = delivery.chunk.round
    stream = round_.stream
    valid_in = (*VALID_IN[round_.kind], *([Status.ACTIVE] if round_.kind == Kind.REMINDER else []))
    if stream.is_deleted or stream.status not in valid_in:
        return False
    return round_.minute is None or stream.planned_start_at == round_.planned_start_at


def _people(delivery: Delivery, now: datetime) -> QuerySet[Notification, tuple[Any, ...]]:
    """The users whom the chunk notified, who still have their reminder and are not blocked, ordered by id."""
    chunk = delivery.chunk
    notified = Notification.objects.of_chunk(
        round=chunk.round, after_user=chunk.after_user, up_to_user=chunk.up_to_user
    ).filter(
        # Excludes those of another round with the same planned start, after a move away and back.
        created_at=chunk.closed_at,  # type: ignore[misc]  # not null once it has notified
        user__is_active=True,
    )
    muted = MutedChannel.objects.filter(user=OuterRef("user"), channel=delivery.channel)
    reminder = Reminder.objects.filter(stream=OuterRef("stream"), user=OuterRef("user"))
    blocks = blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=now)
    devices = DeviceToken.objects.holding(now).filter(user=OuterRef("user")).order_by("pk")
    return (
        notified.filter(Exists(reminder), ~Exists(muted), ~Exists(blocks))
        .annotate(
            language=Subquery(reminder.values("language")),
            devices=ArraySubquery(devices.values(device=JSONObject(platform="platform", token="token"))),  # noqa: S106
        )
        .order_by("user_id")
        .values_list("user_id", "user__name", "user__surname", "user__email", "language", "devices")
    )


def _batch(delivery: Delivery, people: list[tuple[Any, ...]]) -> Batch:
    chunk, round_ = delivery.chunk, delivery.chunk.round
    return Batch(
        key=chunk.pk,
        kind=round_.kind,
        stream_id=round_.stream_id,
        title=round_.stream.title,
        planned_start_at=round_.planned_start_at,
        notified_at=chunk.closed_at,  # type: ignore[arg-type]  # not null once it has notified
        people=tuple(
            Person(user_id, f"{name} {surname}".strip(), email, language, tuple(Device(**each) for each in devices))
            for user_id, name, surname, email, language, devices in people
            if delivery.reached_user is None or user_id > delivery.reached_user
        ),
        reached=_Progress(delivery.pk),
    )


class _Progress:
    """Stores the progress of a channel; called after each user with the id of the last one reached. Raises Interrupted.

    Writes no audit row of its own: the row of this attempt has the progress or, after a crash, `before` in the row of
    the next one.
    """

    def __init__(self, delivery_id: str) -> None:
        self.delivery_id, self.since_stored = delivery_id, 0

    def __call__(self, user_id: str | None) -> None:
        if user_id is not None:
            self.since_stored += 1
            if self.since_stored == STORE_PROGRESS_EVERY:
                self.since_stored = 0
                self._store(user_id)
        if stopping.is_requested():
            raise Interrupted(user_id)

    def _store(self, user_id: str) -> None:
        try:
            stored = Delivery.objects.filter(pk=self.delivery_id, state=Delivery.State.PENDING).update(
                reached_user=user_id
            )
        except (DatabaseError, InterfaceError) as error:
            # The advisory lock was lost with the session, so another process may be sending the rest already.
            raise Interrupted(user_id) from error
        if not stored:  # purged with its stream
            raise Interrupted(user_id)


def _failure_of_sending(delivery: Delivery, people: list[tuple[Any, ...]]) -> Exception | None:
    try:
        sender = channel(delivery.channel)
    except (KeyError, ImportError, ImproperlyConfigured):
        return _NoSuchChannel(f"settings name no working channel {delivery.channel!r}")
    batch = _batch(delivery, people)
    try:
        if batch.people:
            sender.send(batch)
    except (Unreached, Interrupted) as ended:
        return ended
    except Exception as error:  # a bug in a channel counts as a failed attempt, so that it is retried and shown
        logger.exception("the channel %s failed", delivery.channel, extra={"delivery_id": delivery.pk})
        return Unreached(f"{type(error).__name__}: {message_of(error)}")
    return None


# --- the result -----------------------------------------------------------------------------------


@transaction.atomic
def _record(delivery_id: str, failure: Exception | None, *, recipients: int, now: datetime) -> str | None:
    delivery = _locked_pending(delivery_id)
    if delivery is None:
        return None
    before = _values(delivery)
    delivery.recipients = recipients
    delivery.attempted_at = now
    if not isinstance(failure, Interrupted):
        delivery.attempts += 1
        delivery.last_error = "" if failure is None else _without_secrets(str(failure))
    match failure:
        case Interrupted():
            delivery.reached_user = failure.reached_user or delivery.reached_user
            _send_at(delivery, now)
        case None:
            _close(delivery, Delivery.State.DELIVERED, now)
        case Unreached(permanent=True):
            _close(delivery, Delivery.State.STOPPED, now)
        case Unreached():
            if failure.reached_user is not None:
                delivery.reached_user, delivery.attempts = failure.reached_user, 1
            _await_next_attempt(delivery, failure.retry_after or 0, now)
        case _:
            _close(delivery, Delivery.State.FAILED, now)
    delivery.save()
    audit.record("deliver", delivery, by=None, now=now, before=before, after=_values(delivery))
    if delivery.last_error and not isinstance(failure, Interrupted):
        _log_failure(delivery)
    return delivery.state


def _log_failure(delivery: Delivery) -> None:
    at = delivery.next_attempt_at
    facts = {
        "delivery_id": delivery.pk,
        "channel": delivery.channel,
        "recipients": delivery.recipients,
        "attempt": delivery.attempts,
        "reason": delivery.last_error,
        "next_attempt_at": optional_wire_time(at),
    }
    if at is None:
        logger.error("a delivery failed and is not tried again", extra=facts)
    else:
        logger.warning("a delivery failed and is tried again", extra=facts)


@transaction.atomic
def _void(delivery_id: str, *, now: datetime) -> str | None:
    """Close it without an attempt. Its last error is kept: it is the reason why it was not delivered in time."""
    delivery = _locked_pending(delivery_id)
    if delivery is None:
        return None
    before = _values(delivery)
    delivery.recipients = 0
    _close(delivery, Delivery.State.VOID, now)
    delivery.save()
    audit.record("deliver", delivery, by=None, now=now, before=before, after=_values(delivery))
    return delivery.state


def _locked_pending(delivery_id: str) -> Delivery | None:
    """None when it is no longer pending, or was purged with its stream."""
    return Delivery.objects.for_update().filter(pk=delivery_id, state=Delivery.State.PENDING).first()


def _close(delivery: Delivery, state: Delivery.State, now: datetime) -> None:
    delivery.state, delivery.closed_at, delivery.next_attempt_at = state, now, None


def _await_next_attempt(delivery: Delivery, retry_after: float, now: datetime) -> None:
    if delivery.attempts > len(GAPS):
        _close(delivery, Delivery.State.FAILED, now)
        return
    requested = timedelta(seconds=min(retry_after, LONGEST_RETRY_AFTER.total_seconds()))
    gap = max(GAPS[delivery.attempts - 1] * (1 + random.uniform(0, JITTER)), requested)
    _send_at(delivery, now + gap)


def _send_at(delivery: Delivery, at: datetime) -> None:
    delivery.state, delivery.closed_at, delivery.next_attempt_at = Delivery.State.PENDING, None, at
    _defer(delivery.pk, at)


def _values(delivery: Delivery) -> dict[str, Any]:
    names = ("state", "attempts", "recipients", "reached_user", "last_error", "next_attempt_at")
    return {name: getattr(delivery, name) for name in names}


def _without_secrets(text: str) -> str:
    """The error text of a channel may repeat secrets from its configuration."""
    passwords = [mailer.get("OPTIONS", {}).get("password") for mailer in settings.MAILERS.values()]
    for secret in filter(None, [settings.WEBHOOK_URL, *settings.WEBHOOK_SECRETS, *passwords]):
        text = text.replace(secret, "…")
    return text[:LONGEST_ERROR]


# --- send again -----------------------------------------------------------------------------------


def refuse_send_again(delivery: Delivery) -> None:
    """Raises AlreadyDelivered or NoLongerTrue when the delivery may not be sent again."""
    if delivery.state == Delivery.State.DELIVERED:
        raise AlreadyDelivered
    if not is_delivery_true(delivery):
        raise NoLongerTrue


@transaction.atomic
def send_again(delivery_id: str, *, by: User | None, now: datetime, reason: str = "") -> Delivery:
    """Make a delivery due now: one that was given up, stopped or void with all attempts again; a pending one at once.

    It continues after the last user who was reached. Raises DeliveryMissing, AlreadyDelivered, NoLongerTrue.
    """
    delivery = Delivery.objects.for_update().filter(pk=delivery_id).first()
    if delivery is None:
        raise DeliveryMissing
    refuse_send_again(delivery)
    before = _values(delivery)
    if delivery.state != Delivery.State.PENDING:
        delivery.attempts = 0
    _send_at(delivery, now)
    delivery.save()
    audit.record("send_again", delivery, by=by, now=now, before=before, after=_values(delivery), reason=reason)
    return delivery
