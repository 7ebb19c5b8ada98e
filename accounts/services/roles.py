"""Granting and revoking roles, and the tokens of service accounts."""

from datetime import datetime, timedelta
from secrets import token_hex
from typing import Protocol

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import Session, User
from accounts.services.people import refuse_last_superuser
from accounts.services.sessions import NoSession, UserMissing, end_session, log_out, session_state
from common import audit
from common.refusals import Conflict, Missing


class RoleMissing(Missing):
    code = "role_not_found"
    message = _("there is no group of this name")


class NoServiceAccount(Conflict):
    code = "no_service_account"
    message = _("only the account of a server has tokens; grant it the role first")


class SignToken(Protocol):
    """Makes a token that holds as long as the session."""

    def __call__(self, session: Session, *, now: datetime) -> str: ...


# --- roles ----------------------------------------------------------------------------------------

SUPERUSER = "superuser"  # the role that is no group


@transaction.atomic
def grant_role(user_id: str, role: str, *, by: User | None, now: datetime, reason: str = "") -> bool:
    """Grant a role of `settings.ROLES`, SUPERUSER, or the group of that name. False if there is nothing to do.

    Roles of staff make the user one of the staff. `by` None is an operator at the command line. Raises UserMissing,
    RoleMissing.
    """
    user = User.objects.locked(user_id, otherwise=UserMissing)
    before = _state(user)
    if role == SUPERUSER:
        user.is_superuser = True
    else:
        user.groups.add(_group(role))
    user.is_staff = user.is_staff or _has_rights_of_staff(user)
    return _record("grant_role", user, role, before, by=by, now=now, reason=reason)


@transaction.atomic
def revoke_role(user_id: str, role: str, *, by: User | None, now: datetime, reason: str = "") -> bool:
    """Take a role away. False if there is nothing to do. Raises UserMissing, RoleMissing, LastSuperuser.

    Whoever has no role of staff and no permission of their own left, is no longer of the staff. Tokens end with the
    last role that has them.
    """
    if role == SUPERUSER:
        refuse_last_superuser(user_id)
    user = User.objects.locked(user_id, otherwise=UserMissing)
    before, had_tokens = _state(user), _has_tokens(user)
    if role == SUPERUSER:
        user.is_superuser = False
    else:
        user.groups.remove(_group(role))
    if _state(user) == before:
        return False
    user.is_staff = user.is_staff and _has_rights_of_staff(user)
    _record("revoke_role", user, role, before, by=by, now=now, reason=reason)
    if had_tokens and not _has_tokens(user):
        log_out(user, by=by, now=now, reason=reason)
    return True


def _group(role: str) -> Group:
    name = settings.ROLES[role].group if role in settings.ROLES else role
    group = Group.objects.filter(name=name).first()
    if group is None:
        raise RoleMissing
    return group


def roles_of(user: User) -> list[str]:
    """The roles of the user, by their names for the command line; groups of the installation by their own."""
    names = {role.group: name for name, role in settings.ROLES.items()}
    held = [names.get(group, group) for group in _groups(user)]
    return [SUPERUSER, *held] if user.is_superuser else held


def _groups(user: User) -> list[str]:
    return list(user.groups.order_by("name").values_list("name", flat=True))


def _has_rights_of_staff(user: User) -> bool:
    """A group that the installation made counts as a role of staff."""
    others = {role.group for role in settings.ROLES.values() if not role.is_staff}
    return user.is_superuser or user.user_permissions.exists() or not others.issuperset(_groups(user))


def _has_tokens(user: User) -> bool:
    return not groups_with_tokens().isdisjoint(_groups(user))


def groups_with_tokens() -> set[str]:
    """The names of the groups whose members have tokens, as servers do."""
    return {role.group for role in settings.ROLES.values() if role.has_tokens}


def _state(user: User) -> dict[str, object]:
    return {"groups": _groups(user), "is_staff": user.is_staff, "is_superuser": user.is_superuser}


def _record(
    action: str,
    user: User,
    role: str,
    before: dict[str, object],
    *,
    by: User | None,
    now: datetime,
    reason: str,
) -> bool:
    after = _state(user)
    if after == before:
        return False
    user.updated_at = now
    user.save(update_fields=["is_staff", "is_superuser", "updated_at"])
    audit.record(action, user, by=by, now=now, before=before, after=after | {"role": role}, reason=reason)
    return True


# --- tokens of service accounts -------------------------------------------------------------------


@transaction.atomic
def issue_token(
    user_id: str, *, by: User | None, now: datetime, lifetime: timedelta, sign: SignToken, end_others: bool = False
) -> tuple[Session, str]:
    """A session that is not renewed, and the access token for it. The token is stored nowhere.

    With `end_others` all tokens from before end. Raises UserMissing, NoServiceAccount.
    """
    user = User.objects.locked(user_id, otherwise=UserMissing)
    if not (user.is_active and _has_tokens(user)):
        raise NoServiceAccount
    if end_others:
        log_out(user, by=by, now=now, reason="new token")
    # Nobody gets the refresh token of this session.
    session = Session.objects.create(user=user, refresh_id=token_hex(16), created_at=now, expires_at=now + lifetime)
    audit.record("issue_token", session, by=by, now=now, before={}, after=session_state(session))
    return session, sign(session, now=now)


@transaction.atomic
def end_token(user_id: str, session_id: str, *, by: User | None, now: datetime, reason: str = "") -> None:
    """End one token, by the id of its session. Raises NoSession when the user has no such session that holds."""
    session = Session.objects.for_update().filter(pk=session_id, user=user_id, ended_at__isnull=True).first()
    if session is None:
        raise NoSession
    end_session(session, by=by, now=now, reason=reason)
