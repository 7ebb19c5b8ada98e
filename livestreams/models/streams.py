"""The model of a stream, and its querysets."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from common.models import LivingManager, LockingQuerySet, SoftDeleteModel, TimestampedModel
from common.search import FoldedColumn, SearchedModel
from livestreams.board import BoardPlace
from livestreams.models.lifecycle import LATEST_PLAN, UPCOMING, GuestStatus, Status

# --- the stream ----------------------------------------------------------------------------------


OPEN = (Status.ACTIVE, *UPCOMING)
# When a stream began, will begin, or was prepared.
BEGIN = Coalesce(F("started_at"), F("planned_start_at"), F("created_at"))


class LiveStreamQuerySet(LockingQuerySet["LiveStream"]):
    """Filters of streams. Each argument is a value or an expression."""

    def matching(
        self,
        *,
        status: tuple[str, ...] | None = None,
        creator: Any = None,
        guest: Any = None,
        member: Any = None,
        interest: Any = None,
        planned_from: Any = None,
        planned_to: Any = None,
    ) -> Self:
        """Streams that match all filters.

        `guest` also finds streams whose guest has not accepted. `member` finds streams by creator or accepted guest
        only, because its lists are public.
        """
        wanted = {
            "status__in": status,
            "creator": creator,
            "guest": guest,
            "interest": interest,
            "planned_start_at__gte": planned_from,
            "planned_start_at__lte": planned_to,
        }
        found = self.filter(**{name: value for name, value in wanted.items() if value is not None})
        if member is None:
            return found
        return found.filter(Q(creator=member) | Q(guest=member, guest_status=GuestStatus.ACCEPTED))

    def upcoming(self, *, earliest: Any, latest: Any, member: Any = None) -> Self:
        """Active and preparing streams, and the scheduled ones whose planned start is in the window."""
        planned = F("planned_start_at")
        is_near = models.ExpressionWrapper(
            Q(GreaterThanOrEqual(planned, earliest), LessThanOrEqual(planned, latest)), models.BooleanField()
        )
        # No index has a CASE. With OR, PostgreSQL may collect and sort all streams of both conditions for a page.
        found = self.matching(member=member).filter(
            Case(When(status=Status.SCHEDULED, then=is_near), default=Value(True))  # noqa: FBT003
        )
        # All of them begin by then anyway (clocks of other machines may be 30 s ahead). With this condition PostgreSQL
        # reads only that range of the index.
        found = found.alias(begin=BEGIN).filter(begin__lte=latest + timedelta(minutes=1))
        return found.filter(status__in=OPEN)  # the condition of that index

    def no_shows(self, now: datetime) -> Self:
        """Upcoming streams past the grace after their planned start or, without one, after their last change."""
        return self.filter(
            Q(status__in=UPCOMING, planned_start_at__lte=now - settings.NO_SHOW_GRACE)
            | Q(
                status=Status.PREPARING,
                planned_start_at__isnull=True,
                updated_at__lte=now - settings.PREPARING_GRACE,
            )
        )

    def past_retention(self, now: datetime) -> Self:
        """Deleted streams whose retention time is over, and that have no `Hold`."""
        return self.filter(deleted_at__lte=now - settings.DELETED_RETENTION, hold__isnull=True)


class LivingStreams(LivingManager.from_queryset(LiveStreamQuerySet)):  # type: ignore[misc]
    pass


def _by_nullable(column: str, name: str) -> list[models.Index]:
    """The indexes of an order in which rows without a value come last: a row is in one of the two."""
    return [
        models.Index(
            fields=[column, "id"],
            condition=Q(deleted_at=None, **{f"{column}__isnull": False}),
            name=f"stream_{name}",
        ),
        models.Index(
            fields=["id"], condition=Q(deleted_at=None, **{f"{column}__isnull": True}), name=f"stream_not_{name}"
        ),
    ]


class LiveStream(SearchedModel, TimestampedModel, SoftDeleteModel):
    class Type(models.TextChoices):
        SOLO = "solo", _("solo")
        DUO_CROWD = "duocrowd", _("duo, crowd")
        DUO_SELF = "duoself", _("duo, self")

    class AccessType(models.TextChoices):
        FREE = "free", _("free")
        PAID = "paid", _("paid")

    class Role(models.TextChoices):
        HOST = "host", _("host")
        GUEST = "guest", _("guest")
        AUDIENCE = "audience", _("audience")

    title = models.CharField(_("title"), max_length=140)
    title_folded = FoldedColumn(of=["title"])
    type = models.CharField(_("type"), max_length=10, choices=Type, default=Type.SOLO)
    channel_name = models.CharField(_("channel name"), max_length=150, unique=True, editable=False)
    creator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("creator")
    )
    # A duo has exactly one guest, a solo none, so a column is enough.
    guest = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("guest"),
    )
    guest_status = models.CharField(  # noqa: DJ001 - null on the wire
        _("answer of the guest"), max_length=10, choices=GuestStatus, null=True, editable=False
    )
    thumbnail = models.CharField(max_length=200, blank=True, editable=False)
    status = models.CharField(_("status"), max_length=20, choices=Status, editable=False)
    price = models.DecimalField(_("price"), max_digits=10, decimal_places=2, null=True, blank=True)
    interest = models.CharField(_("interest"), max_length=50, null=True, blank=True)  # noqa: DJ001 - null on the wire
    duration_goal = models.PositiveSmallIntegerField(_("duration goal"), null=True, blank=True, help_text=_("minutes"))
    motivation = models.TextField(_("motivation"), max_length=1000, null=True, blank=True)  # noqa: DJ001 - null on the wire
    planned_start_at = models.DateTimeField(_("planned start"), null=True, editable=False)
    # When the planned start was last changed.
    plan_set_at = models.DateTimeField(null=True, editable=False)
    # Incremented at each change that a calendar shows: the SEQUENCE of RFC 5545, section 3.8.7.4.
    revision = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)

    objects: ClassVar[LivingStreams] = LivingStreams()
    all_objects: ClassVar[models.Manager["LiveStream"]] = models.Manager.from_queryset(LiveStreamQuerySet)()

    class Meta:
        verbose_name = _("stream")
        verbose_name_plural = _("streams")
        default_permissions = ("view", "change")
        permissions = [("enforce", _("Can learn who must be kept out, as media edges and chat servers do"))]
        constraints = [
            *SoftDeleteModel.Meta.constraints,
            models.CheckConstraint(condition=Q(status__in=Status.values), name="stream_status_known"),
            models.CheckConstraint(
                condition=~Q(status=Status.SCHEDULED) | Q(planned_start_at__isnull=False),
                name="stream_scheduled_has_a_plan",
            ),
            models.CheckConstraint(
                condition=Q(planned_start_at__isnull=True) | Q(planned_start_at__lt=LATEST_PLAN),
                name="stream_plan_is_of_this_century",
            ),
            models.CheckConstraint(
                condition=Q(status__in=(Status.ACTIVE, Status.ENDED), started_at__isnull=False)
                | (~Q(status__in=(Status.ACTIVE, Status.ENDED)) & Q(started_at__isnull=True)),
                name="stream_started_is_active_or_ended",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.ENDED, ended_at__isnull=False, ended_at__gte=F("started_at"))
                | (~Q(status=Status.ENDED) & Q(ended_at__isnull=True)),
                name="stream_ended_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True) | ~Q(status=Status.ACTIVE),
                name="stream_active_is_not_deleted",
            ),
            models.CheckConstraint(
                condition=Q(type="solo", guest__isnull=True)
                | (Q(type__in=("duocrowd", "duoself"), guest__isnull=False) & ~Q(guest=F("creator"))),
                name="stream_guest_fits_type",
            ),
            # NULL IN (...) is NULL, which a CHECK accepts.
            models.CheckConstraint(
                condition=Q(guest__isnull=True, guest_status__isnull=True)
                | Q(guest__isnull=False, guest_status__isnull=False, guest_status__in=GuestStatus.values),
                name="stream_guest_status_fits_guest",
            ),
            models.CheckConstraint(condition=Q(price__isnull=True) | Q(price__gt=0), name="stream_price_positive"),
            models.CheckConstraint(
                condition=Q(duration_goal__isnull=True) | Q(duration_goal__range=(1, 1440)),
                name="stream_duration_goal_in_a_day",
            ),
            models.UniqueConstraint(
                fields=["creator"], condition=Q(status=Status.ACTIVE), name="stream_one_active_per_creator"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], condition=Q(deleted_at=None), name="stream_newest"),
            models.Index(
                fields=["status", "-created_at", "-id"], condition=Q(deleted_at=None), name="stream_by_status"
            ),
            models.Index(
                fields=["creator", "-created_at", "-id"], condition=Q(deleted_at=None), name="stream_by_creator"
            ),
            models.Index(fields=["guest", "-created_at", "-id"], condition=Q(deleted_at=None), name="stream_by_guest"),
            # Public lists of a member skip all invitations, however many strangers name that member as guest.
            models.Index(
                fields=["guest", "-created_at", "-id"],
                condition=Q(deleted_at=None, guest_status="accepted"),
                name="stream_by_accepted_guest",
            ),
            models.Index(
                fields=["interest", "-created_at", "-id"],
                condition=Q(deleted_at=None, interest__isnull=False),
                name="stream_by_interest",
            ),
            # With the columns that lists of upcoming streams compare: they count and skip without reading the rows.
            models.Index(
                BEGIN,
                "id",
                include=["status", "started_at", "planned_start_at", "created_at"],
                condition=Q(deleted_at=None, status__in=OPEN),
                name="stream_open_by_begin",
            ),
            models.Index(fields=["updated_at", "id"], condition=Q(deleted_at=None), name="stream_updated"),
            *_by_nullable("started_at", "started"),
            # Active streams are few among those that started.
            models.Index(fields=["started_at", "id"], condition=Q(status="active"), name="stream_live"),
            *_by_nullable("planned_start_at", "planned"),
            # Scheduled streams have the latest planned starts. In descending order, an index without the status would
            # read all of them before the first stream of another status.
            models.Index(
                fields=["status", "planned_start_at", "id"],
                condition=Q(deleted_at=None, planned_start_at__isnull=False),
                name="stream_planned_by_status",
            ),
            *_by_nullable("ended_at", "ended"),
            *_by_nullable("duration_goal", "goal"),
            models.Index(fields=["planned_start_at"], condition=Q(status="scheduled"), name="stream_by_planned_start"),
            models.Index(BoardPlace(), F("created_at").desc(), F("id").desc(), name="stream_board"),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="stream_deleted"),
            models.Index(fields=["id"], condition=Q(deleted_at__isnull=False), name="stream_deleted_id"),
            models.Index(
                fields=["creator", "deleted_at", "id"],
                condition=Q(deleted_at__isnull=False),
                name="stream_deleted_by_creator",
            ),
            # Each search reads the list of pending entries from start to end.
            GinIndex(
                fields=["title_folded"], opclasses=["gin_trgm_ops"], name="stream_by_title", gin_pending_list_limit=128
            ),
        ]

    def __str__(self) -> str:
        return self.title


def planned_end(planned_start_at: datetime | None, duration_goal: int | None) -> datetime | None:
    """The planned start plus `duration_goal` minutes."""
    if planned_start_at is None or duration_goal is None:
        return None
    return planned_start_at + timedelta(minutes=duration_goal)


def role_of(
    user_id: str | None, creator_id: str, guest_id: str | None, guest_status: str | None
) -> LiveStream.Role | None:
    """The user's role in the stream: None without a user, AUDIENCE for a guest who declined."""
    if user_id is None:
        return None
    if user_id == creator_id:
        return LiveStream.Role.HOST
    is_guest = user_id == guest_id and guest_status != GuestStatus.DECLINED
    return LiveStream.Role.GUEST if is_guest else LiveStream.Role.AUDIENCE


def of_living_stream() -> Combinable:
    """A condition for lists of rows that have a `stream`: it is not deleted.

    It is an anti-join with the index of the few deleted streams. A join would read the stream of every row, also of
    rows that are only counted or skipped.
    """
    return ~Exists(LiveStream.all_objects.filter(pk=OuterRef("stream"), deleted_at__isnull=False))
