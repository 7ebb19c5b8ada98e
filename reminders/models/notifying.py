"""Reminders; rounds, chunks and deliveries, which notify; and notifications, the ledger of what was sent."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from bans.models import LiveStreamBan
from common.fields import ObjectIdField
from common.models import IdentifiedModel, LockingQuerySet, TimestampedModel
from livestreams.models import UPCOMING, LiveStream, Status
from reminders.models.kinds import NOTIFICATION_KINDS, Kind

LONGEST_LEAD = 10_080  # minutes, a week
LANGUAGE_LENGTH = max(len(code) for code, _name in settings.LANGUAGES)


# --- reminders -------------------------------------------------------------------------------------


class ReminderQuerySet(LockingQuerySet["Reminder"]):
    def with_outcome(self, now: Any) -> Self:
        """Annotate with `is_notified` and `is_blocked`, two of the values from which `state_of` derives the state."""
        return self.annotate(
            is_notified=Exists(notifications_of(stream=OuterRef("stream"), user=OuterRef("user"), planned=_PLAN)),
            is_blocked=Exists(blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=now)),
        )


class Reminder(TimestampedModel):
    """The wish of one user to be notified of one stream: `minute` minutes before its planned start, or at its start.

    The row does not store whether it is due, sent or void. These are derived from the stream, the ledger and the bans.
    """

    class State(models.TextChoices):
        ARMED_ON_START = "ARMED_ON_START", _("waits for the start")
        SCHEDULED = "SCHEDULED", _("scheduled")
        SENT = "SENT", _("sent")
        MISSED = "MISSED", _("missed")
        CANCELLED = "CANCELLED", _("cancelled")

    stream = models.ForeignKey(
        LiveStream, on_delete=models.CASCADE, related_name="reminders", db_index=False, verbose_name=_("stream")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="reminders",
        db_index=False,
        verbose_name=_("user"),
    )
    # As the user sent it: 0 and None both mean at the start.
    minute = models.PositiveSmallIntegerField(_("minutes before the start"), null=True)
    # Of the request that set the reminder; notifications are sent in it.
    language = models.CharField(_("language"), max_length=LANGUAGE_LENGTH, choices=settings.LANGUAGES)

    objects: ClassVar[models.Manager["Reminder"]] = models.Manager.from_queryset(ReminderQuerySet)()

    class Meta:
        verbose_name = _("reminder")
        verbose_name_plural = _("reminders")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["stream", "user"], name="reminder_one_per_person_and_stream"),
            models.CheckConstraint(
                condition=Q(minute__isnull=True) | Q(minute__range=(0, LONGEST_LEAD)), name="reminder_lead_in_a_week"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="reminder_by_user"),
            BrinIndex(fields=["created_at"], name="reminder_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.stream_id}"


class LeadTime(models.Model):
    """A lead time that some reminder of the stream has or had. The finder reads these rows instead of reminders."""

    pk = models.CompositePrimaryKey("stream", "minute")
    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="+", db_index=False)
    minute = models.PositiveSmallIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["minute"], name="lead_time_by_minute")]

    def __str__(self) -> str:
        return f"{self.stream_id} {self.minute}"


class Checkpoint(models.Model):
    """The checkpoint of the finder, in one row that finders lock: every lead time that was due by then has a round."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    found_until = models.DateTimeField()

    objects: ClassVar[models.Manager["Checkpoint"]] = models.Manager.from_queryset(LockingQuerySet["Checkpoint"])()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="checkpoint_is_one")]

    def __str__(self) -> str:
        return str(self.found_until)


# --- notifying -------------------------------------------------------------------------------------


class Round(IdentifiedModel):
    """The notifications of one stream, kind, planned start and lead time. Inserting the row is the claim.

    `due_at` is when it came due, `good_until` the latest time at which it is still sent. A start that is moved away and
    back comes due again, in a round of its own; the unique constraint of the ledger then skips who was notified before.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CUT = "cut", _("cut into chunks")
        VOID = "void", _("void")
        MISSED = "missed", _("missed")

    stream = models.ForeignKey(
        LiveStream, on_delete=models.CASCADE, related_name="rounds", db_index=False, verbose_name=_("stream")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    minute = models.PositiveSmallIntegerField(_("minutes before the start"), null=True)
    planned_start_at = models.DateTimeField(_("planned start"), null=True)
    due_at = models.DateTimeField(_("due"))
    good_until = models.DateTimeField(_("good until"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    reminders = models.PositiveIntegerField(_("reminders"), default=0)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True)

    objects: ClassVar[models.Manager["Round"]] = models.Manager.from_queryset(LockingQuerySet["Round"])()

    class Meta:
        verbose_name = _("round")
        verbose_name_plural = _("rounds")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "kind", "minute", "planned_start_at", "due_at"],
                nulls_distinct=False,
                name="round_once",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.REMINDER, minute__isnull=False, planned_start_at__isnull=False)
                | (Q(kind__in=(Kind.LIVE, Kind.CANCELLED), minute__isnull=True)),
                name="round_of_reminders_has_its_lead",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="open"), name="round_open"),
            models.Index(fields=["-opened_at", "-id"], name="round_newest"),
            BrinIndex(fields=["due_at"], name="round_by_due_time"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.stream_id}"


class Chunk(IdentifiedModel):
    """About a thousand reminders of a round: those of the users in the range (`after_user`, `up_to_user`].

    The first chunk has no lower bound and the last one no upper bound (None), so together they cover every user.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        NOTIFIED = "notified", _("notified")
        VOID = "void", _("void")
        MISSED = "missed", _("missed")

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="chunks", verbose_name=_("round"))
    number = models.PositiveIntegerField(_("number"))
    after_user = ObjectIdField(null=True)
    up_to_user = ObjectIdField(null=True)
    due_at = models.DateTimeField(_("due"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    notified = models.PositiveIntegerField(_("notified"), default=0, help_text=_("people"))
    missed = models.PositiveIntegerField(_("missed"), default=0, help_text=_("people"))
    closed_at = models.DateTimeField(_("closed"), null=True)

    objects: ClassVar[models.Manager["Chunk"]] = models.Manager.from_queryset(LockingQuerySet["Chunk"])()

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["round", "number"], name="chunk_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="chunk_waiting"),
            BrinIndex(fields=["due_at"], name="chunk_by_due_time"),
        ]

    def __str__(self) -> str:
        return f"{self.round_id} {self.number}"


class NotificationQuerySet(LockingQuerySet["Notification"]):
    def of_chunk(self, *, round: Any, after_user: Any, up_to_user: Any) -> Self:
        """The notifications of a round to the users of one chunk. Repeatable: these rows are never deleted singly."""
        notifications = self.filter(
            stream=round.stream_id, kind=round.kind, minute=round.minute, planned_start_at=round.planned_start_at
        )
        if after_user is not None:
            notifications = notifications.filter(user__gt=after_user)
        return notifications if up_to_user is None else notifications.filter(user__lte=up_to_user)


class Notification(IdentifiedModel):
    """The ledger of the notifications that were sent; the inbox of a user is their rows of it.

    Texts are not stored: they are rendered in the language of the reader. There are no foreign key constraints in the
    database, because checking two of them for each of a million rows costs more than inserting the rows.

    The table is partitioned by month of `created_at`. Each partition has a primary key and a unique constraint on
    stream, user, kind and planned start. Across partitions `services/chunks.py` keeps a notification unique.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    stream = models.ForeignKey(
        LiveStream, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    kind = models.CharField(max_length=20, choices=NOTIFICATION_KINDS)
    minute = models.PositiveSmallIntegerField(null=True)
    planned_start_at = models.DateTimeField(null=True)
    # Of a verdict: the id of the ban, the verdict, the state of the appeal, and the message of the moderator.
    details = models.JSONField(null=True)
    read_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager["Notification"]] = models.Manager.from_queryset(NotificationQuerySet)()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        default_permissions = ()
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notification_by_user"),
            # Counts what is unread, and lists it, however much of the user's inbox has been read.
            models.Index(
                fields=["user", "-created_at", "-id"], condition=Q(read_at__isnull=True), name="notification_unread"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id}"


class Delivery(IdentifiedModel):
    """One chunk on one channel. The chunk's id is the idempotency key by which receivers drop repeats."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("given up")
        STOPPED = "stopped", _("stopped by the receiver")
        VOID = "void", _("void")

    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="deliveries", verbose_name=_("chunk"))
    channel = models.CharField(_("channel"), max_length=20)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    recipients = models.PositiveIntegerField(_("recipients"), default=0)
    # For channels that send to one user after another: the last user who was reached. An attempt starts after it.
    reached_user = ObjectIdField(null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    last_error = models.TextField(_("last error"), blank=True)
    created_at = models.DateTimeField(_("created"))
    attempted_at = models.DateTimeField(_("last attempt"), null=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)

    objects: ClassVar[models.Manager["Delivery"]] = models.Manager.from_queryset(LockingQuerySet["Delivery"])()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(fields=["chunk", "channel"], name="delivery_once"),
            models.CheckConstraint(
                condition=Q(state="pending", closed_at__isnull=True, next_attempt_at__isnull=False)
                | (~Q(state="pending") & Q(closed_at__isnull=False, next_attempt_at__isnull=True)),
                name="delivery_pending_has_its_next_attempt",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="pending"), name="delivery_pending"),
            models.Index(fields=["state", "-created_at", "-id"], name="delivery_by_state"),
            # A search for an error reads those that have one.
            models.Index(fields=["-id"], condition=~Q(last_error=""), name="delivery_with_error"),
            BrinIndex(fields=["created_at"], name="delivery_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.chunk_id}"


class MutedChannel(models.Model):
    """A user does not want notifications on this channel."""

    pk = models.CompositePrimaryKey("user", "channel")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    channel = models.CharField(max_length=20)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id} {self.channel}"


# --- derived from stored times --------------------------------------------------------------------

_PLAN = OuterRef("stream__planned_start_at")


def notifications_of(*, stream: Any, user: Any, planned: Any) -> models.QuerySet[Notification]:
    """The notifications that complete the reminder of `user` on `stream`. Takes values or expressions."""
    before = Q(kind=Kind.REMINDER, planned_start_at=planned)
    # A stream starts once, so its `live` counts whatever its planned start was.
    return Notification.objects.filter(before | Q(kind=Kind.LIVE), stream=stream, user=user)


def blocks_of(*, stream: Any, user: Any, now: Any) -> models.QuerySet[LiveStreamBan]:
    """The ban that keeps `user` from `stream` at `now`. When it is lifted or expires, the reminder is valid again."""
    holding = LiveStreamBan.objects.holding(now)
    blocks: models.QuerySet[LiveStreamBan] = holding.filter(
        stream=stream, target=user, action_type=LiveStreamBan.ActionType.BLOCK
    )
    return blocks


def waits(*, stream: Any, user: Any, now: Any) -> Exists:
    """Whether `user` will still be notified of a stream. See `settings.REMINDER_WAITS`. `stream` is an OuterRef."""
    waiting = Reminder.objects.with_outcome(now).filter(
        Q(is_notified=False, is_blocked=False), stream__status__in=UPCOMING
    )
    return Exists(waiting.filter(stream=stream, user=user))


def reminders_of(*, stream: Any) -> models.QuerySet[Reminder]:
    """The reminders that are set for a stream, sent or not. The hook `settings.STREAM_REMINDERS`."""
    return Reminder.objects.filter(stream=stream)


def came_due(minute: int, planned_start_at: datetime, plan_set_at: datetime | None) -> datetime:
    """When a lead time came due: that long before the start or, when the start was moved to be nearer, at the move."""
    moment = planned_start_at - timedelta(minutes=minute)
    return moment if plan_set_at is None else max(moment, plan_set_at)


def scheduled_for(minute: int | None, planned_start_at: datetime | None) -> datetime | None:
    """When the user asked to be notified; None for at the start, whenever that is."""
    return planned_start_at - timedelta(minutes=minute) if minute and planned_start_at else None


def state_of(  # noqa: PLR0917 - columns, in the order of the query
    minute: int | None,
    status: str,
    planned_start_at: datetime | None,
    plan_set_at: datetime | None,
    started_at: datetime | None,
    is_notified: bool,
    is_blocked: bool,
    now: datetime,
) -> Reminder.State:
    """Derive the state of a reminder from its minutes, the stream's columns and what `with_outcome` annotates."""
    if is_notified:
        return Reminder.State.SENT
    if is_blocked or status not in (*UPCOMING, Status.ACTIVE):
        return Reminder.State.CANCELLED
    due = started_at
    if due is None and minute and planned_start_at:
        due = came_due(minute, planned_start_at, plan_set_at)
    if due is not None and due + settings.REMINDER_GRACE < now:
        return Reminder.State.MISSED
    return Reminder.State.SCHEDULED if minute else Reminder.State.ARMED_ON_START
