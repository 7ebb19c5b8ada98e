"""Logging in with a password, and changing it."""

from datetime import datetime
from secrets import token_hex

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts import hashing, passwords
from accounts.login_limits import Client, Limits, TooManyFailures
from accounts.models import Session, User
from accounts.services.sessions import SESSION_LIFETIME, UserMissing, log_out, session_state
from common import audit
from common.metrics import Counter
from common.refusals import Invalid, Unauthenticated


class WrongCredentials(Unauthenticated):
    code = "wrong_credentials"
    message = _("the username or the password is wrong")


LOGINS = Counter(
    "logins_total",
    "Attempts to log in with a password, of the API and the admin: `right`, or the code of the refusal",
    ["outcome"],
    known=[("right",), *((refusal.code,) for refusal in (WrongCredentials, TooManyFailures, hashing.LoginBusy))],
)


def check_credentials(username: str, password: str, *, now: datetime, client: Client | None = None) -> User:
    """The user with these credentials, for the API and the admin.

    The response time does not depend on whether the user exists, has a password and is active.

    Raises `WrongCredentials`, `TooManyFailures`, `LoginBusy`.
    """
    try:
        user = _checked(username, password, now=now, client=client)
    except (WrongCredentials, TooManyFailures, hashing.LoginBusy) as refusal:
        LOGINS.inc(refusal.code)
        raise
    LOGINS.inc("right")
    return user


def _checked(username: str, password: str, *, now: datetime, client: Client | None) -> User:
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
        audit.record("log_in", session, by=user, now=now, before={}, after=session_state(session))
    return session


def _user_named(username: str) -> User | None:
    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        return None


def _is_password_of(user: User | None, password: str) -> bool:
    if user is None:
        # As many hashes as for a wrong password, so that response times do not reveal which usernames exist.
        for form in passwords.forms(password):
            make_password(form)
        return False
    return user.check_password(password)


def change_own_password(
    user: User, old_password: str, new_password: str, *, now: datetime, client: Client | None = None
) -> None:
    """Set a password that the form has validated, and end all sessions: one of them may be an intruder's.

    A wrong `old_password` counts as a failed login. Raises `Invalid`, `TooManyFailures`, `LoginBusy`.
    """
    limits = Limits(user.username, user, client or Client(), now=now)
    limits.refuse_if_spent()
    with hashing.slots.one():
        is_right = user.check_password(old_password)
        hashed = make_password(passwords.prepared(new_password)) if is_right else ""
    if not is_right:
        limits.count_failure()
        raise Invalid("old_password", _("is wrong"))
    with transaction.atomic():
        limits.settle_success()
        _store_password(user, hashed, by=user, now=now)


@transaction.atomic
def replace_password(user: User, password: str, *, by: User | None, now: datetime) -> None:
    """Set `password` and end all sessions. `by` None is an operator at the command line."""
    _store_password(user, make_password(passwords.prepared(password)), by=by, now=now)


def _store_password(user: User, hashed: str, *, by: User | None, now: datetime) -> None:
    user = User.objects.locked(user.pk, otherwise=UserMissing)
    user.password, user.updated_at = hashed, now
    user.save(update_fields=["password", "updated_at"])
    audit.record("change_password", user, by=by, now=now, before={}, after={})
    log_out(user, by=by, now=now, reason="password changed")
