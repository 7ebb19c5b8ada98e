"""The ban of one person from one stream, its review, and the appeal against it."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Func, Q, Subquery
from django.db.models.functions import JSONObject
from django.utils.translation import gettext_lazy as _

from common.fields import ObjectIdField
from common.models import LivingManager, LockingQuerySet, SoftDeleteModel, TimestampedModel
from livestreams.models import LiveStream, of_living_stream


class HeldRange(Func):
    """When a ban holds unless it is lifted, as a range of times; open-ended without an end."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class BanQuerySet(LockingQuerySet["LiveStreamBan"]):
    def holding(self, now: Any) -> Self:
        """Bans that hold at `now`: not lifted, and not past their end. No job has to run for that."""
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
        """Holding bans on living streams that satisfy all that is given; `username_key` is of the banned person."""
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


class LivingBans(LivingManager.from_queryset(BanQuerySet)):  # type: ignore[misc]
    pass


class LiveStreamBan(TimestampedModel, SoftDeleteModel):
    """`deleted_at` is when it was lifted, `deleted_by` who lifted it: so the wire has called it from the beginning."""

    class ActionType(models.TextChoices):
        BLOCK = "BLOCK", _("may not watch")
        CHAT_ONLY = "CHAT_ONLY", _("may not write")

    class Review(models.TextChoices):
        UNREVIEWED = "unreviewed", _("unreviewed")
        UPHELD = "upheld", _("upheld")
        CHANGED = "changed", _("changed")
        LIFTED = "lifted", _("lifted")

    # A purged stream takes its bans along; the audit trail keeps what was done.
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
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("reviewed by"),
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, editable=False)

    objects: ClassVar[LivingBans] = LivingBans()
    all_objects: ClassVar[models.Manager["LiveStreamBan"]] = models.Manager.from_queryset(BanQuerySet)()

    class Meta:
        verbose_name = _("ban")
        verbose_name_plural = _("bans")
        default_permissions = ("view", "change")
        permissions = [("moderate", _("Can ban on every stream and review bans"))]
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
            # At most one ban holds at any moment; after one lapsed, the next may follow without any job having run.
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
            # Holds everything that "is this person banned?" asks for, so that a "no" reads no row.
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
        ]

    def __str__(self) -> str:
        # By name where the person was read with the ban; reading it here would cost a statement for each row.
        person = self.target.get_username() if "target" in self._state.fields_cache else self.target_id
        return f"{person}: {self.get_action_type_display()}"

    def holds(self, now: datetime) -> bool:
        return self.deleted_at is None and (self.expires_at is None or now < self.expires_at)


class Appeal(TimestampedModel):
    """What the banned person says against a ban: once, until it is decided or withdrawn."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        DENIED = "denied", _("denied")
        WITHDRAWN = "withdrawn", _("withdrawn")

    ban = models.OneToOneField(LiveStreamBan, on_delete=models.CASCADE, related_name="appeal")
    text = models.CharField(_("text"), max_length=500)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)

    objects: ClassVar[models.Manager["Appeal"]] = models.Manager.from_queryset(LockingQuerySet["Appeal"])()

    class Meta:
        verbose_name = _("appeal")
        verbose_name_plural = _("appeals")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.text[:50]


def restriction(*, stream: Any, user: Any, now: Any) -> Subquery:
    """What keeps `user` from `stream` at `now`, as JSON, or NULL: see `settings.AUDIENCE_RESTRICTION`."""
    holding = LiveStreamBan.objects.holding(now).filter(stream=stream, target=user)
    return Subquery(holding.values(told=JSONObject(action="action_type", reason="reason", until="expires_at"))[:1])
