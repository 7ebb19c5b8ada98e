"""What the actions of the command `people` do, apart from export and erasure."""

import sys
from collections.abc import Callable
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import IntegrityError
from django.utils import timezone

from accounts import services, tokens
from accounts.models import Session, User
from common.commands import Outcome
from common.times import optional_wire_time

PASSWORD_BYTES = 15  # 20 characters
SHOWN_ONCE = "is shown only once; it is stored nowhere in this form"

type Facts = dict[str, Any]


def found(named: str) -> User:
    """The user with this id or username. Raises CommandError with the exit code 2."""
    pk = User.id_in(named)
    user = User.objects.filter(**{"pk": pk} if pk else {"username_key": User.key_of(named)}).first()
    if user is None:
        raise CommandError(f"user: there is no {named}", returncode=2)
    return user


# --- creating -------------------------------------------------------------------------------------


def create(*, username: str, role: list[str], reason: str, days: int, dry_run: bool, **options: Any) -> Outcome:
    fields = {name: options[name] for name in ("name", "surname", "email")}
    try:
        User(**fields).clean_fields(exclude=["username", "username_key", "password"])
    except ValidationError as error:
        broken = [f"--{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()]
        raise CommandError("; ".join(broken), returncode=2) from error
    now = timezone.now()
    has_token = any(_has_tokens(each) for each in role)
    password = (
        None
        if has_token or options["without_password"]
        else _new_password(User(username=username, **fields), **options)
    )
    try:
        user = services.create_user(username, password, by=None, now=now, **fields)
    except IntegrityError as error:
        raise CommandError(f"username: {username} is taken", returncode=2) from error
    for each in role:
        services.grant_role(user.pk, each, by=None, now=now, reason=reason)
    facts = _facts(User.objects.get(pk=user.pk))
    lines = [f"{_named(user)} {_done('was created', dry_run)}."]
    if password and not options["stdin"]:
        facts["password"] = None if dry_run else password
        lines += [] if dry_run else [f"Password: {password}", f"The password {SHOWN_ONCE}."]
    if has_token:
        token, more = _issued(user, days=days, end_others=False, dry_run=dry_run)
        facts, lines = facts | token, lines + more
    return Outcome({"changed": True} | facts, "\n".join(lines))


def _new_password(user: User, *, stdin: bool, **options: Any) -> str:
    """Raises CommandError when the first line of the standard input is no allowed password."""
    if not stdin:
        return token_urlsafe(PASSWORD_BYTES)
    password = sys.stdin.readline().rstrip("\r\n")
    try:
        if not password:
            raise CommandError("--stdin: the first line of the standard input is empty", returncode=2)
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError("--stdin: " + " ".join(error.messages), returncode=2) from error
    return password


# --- roles and activation -------------------------------------------------------------------------


def grant(user: User, *, role: str, reason: str, dry_run: bool, **options: Any) -> Outcome:
    is_new = services.grant_role(user.pk, role, by=None, now=timezone.now(), reason=reason)
    return _changed(user, is_new, f"was granted {role}", f"is {role} already", dry_run)


def revoke(user: User, *, role: str, reason: str, dry_run: bool, **options: Any) -> Outcome:
    was_held = services.revoke_role(user.pk, role, by=None, now=timezone.now(), reason=reason)
    return _changed(user, was_held, f"is no longer {role}", f"was not {role}", dry_run)


def deactivate(user: User, *, reason: str, dry_run: bool, **options: Any) -> Outcome:
    is_new = _unless(services.AlreadyInactive, services.deactivate_user, user, reason)
    return _changed(user, is_new, "was deactivated, and all sessions were ended", "is inactive already", dry_run)


def activate(user: User, *, reason: str, dry_run: bool, **options: Any) -> Outcome:
    is_new = _unless(services.AlreadyActive, services.activate_user, user, reason)
    return _changed(user, is_new, "was activated", "is active already", dry_run)


def _unless(done: type[Exception], service: Callable[..., None], user: User, reason: str) -> bool:
    try:
        service(user.pk, by=None, now=timezone.now(), reason=reason)
    except done:
        return False
    return True


# --- passwords and tokens -------------------------------------------------------------------------


def password(user: User, *, dry_run: bool, **options: Any) -> Outcome:
    new = _new_password(user, **options)
    services.replace_password(user, new, by=None, now=timezone.now())
    facts, text = _facts(user), f"The password of {_named(user)} {_done('was changed', dry_run)}; all sessions end."
    if not options["stdin"]:
        facts["password"] = None if dry_run else new
        text += "" if dry_run else f"\nPassword: {new}\nThe password {SHOWN_ONCE}."
    return Outcome({"changed": True} | facts, text)


def token(user: User, *, days: int, end: str | None, end_others: bool, reason: str, dry_run: bool, **_: Any) -> Outcome:
    if end is not None:
        services.end_token(user.pk, end, by=None, now=timezone.now(), reason=reason)
        return Outcome({"changed": True} | _facts(user), f"The token {end} {_done('was ended', dry_run)}.")
    facts, lines = _issued(user, days=days, end_others=end_others, dry_run=dry_run)
    return Outcome({"changed": True} | _facts(user) | facts, "\n".join([f"A token for {_named(user)}:", *lines]))


def _issued(user: User, *, days: int, end_others: bool, dry_run: bool) -> tuple[Facts, list[str]]:
    session, signed = services.issue_token(
        user.pk,
        by=None,
        now=timezone.now(),
        lifetime=timedelta(days=days),
        sign=tokens.service_token,
        end_others=end_others,
    )
    ends = optional_wire_time(session.expires_at)
    facts = {"token": None if dry_run else signed, "token_id": None if dry_run else session.pk, "token_ends_at": ends}
    if dry_run:
        return facts, [f"It would hold until {ends}."]
    return facts, [f"Token: {signed}", f"Its id is {session.pk}. It holds until {ends}. The token {SHOWN_ONCE}."]


def _has_tokens(role: str) -> bool:
    return role in settings.ROLES and settings.ROLES[role].has_tokens


# --- showing --------------------------------------------------------------------------------------


def show(user: User, **options: Any) -> Outcome:
    now = timezone.now()
    sessions = Session.objects.filter(user=user, ended_at__isnull=True, expires_at__gt=now).order_by("created_at", "pk")
    facts = _facts(user) | {
        "name": user.name,
        "surname": user.surname,
        "email": user.email,
        "is_staff": user.is_staff,
        "permissions": sorted(f"{app}.{name}" for app, name in _own_permissions(user)),
        "has_password": user.has_usable_password(),
        "identity_provider": user.identity_issuer or None,
        "created_at": optional_wire_time(user.created_at),
        "last_login_at": optional_wire_time(user.last_login),
        "sessions": [
            {
                "id": session.pk,
                "created_at": optional_wire_time(session.created_at),
                "expires_at": optional_wire_time(session.expires_at),
            }
            for session in sessions
        ],
    }
    return Outcome(facts, "\n".join(f"{key}: {_shown(value)}" for key, value in facts.items()))


def _own_permissions(user: User) -> list[tuple[str, str]]:
    return list(user.user_permissions.values_list("content_type__app_label", "codename"))


def _shown(value: Any) -> str:
    match value:
        case True | False:
            return "yes" if value else "no"
        case None | "" | []:
            return "-"
        case [dict(), *_]:
            return "".join(f"\n  {' '.join(f'{key} {text}' for key, text in each.items())}" for each in value)
        case list():
            return ", ".join(value)
    return str(value)


def _facts(user: User) -> Facts:
    return {
        "id": user.pk,
        "username": user.username,
        "is_active": user.is_active,
        "roles": services.roles_of(user),
    }


def _changed(user: User, is_changed: bool, done: str, nothing: str, dry_run: bool) -> Outcome:
    text = f"{_named(user)} {_done(done, dry_run) if is_changed else nothing}."
    return Outcome({"changed": is_changed} | _facts(User.objects.get(pk=user.pk)), text)


def _done(done: str, dry_run: bool) -> str:
    return f"{done} (dry run: nothing was changed)" if dry_run else done


def _named(user: User) -> str:
    return f"{user.username} (id {user.pk})"
