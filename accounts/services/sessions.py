"""Sessions: refreshing and ending them."""

import json
from datetime import datetime, timedelta
from math import floor
from secrets import compare_digest, token_hex
from typing import Any, NamedTuple, Protocol

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import OperationalError, transaction
from django.utils.translation import gettext_lazy as _
from psycopg.errors import LockNotAvailable

from accounts.models import RefreshedPair, Session, User
from common import audit
from common.encryption import cipher
from common.refusals import Conflict, Missing, Unauthenticated

SESSION_LIFETIME = timedelta(days=30)  # without a refresh
RETRY_WINDOW = timedelta(seconds=60)  # after a refresh, in which its refresh token gets the same pair again
PAIRS = "refreshed pairs"  # the purpose of their encryption


class UserMissing(Missing):
    """Also raised when the user is removed before the row is locked."""

    code = "user_not_found"
    message = _("there is no user with this id")


class Pair(NamedTuple):
    access: str
    refresh: str


class Sign(Protocol):
    """Makes the tokens of a session."""

    def __call__(self, session: Session, *, now: datetime) -> Pair: ...


class Refreshed(NamedTuple):
    user_id: str
    pair: Pair


# --- refreshing -----------------------------------------------------------------------------------


class RefreshTokenInvalid(Unauthenticated):
    code = "refresh_token_invalid"
    message = _("the refresh token is not valid any more; log in again")


class RefreshTokenReused(Unauthenticated):
    code = "refresh_token_reused"
    message = _("the refresh token was used before, so its session has been ended; log in again")


class RefreshInProgress(Conflict):
    code = "refresh_in_progress"
    message = _("another refresh of the same session has not finished; send the same refresh token again shortly")
    retry_after = 1


def refresh(session_id: str, refresh_id: str, *, now: datetime, sign: Sign) -> Refreshed:
    """Exchange the refresh token for a new pair; within RETRY_WINDOW the same token gets the same pair again.

    A later use of it means that it was copied, so the session is ended (RFC 9700, section 4.14.2).
    Raises RefreshTokenInvalid, RefreshTokenReused, and RefreshInProgress when the session stays locked for longer than
    the lock timeout.
    """
    try:
        with transaction.atomic():
            refreshed = _refresh(session_id, refresh_id, now=now, sign=sign)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise RefreshInProgress from error
        raise
    # Raised outside of the transaction, which commits the end of the session.
    if refreshed is None:
        raise RefreshTokenReused
    return refreshed


def _refresh(session_id: str, refresh_id: str, *, now: datetime, sign: Sign) -> Refreshed | None:
    """None when the token was reused after the retry window; the session has then been ended."""
    # Of concurrent calls with one token the first rotates; the others wait here and get its pair.
    session = Session.objects.for_update().select_related("user").filter(pk=session_id).first()
    if session is None:
        raise RefreshTokenInvalid
    if compare_digest(session.refresh_id, refresh_id):
        if not (session.holds(now) and session.user.is_active):
            raise RefreshTokenInvalid
        return Refreshed(session.user_id, _rotate(session, now=now, sign=sign))
    given = RefreshedPair.objects.filter(pk=refresh_id, session=session, until__gte=now).first()
    if given is None:
        _end(session, now=now, reason="refresh token used twice")
        return None
    if not (session.holds(now) and session.user.is_active):
        raise RefreshTokenInvalid
    return Refreshed(session.user_id, _decrypted(given))


def _rotate(session: Session, *, now: datetime, sign: Sign) -> Pair:
    """Leaves no row in the audit trail, which would have more of them than of everything else: decision 18."""
    exchanged = session.refresh_id
    session.refresh_id = token_hex(16)
    session.expires_at = now + SESSION_LIFETIME
    session.refreshed_at = now
    session.refreshes += 1
    session.save(update_fields=["refresh_id", "expires_at", "refreshed_at", "refreshes"])
    pair = sign(session, now=now)
    RefreshedPair.objects.filter(session=session, until__lt=now).delete()
    RefreshedPair.objects.create(
        refresh_id=exchanged,
        session=session,
        pair=cipher(PAIRS).encrypt(json.dumps(pair).encode()),
        until=now + RETRY_WINDOW,
    )
    return pair


def _decrypted(given: RefreshedPair) -> Pair:
    try:
        return Pair(*json.loads(cipher(PAIRS).decrypt(bytes(given.pair))))
    except InvalidToken as error:
        # SECRET_KEY was replaced without a fallback. The pair is lost, but the token was not copied.
        raise RefreshTokenInvalid from error


def forget_refreshed_pairs(*, now: datetime) -> int:
    """Delete the pairs whose retry window is over; returns how many."""
    return RefreshedPair.objects.filter(until__lt=now).delete()[0]


# --- ending ---------------------------------------------------------------------------------------


def revoke(session_id: str, *, now: datetime) -> None:
    """End the session and with it its access tokens. Does nothing when it has ended before or does not exist."""
    with transaction.atomic():
        session = Session.objects.for_update().select_related("user").filter(pk=session_id).first()
        if session is not None:
            _end(session, now=now)


def log_out(
    user: User, *, now: datetime, by: User | None = None, reason: str = "", issued_at: float | None = None
) -> None:
    """End all sessions of `user`, including those of the admin. `by` is the actor; None is the user.

    Tokens of the identity provider that were issued before are refused. `issued_at` is the `iat` of the token with
    which the user asks for it, in seconds since 1970.
    """
    with transaction.atomic():
        user = User.objects.locked(user.pk, otherwise=UserMissing)
        ended = Session.objects.filter(user=user, ended_at__isnull=True).update(ended_at=now)
        RefreshedPair.objects.filter(session__user=user).delete()
        user.session_epoch += 1
        user.identity_tokens_from = _tokens_from(user, now, by, issued_at) if user.identity_issuer else None
        user.save(update_fields=["session_epoch", "identity_tokens_from"])
        after = {"ended_sessions": ended}
        audit.record("log_out", user, by=by or user, now=now, before={}, after=after, reason=reason)


def _tokens_from(user: User, now: datetime, by: User | None, issued_at: float | None) -> datetime:
    """Tokens with an `iat` up to this time are refused. It allows for a provider whose clock is ahead.

    The `iat` of the user's own token shows how far ahead the clock is at least. When somebody else ends the sessions
    there is no such token, and the whole leeway is added: that no token survives is more important than that the user
    can log in again at once.
    """
    moments = [now, user.identity_tokens_from or now]
    if issued_at is not None:
        moments.append(datetime.fromtimestamp(issued_at, tz=now.tzinfo))
    if by is not None and by.pk != user.pk:
        moments.append(now + settings.CLOCK_LEEWAY)
    return max(moments)


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


def logged_out_since(user: User, *, issued_at: float) -> bool:
    """Whether the identity provider's token was issued before the user's last logout.

    `issued_at` is in seconds since 1970. Providers write whole seconds, so the second of the logout itself
    counts as before it.
    """
    if user.identity_tokens_from is None:
        return False
    return floor(issued_at) <= floor(user.identity_tokens_from.timestamp())


def _end(session: Session, *, now: datetime, reason: str = "") -> None:
    if session.ended_at is None:
        end_session(session, by=session.user, now=now, reason=reason)


def end_session(session: Session, *, by: User | None, now: datetime, reason: str) -> None:
    """End a session whose row is locked, and that has not ended."""
    before = session_state(session)
    session.ended_at = now
    session.save(update_fields=["ended_at"])
    RefreshedPair.objects.filter(session=session).delete()
    audit.record(
        "end_session",
        session,
        by=by,
        now=now,
        before=before,
        after=session_state(session),
        reason=reason,
    )


def record_expiry(sessions: list[Session], *, now: datetime) -> None:
    """Write the audit rows of those of the sessions that expired. Call it in the transaction that removes them."""
    expired = [session for session in sessions if session.ended_at is None]
    if expired:
        nothing: dict[str, Any] = {}
        changes = [(session, session_state(session), nothing) for session in expired]
        audit.record_many("remove_expired_session", changes, by=None, now=now)


def session_state(session: Session) -> dict[str, Any]:
    """The values of a session for the audit trail, without anything that could be used to continue it."""
    refreshed = {"refreshed_at": session.refreshed_at, "refreshes": session.refreshes} if session.refreshes else {}
    return {
        "user": session.user_id,
        "expires_at": session.expires_at,
        "ended_at": session.ended_at,
        **refreshed,
    }
