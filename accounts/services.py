"""What may happen to users, their sessions and their pictures."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil, floor
from secrets import compare_digest, token_hex, token_urlsafe
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import PHOTO_SIZES, LoginFailures, Media, Session, User
from common import audit, pictures
from common.refusals import TooMany, Unauthenticated

SESSION_LIFETIME = timedelta(days=30)  # without a refresh
REFRESH_RACE = timedelta(seconds=10)
FAILURES_ALLOWED = 10
FAILURE_WINDOW = timedelta(minutes=5)


# --- logging in -----------------------------------------------------------------------------------


class WrongCredentials(Unauthenticated):
    code = "wrong_credentials"
    message = _("the username or the password is wrong")


class TooManyFailures(TooMany):
    code = "too_many_failed_logins"
    message = _("too many failed logins with this username; wait before you try again")


def check_credentials(username: str, password: str, *, now: datetime) -> User:
    """Who this is, at whichever door they knock. Raises `WrongCredentials`, `TooManyFailures`.

    Attempts count in the order in which their outcome is written: however many are made at once, no more than
    `FAILURES_ALLOWED` of them learn anything, and a right guess beyond those is refused like a wrong one.
    """
    user = _user_named(username)
    name = _counted_name(user.username if user else username)
    _refuse_if_blocked(LoginFailures.objects.filter(pk=name).first(), now)
    if user is None:
        make_password(password)  # takes as long as a check: the time must not tell who exists
    if user is None or not user.check_password(password) or not user.is_active:
        _count_failure(name, now)
        raise WrongCredentials
    with transaction.atomic():
        failures = LoginFailures.objects.select_for_update().filter(pk=name).first()
        _refuse_if_blocked(failures, now)
        if failures is not None:
            failures.delete()
    return user


def log_in(username: str, password: str, *, now: datetime) -> Session:
    """Begin a session. Raises `WrongCredentials`, `TooManyFailures`."""
    user = check_credentials(username, password, now=now)
    with transaction.atomic():
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


def _counted_name(username: str) -> str:
    longest: int = LoginFailures._meta.pk.max_length  # type: ignore[assignment]
    return username.lower()[:longest]


def _refuse_if_blocked(failures: LoginFailures | None, now: datetime) -> None:
    if failures is None or failures.count < FAILURES_ALLOWED:
        return
    left = failures.window_started_at + FAILURE_WINDOW - now
    if left > timedelta():
        raise TooManyFailures(ceil(left.total_seconds()))


# One statement, so that failures at the same moment in several processes are all counted.
_COUNT_FAILURE = """
    INSERT INTO accounts_loginfailures AS failures (username, window_started_at, count)
    VALUES (%(name)s, %(now)s, 1)
    ON CONFLICT (username) DO UPDATE SET
        count = CASE WHEN failures.window_started_at > %(window)s THEN failures.count + 1 ELSE 1 END,
        window_started_at = CASE
            WHEN failures.window_started_at > %(window)s THEN failures.window_started_at
            ELSE excluded.window_started_at
        END
    RETURNING count, window_started_at
"""


def _count_failure(name: str, now: datetime) -> None:
    """Raises `TooManyFailures` when more had failed before than are allowed."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_FAILURE, {"name": name, "now": now, "window": now - FAILURE_WINDOW})
        count, started_at = cursor.fetchone()
    if count > FAILURES_ALLOWED:
        _refuse_if_blocked(LoginFailures(name, started_at, count), now)


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
    """End all sessions of `user`; `by` asks for it, else the user does.

    Tokens of the identity provider count only when issued after `now`.
    """
    with transaction.atomic():
        user = User.objects.for_update().get(pk=user.pk)
        ended = Session.objects.filter(user=user, ended_at__isnull=True).update(ended_at=now)
        if user.identity_issuer:
            user.identity_tokens_from = now
            user.save(update_fields=["identity_tokens_from"])
        after = {"ended_sessions": ended}
        audit.record("log_out", user, by=by or user, now=now, before={}, after=after, reason=reason)


@transaction.atomic
def change_password(user: User, password: str, *, by: User | None, now: datetime) -> None:
    """Set a password that its form has validated, and end all sessions: they may be why it was changed.

    `by` None is an operator at the command line.
    """
    user = User.objects.for_update().get(pk=user.pk)
    user.set_password(password)
    user.updated_at = now
    user.save(update_fields=["password", "updated_at"])
    audit.record("change_password", user, by=by, now=now, before={}, after={})
    log_out(user, by=by, now=now, reason="password changed")


def purge_sessions(*, now: datetime, dry_run: bool = False) -> int:
    """Remove sessions that ended or lapsed longer ago than deleted rows are kept, and say how many.

    Forgets what is left of failed logins, too. The audit trail keeps when each session began and ended.
    """
    before = now - settings.DELETED_RETENTION
    over = Session.objects.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before))
    if dry_run:
        return over.count()
    LoginFailures.objects.filter(window_started_at__lt=now - FAILURE_WINDOW).delete()
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


# --- people of the identity provider --------------------------------------------------------------


def user_of_identity(claims: Mapping[str, Any], *, now: datetime) -> User:
    """The user whom the provider's `iss` and `sub` name, created from the other claims at first sight.

    A username that somebody here has already gets a random ending: a name proves nothing about who one is.
    """
    issuer, subject = claims["iss"], claims["sub"]
    wanted = _username_from(claims)
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
                name=_text(claims, "given_name", "name"),
                surname=_text(claims, "family_name"),
                email=_email_from(claims),
                identity_issuer=issuer,
                identity_subject=subject,
            )
        except IntegrityError:
            # Another request was first with this person (found at the next look) or with this name.
            username = f"{wanted[:140]}-{token_hex(4)}"


def _username_from(claims: Mapping[str, Any]) -> str:
    local_part = _text(claims, "email").partition("@")[0]
    for candidate in (_text(claims, "preferred_username", "nickname"), local_part, claims["sub"]):
        if username := re.sub(r"[^\w.@+-]", "", candidate)[:150]:
            return username
    return f"user-{token_hex(4)}"


def _email_from(claims: Mapping[str, Any]) -> str:
    email = _text(claims, "email", longest=254)
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return email


def _text(claims: Mapping[str, Any], *names: str, longest: int = 150) -> str:
    """The first of these claims that is a text with something in it, made fit for a column."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and (text := re.sub(r"[\0-\x1f]", " ", value).strip()):
            return text[:longest]
    return ""


# --- pictures -------------------------------------------------------------------------------------


def set_profile_photo(user: User, picture: IO[bytes], *, by: User | None, now: datetime) -> User:
    """Replace the profile photo. Raises `Invalid` on `profilePhoto`, as `pictures.reencoded` does."""
    full = pictures.reencoded(picture, field="profilePhoto", max_side=1024)
    stored = _stored_photo(full)
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


def _stored_photo(full: bytes) -> dict[str, str]:
    """Store the photo and its squares; the names say nothing and cannot be guessed."""
    name = f"photos/{token_urlsafe(16)}"
    files = {"full": full} | {str(size): square for size, square in pictures.squares(full, PHOTO_SIZES).items()}
    return {key: default_storage.save(f"{name}-{key}.webp", ContentFile(content)) for key, content in files.items()}


def _forget_files(files: Any) -> None:
    for file in files:
        default_storage.delete(file)
