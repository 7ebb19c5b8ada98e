"""Creating, renaming, activating and deactivating users."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts import identity, names
from accounts.models import User
from accounts.services.sessions import UserMissing, log_out
from common import audit
from common.refusals import Conflict, Forbidden, Invalid


@transaction.atomic
def create_user(username: str, password: str | None, *, by: User | None, now: datetime, **fields: Any) -> User:
    """Create a user who logs in with `password`, or cannot log in with any when it is None.

    Raises Invalid on `username` when it is not allowed or looks like the name of a member of staff, IntegrityError
    when it is taken, ValidationError on a password that is not allowed.
    """
    try:
        user = User.objects.create_user(username, password, created_at=now, updated_at=now, **fields)
    except ValidationError as error:
        raise _as_refusal(error) from error
    rights = {name: True for name in ("is_staff", "is_superuser") if getattr(user, name)}
    audit.record("create_user", user, by=by, now=now, before={}, after={"username": user.username} | rights)
    return user


def _as_refusal(error: ValidationError) -> Exception:
    """The first broken rule of the username, or `error` itself when it is about something else."""
    rules = error.message_dict.get("username") if hasattr(error, "error_dict") else None
    return Invalid("username", rules[0]) if rules else error


@transaction.atomic
def rename_user(user_id: str, username: str, *, by: User | None, now: datetime, reason: str = "") -> User:
    """Give a user another username. `by` None is an operator at the command line.

    Raises Invalid on `username` when it is not allowed, taken, or looks like the name of another member of staff.
    """
    user = User.objects.locked(user_id, otherwise=UserMissing)
    before, user.username = user.username, username
    try:
        user.username = user.checked_username()
    except ValidationError as error:
        raise _as_refusal(error) from error
    others = User.objects.exclude(pk=user.pk)
    if others.filter(username_key=User.key_of(user.username)).exists():
        raise Invalid("username", _("A user with that username already exists."))
    if others.impersonated_by(user.username):
        raise Invalid("username", names.Rule.LOOK_ALIKE)
    user.updated_at = now
    user.save(update_fields=["username", "updated_at"])
    changed = {"username": before}, {"username": user.username}
    audit.record("rename_user", user, by=by, now=now, before=changed[0], after=changed[1], reason=reason)
    return user


class Oneself(Forbidden):
    code = "not_oneself"
    message = _("you may not do this to your own account")


class OnlyBySuperuser(Forbidden):
    code = "only_by_superuser"
    message = _("only a superuser may do this to a member of staff")


class AlreadyActive(Conflict):
    code = "user_already_active"
    message = _("the account is active already")


class AlreadyInactive(Conflict):
    code = "user_already_inactive"
    message = _("the account is inactive already")


class LastSuperuser(Conflict):
    code = "last_superuser"
    message = _("nobody else is an active superuser; create one first")


def refuse_last_superuser(user_id: str) -> None:
    """Raises `LastSuperuser`. It locks all active superusers, so that two of them cannot lose it at once."""
    superusers = User.objects.for_update().filter(is_active=True, is_superuser=True).order_by("pk")
    if [user.pk for user in superusers] == [user_id]:
        raise LastSuperuser


def deactivate_user(user_id: str, *, by: User | None, now: datetime, reason: str) -> None:
    """Refuse all further logins and end all sessions. `by` None is an operator at the command line.

    Raises `Oneself`, `OnlyBySuperuser`, `AlreadyInactive`, `LastSuperuser`.
    """
    with transaction.atomic():
        if by is None:  # whoever deactivates a superuser is another one
            refuse_last_superuser(user_id)
        user = _set_active(user_id, to=False, by=by, now=now, reason=reason)
        log_out(user, by=by, now=now, reason=reason)


def activate_user(user_id: str, *, by: User | None, now: datetime, reason: str) -> None:
    """Allow logins again; sessions from before stay ended. Raises `Oneself`, `OnlyBySuperuser`, `AlreadyActive`."""
    with transaction.atomic():
        _set_active(user_id, to=True, by=by, now=now, reason=reason)


def refuse_set_active(user: User, *, to: bool, by: User | None) -> None:
    """Raises the refusal when `by` may not activate or deactivate `user`, from their values as given."""
    if by is not None:
        if user.pk == by.pk:
            raise Oneself
        if not by.is_superuser and (user.is_staff or user.is_superuser):
            raise OnlyBySuperuser
        if not by.is_active:
            raise Forbidden
    if user.is_active is to:
        raise AlreadyActive if to else AlreadyInactive


def _set_active(user_id: str, *, to: bool, by: User | None, now: datetime, reason: str) -> User:
    # Both rows are locked, in the order of their keys, so that two users who deactivate each other do not deadlock.
    keys = [user_id] if by is None else [user_id, by.pk]
    locked = {user.pk: user for user in User.objects.for_update().filter(pk__in=keys).order_by("pk")}
    if user_id not in locked:
        raise UserMissing
    if by is not None:
        if by.pk not in locked:
            raise Forbidden
        by = locked[by.pk]
    user = locked[user_id]
    refuse_set_active(user, to=to, by=by)
    user.is_active, user.updated_at = to, now
    user.save(update_fields=["is_active", "updated_at"])
    audit.record(
        "activate_user" if to else "deactivate_user",
        user,
        by=by,
        now=now,
        before={"is_active": not to},
        after={"is_active": to},
        reason=reason,
    )
    return user


# --- users of the identity provider ---------------------------------------------------------------


def user_of_identity(claims: Mapping[str, Any], *, now: datetime) -> User:
    """The user whom the claims `iss` and `sub` name, created from the other claims if there is none yet.

    A username that is taken, or that looks like one of the staff's, gets a random suffix: the claim does not prove
    that it is the same person.
    """
    issuer, subject = claims["iss"], claims["sub"]
    wanted = identity.username_from(claims)
    username = wanted
    while True:
        known = User.objects.filter(identity_issuer=issuer, identity_subject=subject).first()
        if known is not None:
            return known
        try:
            return create_user(
                username,
                None,
                by=None,
                now=now,
                name=identity.text_from(claims, "given_name", "name"),
                surname=identity.text_from(claims, "family_name"),
                email=identity.email_from(claims),
                identity_issuer=issuer,
                identity_subject=subject,
            )
        except (IntegrityError, Invalid):
            # Another request has created this user, whom the next query finds, or the username is refused.
            username = identity.with_random_ending(wanted)
