"""Bulk calls that wait for a second moderator."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.fields import ObjectIdField
from common.models import LockingQuerySet, TimestampedModel
from livestreams.models import LiveStream


class BulkRequest(TimestampedModel):
    """A call that bans or lifts more people than `settings.FOUR_EYES_ABOVE`, until a second moderator decides.

    `payload` is what the services need to repeat the call: see `bans/services/bulk_requests.py`. Whether the request
    has expired follows from `expires_at`.
    """

    class Action(models.TextChoices):
        BAN = "ban", _("ban")
        UNDO = "undo", _("undo a bulk ban")
        REVIEW = "review", _("lift by a verdict")

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")

    # Requests are purged with their stream. The audit trail keeps the history.
    stream = models.ForeignKey(
        LiveStream, on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("stream")
    )
    action = models.CharField(_("what"), max_length=10, choices=Action, editable=False)
    payload = models.JSONField(editable=False)
    people = models.PositiveIntegerField(_("people"), editable=False)
    # None: a command without a user.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("requested by"),
    )
    expires_at = models.DateTimeField(_("expires"), editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)
    # The batch of the bans that were made, or the one that is undone or reviewed.
    batch_id = ObjectIdField(null=True, editable=False)

    objects: ClassVar[models.Manager["BulkRequest"]] = models.Manager.from_queryset(LockingQuerySet["BulkRequest"])()

    class Meta:
        verbose_name = _("bulk request")
        verbose_name_plural = _("bulk requests")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(state="pending", decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(state="pending") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="bulk_request_has_its_decision",
            ),
        ]
        indexes = [
            models.Index(fields=["stream", "-created_at", "-id"], name="bulk_request_by_stream"),
            models.Index(fields=["state", "-created_at", "-id"], name="bulk_request_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.people}"

    def has_expired(self, now: datetime) -> bool:
        return self.state == self.State.PENDING and self.expires_at <= now
