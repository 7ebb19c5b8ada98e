"""Users, their profile photos, their sessions, and the counters of failed logins."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import load_backend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import names, passwords
from accounts.fields import UsernameField, UsernameKeyField
from common.fields import ObjectIdKey
from common.models import IdentifiedModel, LivingManager, LockingQuerySet, SoftDeleteModel, TimestampedModel
from common.search import FoldedColumn, SearchedModel

PHOTO_SIZES = (40, 76, 160)  # pixels, square
LONGEST_NOTE = 1000  # characters


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


class UserQuerySet(LockingQuerySet["User"]):
    def update(self, **values: Any) -> int:
        if "username" in values:
            values["username_key"] = names.normalized(values["username"])
        return super().update(**values)

    def active(self) -> "UserQuerySet":
        return self.filter(is_active=True)

    def staff(self) -> "UserQuerySet":
        return self.filter(STAFF)

    def impersonated_by(self, username: str) -> list[str]:
        """The usernames of members of staff that `username` looks like."""
        return names.LookAlikes(self.staff().values_list("username", flat=True).order_by("pk")).of(username)


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """A user who can log in with `password`, or only through the identity provider when it is None.

        Raises ValidationError when the username is not allowed or looks like the name of a member of staff, or when
        the password has characters that are not allowed.
        """
        user = self.model(username=username, **fields)
        user.username = user.checked_username()
        if self.impersonated_by(user.username):
            raise ValidationError({"username": names.Rule.LOOK_ALIKE})
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """By username, in any normal form and any case of its letters; raises `User.DoesNotExist`."""
        return self.get(username_key=names.normalized(username or ""))

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(username, password, **{"is_staff": True, "is_superuser": True} | fields)


STAFF = Q(is_staff=True) | Q(is_superuser=True)


class User(SearchedModel, AbstractBaseUser, PermissionsMixin):
    class Availability(models.TextChoices):
        AVAILABLE = "available", _("available")
        BUSY = "busy", _("busy")
        OFFLINE = "offline", _("offline")

    id = ObjectIdKey()
    username = UsernameField(
        _("username"),
        max_length=names.LONGEST,
        unique=True,  # Django asks for it; the constraint below is the stronger one
        validators=[names.validate],
    )
    username_key = UsernameKeyField(max_length=names.LONGEST_KEY, editable=False)
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

    # The claims `iss` and `sub` of users who came through the platform's identity provider.
    identity_issuer = models.CharField(max_length=200, blank=True, editable=False)
    identity_subject = models.CharField(max_length=200, blank=True, editable=False)
    # Tokens of the identity provider that were issued up to this moment are refused (logout).
    identity_tokens_from = models.DateTimeField(null=True, editable=False)
    # Part of each admin session. Incrementing it ends all of them.
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
                fields=["username_key"],
                name="user_username_key_unique",
                violation_error_message=_("A user with that username already exists."),
            ),
            models.UniqueConstraint(
                fields=["identity_issuer", "identity_subject"],
                condition=~Q(identity_issuer=""),
                name="user_identity_unique",
            ),
        ]
        indexes = [
            # A new username is compared with those of the staff.
            models.Index(fields=["id"], condition=STAFF, name="user_staff"),
            models.Index(fields=["created_at", "id"], condition=Q(is_active=True), name="user_newest"),
            # The admin lists inactive users too, and finds somebody by the whole address.
            models.Index(fields=["created_at", "id"], name="user_by_creation"),
            models.Index(fields=["created_at", "id"], condition=Q(is_active=False), name="user_inactive"),
            models.Index(Upper("email"), name="user_by_email"),
            # Each search reads the list of pending entries from start to end.
            GinIndex(
                fields=["names_folded"], opclasses=["gin_trgm_ops"], name="user_by_names", gin_pending_list_limit=128
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @staticmethod
    def key_of(username: str) -> str:
        """What to compare with `username_key`: see `names.normalized`."""
        return names.normalized(username)

    @staticmethod
    def id_in(text: str) -> str | None:
        """The id that `text` looks like, else None: see `names.id_in`."""
        return names.id_in(text)

    def checked_username(self) -> str:
        """The username in its stored form. Raises ValidationError on `username`."""
        try:
            return str(self._meta.get_field("username").clean(self.username, self))  # type: ignore[union-attr]
        except ValidationError as error:
            raise ValidationError({"username": error.error_list}) from error

    def clean_fields(self, exclude: Any = None) -> None:
        self.username_key = names.normalized(self.username)
        super().clean_fields(exclude)

    def save(self, *args: Any, update_fields: Any = None, **kwargs: Any) -> None:
        if update_fields is not None and "username" in update_fields:
            update_fields = {*update_fields, "username_key"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def set_password(self, raw_password: str | None) -> None:
        """Raises ValidationError where PRECIS does not allow the password."""
        super().set_password(None if raw_password is None else passwords.prepared(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Checks the normalized password, then the password as it was sent if that differs.

        Hashes from before passwords were normalized may be of the form that was sent. Such a hash is replaced by one
        of the normalized password.
        """
        if raw_password is None:
            return super().check_password(None)
        prepared, *as_sent = passwords.forms(raw_password)
        if super().check_password(prepared):
            return True
        if not as_sent or not super().check_password(as_sent[0]):
            return False
        return self._replace_hash(make_password(prepared)) or super().check_password(prepared)

    def _replace_hash(self, password: str) -> bool:
        """Compare-and-swap: False when the stored hash has changed since it was checked; the new one is then loaded."""
        if type(self).objects.filter(pk=self.pk, password=self.password).update(password=password):
            self.password = password
            return True
        self.refresh_from_db(fields=["password"])
        return False

    @property
    def preferences(self) -> "StaffPreferences":
        """The stored preferences, else the defaults, which are not stored. Runs no query for `request.user`."""
        try:
            return self.stored_preferences
        except StaffPreferences.DoesNotExist:
            return StaffPreferences(user=self)

    def get_full_name(self) -> str:
        return f"{self.name} {self.surname}".strip()

    @property
    def shown_name(self) -> str:
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        return (self.name[:1] + self.surname[:1]) or self.username[:2]

    def get_short_name(self) -> str:
        return self.name or self.username

    def get_session_auth_hash(self) -> str:
        """Stored in each admin session, which ends when the password or `session_epoch` changes."""
        return f"{super().get_session_auth_hash()}:{self.session_epoch}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """The hashes of sessions from before `SECRET_KEY` was changed."""
        for fallback in super().get_session_auth_fallback_hash():
            yield f"{fallback}:{self.session_epoch}"


def holders_of(permission: str) -> models.QuerySet[User]:
    """Active users who hold `permission` ("app.codename"), themselves, through a group, or as superusers."""
    return load_backend(settings.AUTHENTICATION_BACKENDS[0]).with_perm(permission)  # type: ignore[attr-defined]


class LivingNotes(LivingManager.from_queryset(LockingQuerySet["PersonNote"])):  # type: ignore[misc]
    pass


class PersonNote(IdentifiedModel, SoftDeleteModel):
    """What staff write about a person for each other. The API never returns it."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("author"))
    text = models.CharField(_("text"), max_length=LONGEST_NOTE)
    created_at = models.DateTimeField(editable=False)

    objects: ClassVar[LivingNotes] = LivingNotes()
    all_objects: ClassVar[models.Manager["PersonNote"]] = models.Manager()

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        default_permissions = ("view", "add")
        constraints = [*SoftDeleteModel.Meta.constraints]
        indexes = [
            models.Index(fields=["person", "-created_at", "-id"], name="note_by_person"),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="note_deleted"),
        ]

    def __str__(self) -> str:
        return self.text[:50]


class StaffPreferences(models.Model):
    """What a member of staff chose for the admin. Users without a row have the defaults."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="stored_preferences")
    # Empty: the language that the browser asks for.
    language = models.CharField(
        max_length=max(len(code) for code, _name in settings.LANGUAGES), choices=settings.LANGUAGES, blank=True
    )
    time_zone = models.CharField(max_length=64, blank=True)  # empty: ADMIN_TIME_ZONE
    # After a decision the queue stays on the case, instead of opening the next one.
    stay_on_case = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user_id)


class Session(models.Model):
    """One login on one device. Access tokens name their session and are refused once it has ended.

    Refresh tokens rotate: `refresh_id` is the id of the only valid one. An older one is answered with its stored
    `RefreshedPair` until that expires. A later use means that the token was copied, and ends the session.
    """

    id = ObjectIdKey()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    refresh_id = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    # A refresh leaves no row in the audit trail: the row about the end of the session has these two.
    refreshed_at = models.DateTimeField(_("last refreshed"), null=True)
    refreshes = models.PositiveIntegerField(_("refreshes"), default=0, db_default=0)

    objects: ClassVar[models.Manager["Session"]] = models.Manager.from_queryset(LockingQuerySet["Session"])()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="session_expires_later"),
        ]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="session_by_user")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"

    def holds(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at


class RefreshedPair(models.Model):
    """The pair of tokens that a refresh token was exchanged for, for clients that lost the answer and retry.

    `pair` is encrypted. After `until` the row has no effect, and is removed by the next refresh of the session or by a
    job.
    """

    refresh_id = models.CharField(max_length=32, primary_key=True)  # of the token that was exchanged
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="+")
    pair = models.BinaryField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.session_id} {self.until:%Y-%m-%d %H:%M:%S}"


class LoginCounter(models.Model):
    """The number of failed logins since `window_started_at` that have one key: see accounts/login_limits.py."""

    key = models.BinaryField(primary_key=True, max_length=32)
    window_started_at = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return bytes(self.key).hex()


class KnownAddress(models.Model):
    """A network that a user has logged in from, as a keyed hash. The limit of one username does not apply there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    address = models.BinaryField(max_length=32)
    last_login_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="knownaddress_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {bytes(self.address).hex()}"
