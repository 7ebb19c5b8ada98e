"""The reminder, which waits; the round, its chunks and deliveries, which tell; and the ledger of what was told."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from bans.models import LiveStreamBan
from common.fields import ObjectIdField
from common.models import IdentifiedModel, LockingQuerySet, TimestampedModel
from livestreams.models import UPCOMING, LiveStream, Status

LONGEST_LEAD = 10_080  # minutes, a week
LANGUAGE_LENGTH = max(len(code) for code, _name in settings.LANGUAGES)


class Kind(models.TextChoices):
    """What a notice says. Who had the `reminder` gets no `live` on top."""

    REMINDER = "reminder", _("before the start")
    LIVE = "live", _("at the start")
    CANCELLED = "cancelled", _("cancelled")


# In which states of its stream a notice may still go out.
SAYABLE: dict[str, tuple[str, ...]] = {
    Kind.REMINDER: (Status.SCHEDULED,),
    Kind.LIVE: (Status.ACTIVE,),
    Kind.CANCELLED: (Status.CANCELLED_BY_HOST, Status.CANCELLED_BY_GUEST),
}


# --- what waits ------------------------------------------------------------------------------------


class ReminderQuerySet(LockingQuerySet["Reminder"]):
    def with_fate(self, now: Any) -> Self:
        """With `told` and `blocked`, from which, with the stream's times, the state follows: see `state_of`."""
        return self.annotate(
            told=Exists(told_of(stream=OuterRef("stream"), user=OuterRef("user"), planned=_PLAN)),
            blocked=Exists(blocks_of(stream=OuterRef("stream"), user=OuterRef("user"), now=now)),
        )


class Reminder(TimestampedModel):
    """One person wants to be told of one stream: `minute` minutes before its planned start, or when it really starts.

    Nothing here says whether it is due, was sent or died: that follows from the stream, the ledger and the bans.
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
    # As it was asked: 0 and nothing both mean at the start.
    minute = models.PositiveSmallIntegerField(_("minutes before the start"), null=True)
    # The language in which it was asked for is the one in which it is told.
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
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="reminder_by_user")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.stream_id}"


class LeadTime(models.Model):
    """Somebody asked to be told of this stream that many minutes before: so the finder need not look at reminders."""

    pk = models.CompositePrimaryKey("stream", "minute")
    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="+", db_index=False)
    minute = models.PositiveSmallIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["minute"], name="lead_time_by_minute")]

    def __str__(self) -> str:
        return f"{self.stream_id} {self.minute}"


class Lookout(models.Model):
    """The one row that finders lock: up to which moment every lead time that came due has its round."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    found_until = models.DateTimeField()

    objects: ClassVar[models.Manager["Lookout"]] = models.Manager.from_queryset(LockingQuerySet["Lookout"])()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="lookout_is_one")]

    def __str__(self) -> str:
        return str(self.found_until)


# --- what tells ------------------------------------------------------------------------------------


class Round(IdentifiedModel):
    """One telling: of this stream, with this planned start, to those with this lead time. Inserting it is the claim.

    `due_at` is when it came due, `good_until` the last moment at which anybody is still told. A start that is moved
    away and back comes due anew; whom the first round has told, the ledger keeps from being told again.
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
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.stream_id}"


class Chunk(IdentifiedModel):
    """About a thousand reminders of a round: those of the people after `after_user` up to `up_to_user`.

    Open ends (None) are those of the first and the last chunk, so that the chunks of a round leave nobody out.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        TOLD = "told", _("told")
        VOID = "void", _("void")
        MISSED = "missed", _("missed")

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="chunks", verbose_name=_("round"))
    number = models.PositiveIntegerField(_("number"))
    after_user = ObjectIdField(null=True)
    up_to_user = ObjectIdField(null=True)
    due_at = models.DateTimeField(_("due"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    told = models.PositiveIntegerField(_("told"), default=0, help_text=_("people"))
    missed = models.PositiveIntegerField(_("missed"), default=0, help_text=_("people"))
    closed_at = models.DateTimeField(_("closed"), null=True)

    objects: ClassVar[models.Manager["Chunk"]] = models.Manager.from_queryset(LockingQuerySet["Chunk"])()

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["round", "number"], name="chunk_once")]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="waiting"), name="chunk_waiting")]

    def __str__(self) -> str:
        return f"{self.round_id} {self.number}"


class NotificationQuerySet(LockingQuerySet["Notification"]):
    def of_chunk(self, *, round: Any, after_user: Any, up_to_user: Any) -> Self:
        """What a round's chunk told, whenever it is asked: these rows are never removed one by one."""
        told = self.filter(
            stream=round.stream_id, kind=round.kind, minute=round.minute, planned_start_at=round.planned_start_at
        )
        if after_user is not None:
            told = told.filter(user__gt=after_user)
        return told if up_to_user is None else told.filter(user__lte=up_to_user)


class Notification(IdentifiedModel):
    """The ledger of what people were told; the inbox is this table read by one of them.

    The texts are not stored: they follow the language of who reads. No foreign keys in the database: checking two for
    each of a million rows costs more than writing them.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    stream = models.ForeignKey(
        LiveStream, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    kind = models.CharField(max_length=10, choices=Kind)
    minute = models.PositiveSmallIntegerField(null=True)
    planned_start_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager["Notification"]] = models.Manager.from_queryset(NotificationQuerySet)()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "user", "kind", "planned_start_at"], nulls_distinct=False, name="notification_once"
            ),
        ]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="notification_by_user")]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id}"


class Delivery(IdentifiedModel):
    """One chunk on its way through one channel; the chunk's id is the key by which receivers drop repeats."""

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
    # People up to this one have been reached, for channels that reach one after the other.
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
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.chunk_id}"


class MutedChannel(models.Model):
    """Somebody does not want to be reached through this channel."""

    pk = models.CompositePrimaryKey("user", "channel")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    channel = models.CharField(max_length=20)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id} {self.channel}"


# --- what follows from stored times ---------------------------------------------------------------

_PLAN = OuterRef("stream__planned_start_at")


def told_of(*, stream: Any, user: Any, planned: Any) -> models.QuerySet[Notification]:
    """The notices after which this person no longer waits for the stream. Takes values or expressions."""
    before = Q(kind=Kind.REMINDER, planned_start_at=planned)
    # A stream starts once, so its `live` holds whatever its plan was.
    return Notification.objects.filter(before | Q(kind=Kind.LIVE), stream=stream, user=user)


def blocks_of(*, stream: Any, user: Any, now: Any) -> models.QuerySet[LiveStreamBan]:
    """The ban that keeps this person from the stream at `now`. When it is lifted or lapses, their reminder lives on."""
    holding = LiveStreamBan.objects.holding(now)
    blocks: models.QuerySet[LiveStreamBan] = holding.filter(
        stream=stream, target=user, action_type=LiveStreamBan.ActionType.BLOCK
    )
    return blocks


def waits(*, stream: Any, user: Any, now: Any) -> Exists:
    """Whether `user` will still be told of a stream: see `settings.REMINDER_WAITS`. `stream` is an OuterRef."""
    waiting = Reminder.objects.with_fate(now).filter(Q(told=False, blocked=False), stream__status__in=UPCOMING)
    return Exists(waiting.filter(stream=stream, user=user))


def came_due(minute: int, planned_start_at: datetime, plan_set_at: datetime | None) -> datetime:
    """When a lead time came due: at its moment or, where a move took the start past it, at that move."""
    moment = planned_start_at - timedelta(minutes=minute)
    return moment if plan_set_at is None else max(moment, plan_set_at)


def scheduled_for(minute: int | None, planned_start_at: datetime | None) -> datetime | None:
    """The moment that was asked for; None when that is the start, whenever it comes."""
    return planned_start_at - timedelta(minutes=minute) if minute and planned_start_at else None


def state_of(  # noqa: PLR0917 - columns, in the order in which they are read
    minute: int | None,
    status: str,
    planned_start_at: datetime | None,
    plan_set_at: datetime | None,
    started_at: datetime | None,
    told: bool,
    blocked: bool,
    now: datetime,
) -> Reminder.State:
    """What has become of a reminder, from its minutes, the stream's columns and `with_fate`."""
    if told:
        return Reminder.State.SENT
    if blocked or status not in (*UPCOMING, Status.ACTIVE):
        return Reminder.State.CANCELLED
    due = started_at
    if due is None and minute and planned_start_at:
        due = came_due(minute, planned_start_at, plan_set_at)
    if due is not None and due + settings.REMINDER_GRACE < now:
        return Reminder.State.MISSED
    return Reminder.State.SCHEDULED if minute else Reminder.State.ARMED_ON_START
