"""Bans of one person from one stream, their review, and the appeals against them."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Func, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject
from django.utils.translation import gettext_lazy as _

from bans.queue import SETTLED, UNREVIEWED, QueueQuerySet
from common.fields import ObjectIdField
from common.models import LivingManager, LockingQuerySet, SoftDeleteModel, TimestampedModel
from livestreams.models import LiveStream, of_living_stream

LONGEST_MESSAGE = 500  # characters


class HeldRange(Func):
    """The range of times in which a ban holds unless it is lifted. Without an end, the range has no upper bound."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class BanState(models.TextChoices):
    """Whether a ban holds and, if not, why. Derived from its stored times: see `state_at`."""

    ACTIVE = "active", _("in force")
    LAPSED = "lapsed", _("lapsed")
    LIFTED = "lifted", _("lifted")


def state_at(deleted_at: datetime | None, expires_at: datetime | None, now: datetime) -> BanState:
    """The state of a ban at `now`. A ban that was lifted after its end is lifted."""
    if deleted_at is not None:
        return BanState.LIFTED
    return BanState.ACTIVE if expires_at is None or now < expires_at else BanState.LAPSED


class BanQuerySet(QueueQuerySet["LiveStreamBan"]):
    def holding(self, now: Any) -> Self:
        """Bans that hold at `now`: not lifted, and not past their end. No job changes anything for that."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), deleted_at__isnull=True)

    def matching(
        self,
        *,
        now: Any,
        creator: Any = None,
        target: Any = None,
        username_key: Any = None,
        stream: Any = None,
        action_type: str | None = None,
        made_from: Any = None,
        made_to: Any = None,
    ) -> Self:
        """Holding bans on living streams that match every filter that is not None.

        `username_key` is the key of the banned person's username.
        """
        wanted = {
            "stream__creator": creator,
            "target": target,
            "target__username_key": username_key,
            "stream": stream,
            "action_type": action_type,
            "created_at__gte": made_from,
            "created_at__lte": made_to,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        return self.holding(now).filter(of_living_stream(), **given)

    def against(self, user: Any, *, now: Any, state: str | None = None) -> Self:
        """All bans of `user` on living streams, also those that are over; only those in `state` unless it is None."""
        bans = self.filter(of_living_stream(), target=user)
        match state:
            case BanState.ACTIVE:
                return bans.holding(now)
            case BanState.LAPSED:
                return bans.filter(deleted_at__isnull=True, expires_at__lte=now)
            case BanState.LIFTED:
                return bans.filter(deleted_at__isnull=False)
        return bans


class LivingBans(LivingManager.from_queryset(BanQuerySet)):  # type: ignore[misc]
    pass


class LiveStreamBan(TimestampedModel, SoftDeleteModel):
    """A ban. `deleted_at` is when it was lifted and `deleted_by` who lifted it, as the API names these fields."""

    class ActionType(models.TextChoices):
        BLOCK = "BLOCK", _("may not watch")
        CHAT_ONLY = "CHAT_ONLY", _("may not write")

    class Review(models.TextChoices):
        UNREVIEWED = "unreviewed", _("unreviewed")
        UPHELD = "upheld", _("upheld")
        CHANGED = "changed", _("changed")
        LIFTED = "lifted", _("lifted")

    # Bans are purged with their stream. The audit trail keeps the history.
    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="bans", verbose_name=_("stream"))
    target = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("banned person")
    )
    action_type = models.CharField(_("kind"), max_length=10, choices=ActionType, default=ActionType.BLOCK)
    reason = models.CharField(_("reason"), max_length=500, null=True, blank=True)  # noqa: DJ001 - null on the wire
    expires_at = models.DateTimeField(_("ends"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("banned by")
    )
    batch_id = ObjectIdField(null=True, editable=False)

    review = models.CharField(_("review"), max_length=10, choices=Review, default=Review.UNREVIEWED, editable=False)
    # `ban_of_reviewer` is the index of this key.
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        editable=False,
        verbose_name=_("reviewed by"),
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, editable=False)
    # For the banned person. What the reviewer writes for other moderators is the reason of the audit row.
    verdict_message = models.CharField(  # noqa: DJ001 - null on the wire
        _("message to the banned person"), max_length=LONGEST_MESSAGE, null=True, blank=True, editable=False
    )

    objects: ClassVar[LivingBans] = LivingBans()
    all_objects: ClassVar[models.Manager["LiveStreamBan"]] = models.Manager.from_queryset(BanQuerySet)()

    class Meta:
        verbose_name = _("ban")
        verbose_name_plural = _("bans")
        default_permissions = ("view", "change")
        permissions = [
            ("moderate", _("Can ban on every stream and review bans")),
            ("overrule", _("Can overrule verdicts and take them back")),
            ("view_team_figures", _("Can see how many bans each moderator reviews")),
        ]
        constraints = [
            *SoftDeleteModel.Meta.constraints,
            models.CheckConstraint(condition=~Q(target=F("created_by")), name="ban_not_of_oneself"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")), name="ban_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(review="unreviewed", reviewed_by__isnull=True, reviewed_at__isnull=True)
                | (~Q(review="unreviewed") & Q(reviewed_by__isnull=False, reviewed_at__isnull=False)),
                name="ban_review_has_its_reviewer",
            ),
            # At most one ban of a person on a stream holds at any time. After it lapsed, the next can be made at once.
            ExclusionConstraint(
                name="ban_one_holding_per_person_and_stream",
                expressions=[
                    (OpClass("stream", name="gist_bytea_ops"), RangeOperators.EQUAL),
                    (OpClass("target", name="gist_bytea_ops"), RangeOperators.EQUAL),
                    (HeldRange("created_at", "expires_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(deleted_at__isnull=True),
            ),
        ]
        indexes = [
            # Covers the check whether a person is banned (index-only scan).
            models.Index(
                fields=["stream", "target"],
                include=["expires_at", "id"],
                condition=Q(deleted_at__isnull=True),
                name="ban_check",
            ),
            models.Index(fields=["-created_at", "-id"], condition=Q(deleted_at__isnull=True), name="ban_newest"),
            models.Index(
                fields=["stream", "-created_at", "-id"], condition=Q(deleted_at__isnull=True), name="ban_by_stream"
            ),
            models.Index(fields=["target", "-created_at", "-id"], name="ban_by_target"),
            models.Index(fields=["batch_id"], condition=Q(batch_id__isnull=False), name="ban_by_batch"),
            models.Index(fields=["review", "-created_at", "-id"], name="ban_by_review"),
            # The last decisions of a moderator. Any condition on the reviewer implies that there is one.
            models.Index(
                fields=["reviewed_by", "-reviewed_at", "-id"],
                condition=Q(reviewed_by__isnull=False),
                name="ban_of_reviewer",
            ),
            # The figures of all moderators.
            models.Index(
                fields=["reviewed_at"],
                include=["reviewed_by", "review", "created_at"],
                condition=Q(reviewed_at__isnull=False),
                name="ban_by_review_time",
            ),
            # The batches with bans that nobody has reviewed, and the number of these.
            models.Index(
                fields=["batch_id"],
                condition=UNREVIEWED & Q(batch_id__isnull=False),
                name="ban_waiting_by_batch",
            ),
            # The queue of moderators (bans/queue.py): an index for each of its parts, except that of appeals.
            # `ban_by_end` also has reviewed bans, because lists of bans are filtered by their end.
            models.Index(
                fields=["expires_at", "id"],
                condition=Q(deleted_at__isnull=True, expires_at__isnull=False),
                name="ban_by_end",
            ),
            models.Index(fields=["created_at", "id"], condition=UNREVIEWED, name="ban_waiting"),
            models.Index(fields=["stream", "created_at", "id"], condition=UNREVIEWED, name="ban_waiting_by_stream"),
            models.Index(fields=["-created_at", "id"], condition=SETTLED, name="ban_settled"),
            # The numbers of bans of each hour.
            models.Index(fields=["action_type", "created_at"], name="ban_by_kind"),
        ]

    def __str__(self) -> str:
        # The username only if it was read with the ban: otherwise each row of a list would cost a statement.
        person = self.target.get_username() if "target" in self._state.fields_cache else self.target_id
        return f"{person}: {self.get_action_type_display()}"

    def holds(self, now: datetime) -> bool:
        return state_at(self.deleted_at, self.expires_at, now) == BanState.ACTIVE

    @property
    def appeal_or_none(self) -> "Appeal | None":
        """Costs a statement when the appeal was not read with the ban."""
        return getattr(self, "appeal", None)

    @property
    def pending_appeal(self) -> "Appeal | None":
        """As `appeal_or_none`, if nobody has decided or withdrawn it."""
        appeal = self.appeal_or_none
        return appeal if appeal is not None and appeal.state == Appeal.State.PENDING else None


class AppealQuerySet(LockingQuerySet["Appeal"]):
    def matching(self, *, by: Any = None, status: str | None = None) -> Self:
        """Appeals against bans on living streams, by the banned person `by` and in the state `status` if not None.

        Whether the stream is deleted is asked for each appeal that is read, by two keys. PostgreSQL would convert a
        condition with EXISTS into a join with all bans on deleted streams. It estimates that COALESCE is true for half
        of the rows, and that IS NULL is so for one in 200, for which it would read the whole table.
        """
        deleted = LiveStreamBan.all_objects.filter(pk=OuterRef("ban"), stream__deleted_at__isnull=False)
        is_hidden = Coalesce(Subquery(deleted.values(found=Value(True))[:1]), Value(False))  # noqa: FBT003
        wanted = {"ban__target": by, "state": status}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self.filter(~Q(is_hidden), **given)


class Appeal(TimestampedModel):
    """The appeal of the banned person against a ban. There is at most one for each ban."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        DENIED = "denied", _("denied")
        WITHDRAWN = "withdrawn", _("withdrawn")

    ban = models.OneToOneField(LiveStreamBan, on_delete=models.CASCADE, related_name="appeal")
    text = models.CharField(_("text"), max_length=500)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)

    objects: ClassVar[models.Manager["Appeal"]] = models.Manager.from_queryset(AppealQuerySet)()

    class Meta:
        verbose_name = _("appeal")
        verbose_name_plural = _("appeals")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="appeal_newest"),
            models.Index(fields=["state", "-created_at", "-id"], name="appeal_by_state"),
        ]

    def __str__(self) -> str:
        return self.text[:50]


class ReviewClaim(models.Model):
    """Which moderator is looking at a ban. After `until` it has no effect, and others may take it.

    A claim only keeps moderators from working on the same ban: it decides nothing.
    """

    ban = models.OneToOneField(LiveStreamBan, primary_key=True, on_delete=models.CASCADE, related_name="claim")
    moderator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    claimed_at = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("claimed_at")), name="review_claim_ends_after_it_began")
        ]

    def __str__(self) -> str:
        return f"{self.moderator_id} {self.ban_id}"


def restriction(*, stream: Any, user: Any, now: Any) -> Subquery:
    """The ban of `user` on `stream` that holds at `now`, as JSON, or NULL. The hook `settings.AUDIENCE_RESTRICTION`."""
    holding = LiveStreamBan.objects.holding(now).filter(stream=stream, target=user)
    row = JSONObject(action="action_type", reason="reason", until="expires_at")
    return Subquery(holding.values(restriction=row)[:1])


def bans_of(*, stream: Any) -> models.QuerySet[LiveStreamBan]:
    """All bans from a stream, also those that are over. The hook `settings.STREAM_BANS`."""
    return LiveStreamBan.all_objects.filter(stream=stream)
