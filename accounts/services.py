"""What may happen to users, their sessions and their pictures."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib import import_module
from math import floor
from secrets import compare_digest, token_hex, token_urlsafe
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts import hashing, identity, login_limits
from accounts.login_limits import Client, Limits
from accounts.models import PHOTO_SIZES, Media, Session, User
from common import audit, pictures
from common.refusals import Conflict, Forbidden, Invalid, Unauthenticated

SESSION_LIFETIME = timedelta(days=30)  # without a refresh
REFRESH_RACE = timedelta(seconds=10)


# --- logging in -----------------------------------------------------------------------------------


class WrongCredentials(Unauthenticated):
    code = "wrong_credentials"
    message = _("the username or the password is wrong")


def check_credentials(username: str, password: str, *, now: datetime, client: Client | None = None) -> User:
    """Who this is, at the API's and the admin's login. Raises `WrongCredentials`, `TooManyFailures`, `LoginBusy`.

    Takes equally long whether or not there is such a user, has a password, and is active.
    """
    user = _user_named(username)
    limits = Limits(username, user, client or Client(), now=now)
    limits.refuse_if_spent()
    with hashing.slots.one():
        is_right = _is_password_of(user, password)
    if user is None or not is_right or not user.is_active:
        limits.count_failure()
        raise WrongCredentials
    with transaction.atomic():
        limits.settle_success()
    return user


def log_in(username: str, password: str, *, now: datetime, client: Client | None = None) -> Session:
    """Begin a session. Raises as `check_credentials`."""
    user = check_credentials(username, password, now=now, client=client)
    with transaction.atomic():
        # A change of the password or a deactivation may have ended all sessions since the credentials were checked.
        if not User.objects.for_update().filter(pk=user.pk, is_active=True, password=user.password):
            raise WrongCredentials
        session = Session.objects.create(
            user=user, refresh_id=token_hex(16), created_at=now, expires_at=now + SESSION_LIFETIME
        )
        audit.record("log_in", session, by=user, now=now, before={}, after=_session_state(session))
    return session


def _user_named(username: str) -> User | None:
    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        return None


def _is_password_of(user: User | None, password: str) -> bool:
    if user is None:
        make_password(password)  # takes as long as a check: the time must not tell who exists
        return False
    return user.check_password(password)


# --- sessions -------------------------------------------------------------------------------------


class RefreshTokenInvalid(Unauthenticated):
    code = "refresh_token_invalid"
    message = _("the refresh token is not valid any more; log in again")


class RefreshTokenReused(Unauthenticated):
    code = "refresh_token_reused"
    message = _("the refresh token was used before; use the newest one, or log in again")


def refresh(session_id: str, refresh_id: str, *, now: datetime) -> Session:
    """Rotate the session's refresh id. Raises `RefreshTokenInvalid`, `RefreshTokenReused`.

    An id that was rotated away has two owners, one of whom copied it: the session ends for both
    (RFC 9700, section 4.14.2). Within `REFRESH_RACE` of the rotation it is only refused: that is one owner who
    asked twice at the same moment, as an app with two screens does.
    """
    with transaction.atomic():
        session = Session.objects.for_update().select_related("user").filter(pk=session_id).first()
        if session is None:
            raise RefreshTokenInvalid
        reused = not compare_digest(session.refresh_id, refresh_id)
        rotated_at = session.expires_at - SESSION_LIFETIME
        if reused:
            if now - rotated_at > REFRESH_RACE:
                _end(session, now=now, reason="refresh token used twice")
        elif not (session.holds(now) and session.user.is_active):
            raise RefreshTokenInvalid
        else:
            _rotate(session, now=now)
    # Only now: raised inside, it would take back the end of the session.
    if reused:
        raise RefreshTokenReused
    return session


def revoke(session_id: str, *, now: datetime) -> None:
    """End the session, and with it its access tokens. One that ended before, or never was, is no matter."""
    with transaction.atomic():
        session = Session.objects.for_update().select_related("user").filter(pk=session_id).first()
        if session is not None:
            _end(session, now=now)


def log_out(user: User, *, now: datetime, by: User | None = None, reason: str = "") -> None:
    """End all sessions of `user`, those of the admin too; `by` asks for it, else the user does.

    Tokens of the identity provider count only when issued after `now`.
    """
    with transaction.atomic():
        user = User.objects.for_update().get(pk=user.pk)
        ended = Session.objects.filter(user=user, ended_at__isnull=True).update(ended_at=now)
        user.session_epoch += 1
        user.identity_tokens_from = now if user.identity_issuer else None
        user.save(update_fields=["session_epoch", "identity_tokens_from"])
        after = {"ended_sessions": ended}
        audit.record("log_out", user, by=by or user, now=now, before={}, after=after, reason=reason)


def change_own_password(
    user: User, old_password: str, new_password: str, *, now: datetime, client: Client | None = None
) -> None:
    """Set a password that its form has validated, and end all sessions: they may be why it was changed.

    A wrong `old_password` counts as a failed login. Raises `Invalid`, `TooManyFailures`, `LoginBusy`.
    """
    limits = Limits(user.username, user, client or Client(), now=now)
    limits.refuse_if_spent()
    with hashing.slots.one():
        is_right = user.check_password(old_password)
        hashed = make_password(new_password) if is_right else ""
    if not is_right:
        limits.count_failure()
        raise Invalid("old_password", _("is wrong"))
    with transaction.atomic():
        limits.settle_success()
        _store_password(user, hashed, by=user, now=now)


@transaction.atomic
def replace_password(user: User, password: str, *, by: User | None, now: datetime) -> None:
    """Set `password` and end all sessions. `by` None is an operator at the command line."""
    _store_password(user, make_password(password), by=by, now=now)


def _store_password(user: User, hashed: str, *, by: User | None, now: datetime) -> None:
    user = User.objects.for_update().get(pk=user.pk)
    user.password, user.updated_at = hashed, now
    user.save(update_fields=["password", "updated_at"])
    audit.record("change_password", user, by=by, now=now, before={}, after={})
    log_out(user, by=by, now=now, reason="password changed")


class NoSession(Conflict):
    code = "no_session"
    message = _("the user is not logged in anywhere")


def refuse_log_out(user: User, *, now: datetime) -> None:
    """Raises `NoSession` when `log_out` has nothing to end."""
    if not may_be_logged_in(user, now=now):
        raise NoSession


def may_be_logged_in(user: User, *, now: datetime) -> bool:
    """Whether `log_out` may have something to end: a session of the API or the admin, or a provider's token."""
    if user.identity_issuer or user.is_staff:
        return True
    if user.last_login is not None and now - user.last_login < timedelta(seconds=settings.SESSION_COOKIE_AGE):
        return True
    return Session.objects.filter(user=user, ended_at__isnull=True, expires_at__gt=now).exists()


def purge_sessions(*, now: datetime, dry_run: bool = False) -> int:
    """Remove sessions that ended or lapsed longer ago than deleted rows are kept, and say how many.

    Forgets sessions of the admin that have lapsed, failed logins, and addresses that nobody logs in from any more,
    too. The audit trail keeps when each session began and ended.
    """
    before = now - settings.DELETED_RETENTION
    over = Session.objects.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before))
    if dry_run:
        return over.count()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    login_limits.purge(now=now)
    removed, _ = over.delete()
    return removed


def logged_out_since(user: User, *, issued_at: float) -> bool:
    """Whether the identity provider's token was issued before the user's last logout.

    `issued_at` is in seconds since 1970. Providers write whole seconds, so the second of the logout itself
    counts as before it.
    """
    if user.identity_tokens_from is None:
        return False
    return floor(issued_at) <= floor(user.identity_tokens_from.timestamp())


def _rotate(session: Session, *, now: datetime) -> None:
    before = _session_state(session)
    session.refresh_id = token_hex(16)
    session.expires_at = now + SESSION_LIFETIME
    session.save(update_fields=["refresh_id", "expires_at"])
    audit.record("refresh_session", session, by=session.user, now=now, before=before, after=_session_state(session))


def _end(session: Session, *, now: datetime, reason: str = "") -> None:
    if session.ended_at is not None:
        return
    before = _session_state(session)
    session.ended_at = now
    session.save(update_fields=["ended_at"])
    audit.record(
        "end_session",
        session,
        by=session.user,
        now=now,
        before=before,
        after=_session_state(session),
        reason=reason,
    )


def _session_state(session: Session) -> dict[str, Any]:
    """What the audit trail keeps of a session: never what could be used to continue it."""
    return {"user": session.user_id, "expires_at": session.expires_at, "ended_at": session.ended_at}


# --- people ---------------------------------------------------------------------------------------


@transaction.atomic
def create_user(username: str, password: str | None, *, by: User | None, now: datetime, **fields: Any) -> User:
    """A user who logs in with `password`, or with none at all. Raises IntegrityError on a taken name."""
    user = User.objects.create_user(username, password, created_at=now, updated_at=now, **fields)
    audit.record("create_user", user, by=by, now=now, before={}, after={"username": username})
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


def deactivate_user(user_id: str, *, by: User, now: datetime, reason: str) -> None:
    """Refuse all further logins and end all sessions. Raises `Oneself`, `OnlyBySuperuser`, `AlreadyInactive`."""
    with transaction.atomic():
        user = _set_active(user_id, to=False, by=by, now=now, reason=reason)
        log_out(user, by=by, now=now, reason=reason)


def activate_user(user_id: str, *, by: User, now: datetime, reason: str) -> None:
    """Allow logins again; sessions from before stay ended. Raises `Oneself`, `OnlyBySuperuser`, `AlreadyActive`."""
    with transaction.atomic():
        _set_active(user_id, to=True, by=by, now=now, reason=reason)


def refuse_set_active(user: User, *, to: bool, by: User) -> None:
    """Raises what forbids `by` to activate or deactivate `user`, both as they are now."""
    if user.pk == by.pk:
        raise Oneself
    if not by.is_superuser and (user.is_staff or user.is_superuser):
        raise OnlyBySuperuser
    if not by.is_active:
        raise Forbidden
    if user.is_active is to:
        raise AlreadyActive if to else AlreadyInactive


def _set_active(user_id: str, *, to: bool, by: User, now: datetime, reason: str) -> User:
    # Both rows, in one order: of two people who deactivate each other, one is first.
    locked = {user.pk: user for user in User.objects.for_update().filter(pk__in=[user_id, by.pk]).order_by("pk")}
    user, by = locked[user_id], locked[by.pk]
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


# --- people of the identity provider --------------------------------------------------------------


def user_of_identity(claims: Mapping[str, Any], *, now: datetime) -> User:
    """The user whom the provider's `iss` and `sub` name, created from the other claims at first sight.

    A username that somebody here has already gets a random ending: a name proves nothing about who one is.
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
        except IntegrityError:
            # Another request was first with this person (found at the next look) or with this name.
            username = f"{wanted[:140]}-{token_hex(4)}"


# --- pictures -------------------------------------------------------------------------------------


def set_profile_photo(user: User, picture: IO[bytes], *, by: User | None, now: datetime) -> User:
    """Replace the profile photo. Raises what `pictures.reencoded` does, on `profilePhoto`."""
    full, squares = pictures.with_squares(picture, PHOTO_SIZES, field="profilePhoto", max_side=1024)
    return set_own_photo(user, full, squares, by=by, now=now)


def set_own_photo(user: User, full: bytes, squares: Mapping[int, bytes], *, by: User | None, now: datetime) -> User:
    """Replace the profile photo by WebP files that this program made; `squares` has one for each of `PHOTO_SIZES`."""
    stored = _stored_photo(full, squares)
    try:
        with transaction.atomic():
            user = User.objects.for_update().get(pk=user.pk)
            old = user.profile_photo
            user.profile_photo = Media.objects.create(
                file=stored["full"],
                variants={str(size): stored[str(size)] for size in PHOTO_SIZES},
                created_at=now,
                updated_at=now,
            )
            user.updated_at = now
            user.save(update_fields=["profile_photo", "updated_at"])
            audit.record(
                "set_profile_photo",
                user,
                by=by,
                now=now,
                before={"profile_photo": old and old.pk},
                after={"profile_photo": user.profile_photo.pk},
            )
            if old is not None:
                old.delete()
                transaction.on_commit(lambda: _forget_files([old.file, *old.variants.values()]), robust=True)
    except BaseException:
        _forget_files(stored.values())
        raise
    return user


def _stored_photo(full: bytes, squares: Mapping[int, bytes]) -> dict[str, str]:
    """Store the photo and its squares; the names say nothing and cannot be guessed."""
    name = f"photos/{token_urlsafe(16)}"
    files = {"full": full} | {str(size): square for size, square in squares.items()}
    return {key: default_storage.save(f"{name}-{key}.webp", ContentFile(content)) for key, content in files.items()}


def _forget_files(files: Any) -> None:
    for file in files:
        default_storage.delete(file)
