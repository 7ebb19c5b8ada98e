"""Secrets of users: push tokens of their devices, and the address of their own calendar.

No row shows its secret: not in `__str__`, in the admin, in an audit row or in an error of the database.
"""

from hashlib import sha256
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Session
from common.models import IdentifiedModel, LockingQuerySet, TimestampedModel

# A user may have ten tokens and a delivery a thousand users, so it has at most 20 MB of them. Tokens have 64 to 250
# characters, a subscription of a browser as JSON up to 900.
LONGEST_TOKEN = 2048
LONGEST_DEVICE_ID = 128


def digest_of(secret: str) -> bytes:
    """What identifies a secret in the database. A plain hash is enough: these secrets are random, not chosen."""
    return sha256(secret.encode()).digest()


class Platform(models.TextChoices):
    IOS = "ios", "iOS"
    ANDROID = "android", "Android"
    WEB = "web", _("browser")


class DeviceTokenQuerySet(LockingQuerySet["DeviceToken"]):
    def holding(self, now: Any) -> Self:
        """Tokens of users who are logged in on the device: see `DeviceToken`."""
        in_session = Q(session__ended_at__isnull=True, session__expires_at__gt=now)
        since_logout = Q(user__identity_tokens_from__isnull=True) | Q(updated_at__gt=F("user__identity_tokens_from"))
        return self.filter(Q(session__isnull=False) & in_session | Q(session__isnull=True) & since_logout)


class DeviceToken(TimestampedModel):
    """The address of one app on one device at a push service. The push gateway gets it with the notifications.

    It holds as long as the session in which the app registered it: logging out ends both, and no job is needed.
    Users of an identity provider have no session here; their tokens hold until their next logout. `updated_at` is
    the time of the last registration.

    The token is as long as a push service likes, so its digest is what is unique.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="device_tokens")
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="+")
    platform = models.CharField(max_length=10, choices=Platform)
    # The app's own name of the device; empty when it sent none.
    device_id = models.CharField(max_length=LONGEST_DEVICE_ID, blank=True)
    token = models.TextField()
    digest = models.BinaryField(max_length=32, unique=True)

    objects: ClassVar[models.Manager["DeviceToken"]] = models.Manager.from_queryset(DeviceTokenQuerySet)()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["user", "device_id"], condition=~Q(device_id=""), name="device_token_one_per_device"
            ),
        ]
        indexes = [models.Index(fields=["updated_at"], name="device_token_by_age")]

    def __str__(self) -> str:
        return f"{self.platform} {self.pk}"


class CalendarAddress(IdentifiedModel):
    """The address at which calendar programs read the calendar of its user; only the digest of its secret is stored."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager["CalendarAddress"]] = models.Manager.from_queryset(
        LockingQuerySet["CalendarAddress"]
    )()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"
