"""Deliveries: a chunk goes out through a channel, again and again until it got through or is given up."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import blake2b
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import audit, stopping
from common.refusals import Conflict, Missing
from livestreams.models import Status
from reminders.channels import Batch, Interrupted, Person, Unreached
from reminders.models import SAYABLE, Delivery, Kind, MutedChannel, Notification, Reminder, blocks_of
from reminders.services.channels import channel
from reminders.services.jobs import DELIVERING, later

logger = logging.getLogger(__name__)

# Between one attempt and the next, about three days in all: the example schedule of the Standard Webhooks
# specification, under "Deliverability and reliability".
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
JITTER = 0.1  # of the gap, so that what failed together does not come back together
LONGEST_WISH = timedelta(days=1)  # what a receiver may ask for with Retry-After
LOOK_AGAIN_AFTER = timedelta(seconds=30)
LONGEST_ERROR = 500  # characters
NOTED_EVERY = 50  # people: a worker that is killed repeats at most so many messages


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
    """Settings name no such channel any more, or one that cannot work as they are."""


# --- sending --------------------------------------------------------------------------------------


def deliver(delivery_id: str, *, now: datetime) -> str | None:
    """Send a delivery that is due; the state that it is in afterwards, None when this was nobody's turn.

    Nothing is sent inside a transaction, and by one process at a time. What fails is due again after a gap of GAPS,
    or after what the receiver asked for, where that is longer. An attempt that got on begins the gaps anew. What is no
    longer true of the stream is void and sent to nobody.
    Channels that reach people one after the other have their progress noted every NOTED_EVERY people, and are
    interrupted when the worker is asked to stop; the rest is due at once, for another worker.
    """
    with _alone_with(delivery_id) as is_alone:
        if not is_alone:
            # Whoever has it in hand may be dead to us and not to the database yet.
            _look_again(delivery_id, now + LOOK_AGAIN_AFTER)
            return None
        due = Delivery.objects.filter(pk=delivery_id, state=Delivery.State.PENDING)
        delivery = due.select_related("chunk__round__stream").first()
        if delivery is None:
            return None
        if delivery.next_attempt_at > now:  # type: ignore[operator]  # a pending one has its time
            # The clock of the database, which let the job go, may be ahead of ours.
            _look_again(delivery_id, delivery.next_attempt_at)  # type: ignore[arg-type]
            return None
        if not is_still_true(delivery):
            return _void(delivery_id, now=now)
        began = monotonic()
        people = list(_people(delivery, now))
        failure = _failure_of_sending(delivery, people)
        ended = now + timedelta(seconds=monotonic() - began)
        return _note(delivery_id, failure, recipients=len(people), now=ended)


def _look_again(delivery_id: str, at: datetime) -> None:
    later("deliver", queue=DELIVERING, at=at, delivery_id=delivery_id)


@contextmanager
def _alone_with(delivery_id: str) -> Iterator[bool]:
    """Whether no other process has it in hand. The lock belongs to the connection, so it dies with the process."""
    key = int.from_bytes(blake2b(f"delivery {delivery_id}".encode(), digest_size=8).digest(), signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        is_alone = cursor.fetchone()[0]
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def is_still_true(delivery: Delivery) -> bool:
    """Whether what was told still holds of the stream, however long ago that was.

    Unlike a round, it holds again when the start was moved away and back: the round that came due anew passes over
    whom this one has told. And a `reminder` that comes after the start is late and not untrue: who has it in the
    inbox gets no `live`, so there would be no word at all.
    """
    round_ = delivery.chunk.round
    stream = round_.stream
    sayable = (*SAYABLE[round_.kind], *([Status.ACTIVE] if round_.kind == Kind.REMINDER else []))
    if stream.is_deleted or stream.status not in sayable:
        return False
    return round_.minute is None or stream.planned_start_at == round_.planned_start_at


def _people(delivery: Delivery, now: datetime) -> QuerySet[Notification, tuple[Any, ...]]:
    """Whom the chunk told and who still waits for the stream and may see it, in the order of their ids."""
    chunk = delivery.chunk
    told = Notification.objects.of_chunk(
        round=chunk.round, after_user=chunk.after_user, up_to_user=chunk.up_to_user
    ).filter(
        # Another round of the same plan, after a move away and back, has told others.
        created_at=chunk.closed_at,  # type: ignore[misc]  # a told chunk is closed
        user__is_active=True,
    )
    muted = MutedChannel.objects.filter(user=OuterRef("user"), channel=delivery.channel)
    reminder = Reminder.objects.filter(stream=OuterRef("stream"), user=OuterRef("user"))
    blocks = blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=now)
    return (
        told.filter(Exists(reminder), ~Exists(muted), ~Exists(blocks))
        .annotate(language=Subquery(reminder.values("language")))
        .order_by("user_id")
        .values_list("user_id", "user__name", "user__surname", "user__email", "language")
    )


def _batch(delivery: Delivery, people: list[tuple[Any, ...]]) -> Batch:
    chunk, round_ = delivery.chunk, delivery.chunk.round
    return Batch(
        key=chunk.pk,
        kind=round_.kind,
        stream_id=round_.stream_id,
        title=round_.stream.title,
        planned_start_at=round_.planned_start_at,
        told_at=chunk.closed_at,  # type: ignore[arg-type]  # a told chunk is closed
        people=tuple(
            Person(user_id, f"{name} {surname}".strip(), email, language)
            for user_id, name, surname, email, language in people
            if delivery.reached_user is None or user_id > delivery.reached_user
        ),
        reached=_Progress(delivery.pk),
    )


class _Progress:
    """Called after each person, with the id of the last one who was reached. Raises Interrupted.

    Written without an audit row: the row of the attempt tells how far it came, or `before` in the row of the next one.
    """

    def __init__(self, delivery_id: str) -> None:
        self.delivery_id, self.since_note = delivery_id, 0

    def __call__(self, user_id: str | None) -> None:
        if user_id is not None:
            self.since_note += 1
            if self.since_note == NOTED_EVERY:
                self.since_note = 0
                self._note(user_id)
        if stopping.is_asked():
            raise Interrupted(user_id)

    def _note(self, user_id: str) -> None:
        try:
            noted = Delivery.objects.filter(pk=self.delivery_id, state=Delivery.State.PENDING).update(
                reached_user=user_id
            )
        except (DatabaseError, InterfaceError) as error:
            # Without its connection this process has lost the advisory lock too: another one may be sending the rest.
            raise Interrupted(user_id) from error
        if not noted:  # purged with its stream
            raise Interrupted(user_id)


def _failure_of_sending(delivery: Delivery, people: list[tuple[Any, ...]]) -> Exception | None:
    try:
        way = channel(delivery.channel)
    except (KeyError, ImportError, ImproperlyConfigured):
        return _NoSuchChannel(f"settings name no working channel {delivery.channel!r}")
    batch = _batch(delivery, people)
    try:
        if batch.people:
            way.send(batch)
    except (Unreached, Interrupted) as ended:
        return ended
    except Exception as error:  # whatever a channel does, the worker goes on
        logger.exception("the channel %s failed", delivery.channel)
        return Unreached(f"{type(error).__name__}: {error}")
    return None


# --- what became of it ----------------------------------------------------------------------------


@transaction.atomic
def _note(delivery_id: str, failure: Exception | None, *, recipients: int, now: datetime) -> str | None:
    delivery = _locked_pending(delivery_id)
    if delivery is None:
        return None
    before = _seen(delivery)
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
        case Unreached(for_good=True):
            _close(delivery, Delivery.State.STOPPED, now)
        case Unreached():
            if failure.reached_user is not None:
                delivery.reached_user, delivery.attempts = failure.reached_user, 1
            _await_next_attempt(delivery, failure.retry_after or 0, now)
        case _:
            _close(delivery, Delivery.State.FAILED, now)
    delivery.save()
    audit.record("deliver", delivery, by=None, now=now, before=before, after=_seen(delivery))
    return delivery.state


@transaction.atomic
def _void(delivery_id: str, *, now: datetime) -> str | None:
    """Close it without an attempt. Its last error stays: that is why it did not get through while it was true."""
    delivery = _locked_pending(delivery_id)
    if delivery is None:
        return None
    before = _seen(delivery)
    delivery.recipients = 0
    _close(delivery, Delivery.State.VOID, now)
    delivery.save()
    audit.record("deliver", delivery, by=None, now=now, before=before, after=_seen(delivery))
    return delivery.state


def _locked_pending(delivery_id: str) -> Delivery | None:
    """None when it was purged with its stream meanwhile."""
    return Delivery.objects.for_update().filter(pk=delivery_id, state=Delivery.State.PENDING).first()


def _close(delivery: Delivery, state: Delivery.State, now: datetime) -> None:
    delivery.state, delivery.closed_at, delivery.next_attempt_at = state, now, None


def _await_next_attempt(delivery: Delivery, retry_after: float, now: datetime) -> None:
    if delivery.attempts > len(GAPS):
        _close(delivery, Delivery.State.FAILED, now)
        return
    wished = timedelta(seconds=min(retry_after, LONGEST_WISH.total_seconds()))
    gap = max(GAPS[delivery.attempts - 1] * (1 + random.uniform(0, JITTER)), wished)
    _send_at(delivery, now + gap)


def _send_at(delivery: Delivery, at: datetime) -> None:
    delivery.state, delivery.closed_at, delivery.next_attempt_at = Delivery.State.PENDING, None, at
    _look_again(delivery.pk, at)


def _seen(delivery: Delivery) -> dict[str, Any]:
    names = ("state", "attempts", "recipients", "reached_user", "last_error", "next_attempt_at")
    return {name: getattr(delivery, name) for name in names}


def _without_secrets(text: str) -> str:
    """What a channel says about an error may repeat what it was given."""
    passwords = [mailer.get("OPTIONS", {}).get("password") for mailer in settings.MAILERS.values()]
    for secret in filter(None, [settings.WEBHOOK_URL, *settings.WEBHOOK_SECRETS, *passwords]):
        text = text.replace(secret, "…")
    return text[:LONGEST_ERROR]


# --- again ----------------------------------------------------------------------------------------


def refuse_send_again(delivery: Delivery) -> None:
    """Raises AlreadyDelivered, NoLongerTrue for the delivery as it is now."""
    if delivery.state == Delivery.State.DELIVERED:
        raise AlreadyDelivered
    if not is_still_true(delivery):
        raise NoLongerTrue


@transaction.atomic
def send_again(delivery_id: str, *, by: User, now: datetime, reason: str = "") -> Delivery:
    """Send what was given up, stopped or void from where it stood, with all attempts anew; or what waits, at once.

    Raises DeliveryMissing, AlreadyDelivered, NoLongerTrue.
    """
    delivery = Delivery.objects.for_update().filter(pk=delivery_id).first()
    if delivery is None:
        raise DeliveryMissing
    refuse_send_again(delivery)
    before = _seen(delivery)
    if delivery.state != Delivery.State.PENDING:
        delivery.attempts = 0
    _send_at(delivery, now)
    delivery.save()
    audit.record("send_again", delivery, by=by, now=now, before=before, after=_seen(delivery), reason=reason)
    return delivery
