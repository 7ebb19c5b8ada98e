"""Users, their pictures, and the sessions that their tokens belong to."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import load_backend
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.fields import ObjectIdKey
from common.models import LockingQuerySet, TimestampedModel
from common.search import FoldedColumn, SearchedModel

PHOTO_SIZES = (40, 76, 160)  # pixels, square


class Media(TimestampedModel):
    """A picture in the storage, with smaller copies of it."""

    class Type(models.TextChoices):
        IMAGE = "image", _("image")

    type = models.CharField(max_length=10, choices=Type, default=Type.IMAGE)
    file = models.CharField(max_length=200)
    variants = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")

    def __str__(self) -> str:
        return self.file


class UserManager(BaseUserManager["User"].from_queryset(LockingQuerySet["User"])):  # type: ignore[misc]
    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """A user who can log in with `password`, or only through the identity provider when it is None."""
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """By username in any case of its letters; raises `User.DoesNotExist`."""
        named = self.annotate(lowered=Lower("username")).filter(lowered=Lower(models.Value(username)))
        return named.get()

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(username, password, **{"is_staff": True, "is_superuser": True} | fields)


class User(SearchedModel, AbstractBaseUser, PermissionsMixin):
    class Availability(models.TextChoices):
        AVAILABLE = "available", _("available")
        BUSY = "busy", _("busy")
        OFFLINE = "offline", _("offline")

    id = ObjectIdKey()
    username = models.CharField(
        _("username"),
        max_length=150,
        unique=True,  # Django asks for it; the constraint below is the stronger one
        validators=[RegexValidator(r"\A[\w.@+-]+\Z", _("may have letters, digits and the signs . @ + - _ only"))],
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    surname = models.CharField(_("surname"), max_length=150, blank=True)
    names_folded = FoldedColumn(of=["username", "name", "surname"])
    email = models.EmailField(_("email"), blank=True)
    profile_photo = models.ForeignKey(Media, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    availability_status = models.CharField(max_length=10, choices=Availability, default=Availability.OFFLINE)
    is_staff = models.BooleanField(_("staff"), default=False, help_text=_("may enter the admin"))
    is_active = models.BooleanField(_("active account"), default=True, help_text=_("may log in"))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    # Who came through the platform's own identity provider: its issuer and its name for the person.
    identity_issuer = models.CharField(max_length=200, blank=True, editable=False)
    identity_subject = models.CharField(max_length=200, blank=True, editable=False)
    # Tokens of the identity provider that were issued up to this moment are refused (logout).
    identity_tokens_from = models.DateTimeField(null=True, editable=False)
    # Part of each admin session: raising it ends them all.
    session_epoch = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="user_username_unique",
                violation_error_message=_("A user with that username already exists."),
            ),
            models.UniqueConstraint(
                fields=["identity_issuer", "identity_subject"],
                condition=~Q(identity_issuer=""),
                name="user_identity_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.username

    def get_full_name(self) -> str:
        return f"{self.name} {self.surname}".strip()

    def get_short_name(self) -> str:
        return self.name or self.username

    def get_session_auth_hash(self) -> str:
        """What an admin session must carry: it ends when the password or `session_epoch` changes."""
        return f"{super().get_session_auth_hash()}:{self.session_epoch}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """The same, of sessions from before `SECRET_KEY` was changed."""
        for fallback in super().get_session_auth_fallback_hash():
            yield f"{fallback}:{self.session_epoch}"


def holders_of(permission: str) -> models.QuerySet[User]:
    """Active users who hold `permission` ("app.codename"), themselves, through a group, or as superusers."""
    return load_backend(settings.AUTHENTICATION_BACKENDS[0]).with_perm(permission)  # type: ignore[attr-defined]


class Session(models.Model):
    """One login on one device. Access tokens name it, so ending it ends them at their next use.

    Rotation keeps the id of the one refresh token that is good (`refresh_id`); an older one that turns up
    again was copied, which ends the session.
    """

    id = ObjectIdKey()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    refresh_id = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Session"]] = models.Manager.from_queryset(LockingQuerySet["Session"])()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="session_expires_later"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"

    def holds(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at


class LoginCounter(models.Model):
    """Failed logins since `window_started_at` of whom `key` stands for: see accounts/login_limits.py."""

    key = models.BinaryField(primary_key=True, max_length=32)
    window_started_at = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return bytes(self.key).hex()


class KnownAddress(models.Model):
    """A network that a user has logged in from, as a keyed hash. Failures of others elsewhere do not count there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    address = models.BinaryField(max_length=32)
    last_login_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="knownaddress_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {bytes(self.address).hex()}"
