"""Erasing a person: what concerns the account itself. `common.erasure` erases the rows of all apps."""

from collections.abc import Mapping
from datetime import datetime
from itertools import count

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session as AdminSession
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services.people import Oneself, deactivate_user, refuse_last_superuser
from accounts.services.sessions import UserMissing, log_out
from common import audit
from common.audit_matching import Erased, declared_keys
from common.erasure import ids_about
from common.personal_data import obstacles, sources
from common.refusals import Conflict
from common.storage import removed_later

ERASING = frozenset(["erase_rows", "erase_account", "redact_audit_rows"])


class NotErasable(Conflict):
    code = "not_erasable"
    message = _("something of the person must be ended first")


def tombstone_of(user: User) -> str:
    """The username of an erased person. It has the id, which other rows and media edges keep."""
    names = (f"erased.{user.pk}" if number == 1 else f"erased.{user.pk}.{number}" for number in count(1))
    others = User.objects.exclude(pk=user.pk)
    return next(name for name in names if not others.filter(username_key=User.key_of(name)).exists())


def is_erased(user: User) -> bool:
    return not user.is_active and user.username == tombstone_of(user)


def erased_person(user: User) -> Erased:
    """What to look for in the audit trail. It must be made before the names are erased."""
    return Erased(
        person=user.pk,
        tombstone=tombstone_of(user),
        names={user.username},
        is_free=_is_free,
        folded=user.names_folded,
        email=user.email,
        keys=declared_keys(),
        creating=frozenset(source.created_by for source in sources() if source.created_by),
        kept=ERASING,
        targets=ids_about(user),
    )


def _is_free(username: str) -> bool:
    return not User.objects.filter(username_key=User.key_of(username)).exists()


@transaction.atomic
def refuse_erasure(user: User, *, by: User | None) -> None:
    """Raises Oneself, LastSuperuser, NotErasable."""
    if by is not None and by.pk == user.pk:
        raise Oneself
    refuse_last_superuser(user.pk)
    if reasons := obstacles(user.pk):
        raise NotErasable("; ".join(reasons))


@transaction.atomic
def close_account(user_id: str, *, by: User | None, now: datetime, reason: str) -> None:
    """Begin an erasure: nobody can log in, and all sessions end. Raises UserMissing, and as `refuse_erasure`."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise UserMissing
    refuse_erasure(user, by=by)
    if user.is_active:
        deactivate_user(user_id, by=by, now=now, reason=reason)
    elif not is_erased(user):
        log_out(user, by=by, now=now, reason=reason)
    for session in AdminSession.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) == user_id:
            session.delete()


@transaction.atomic
def erase_account(user_id: str, *, by: User | None, now: datetime, rows: Mapping[str, int], reason: str) -> bool:
    """End an erasure: replace the names, and remove the photo. `rows` are the numbers of rows that were erased before.

    Returns False if the account was erased already. Raises UserMissing.
    """
    user = User.objects.locked(user_id, otherwise=UserMissing)
    if is_erased(user) and not rows:
        return False
    photo, user.profile_photo = user.profile_photo, None
    user.username = tombstone_of(user)
    user.name = user.surname = user.email = user.identity_issuer = user.identity_subject = ""
    user.set_unusable_password()
    user.is_active = user.is_staff = user.is_superuser = False
    user.availability_status = User.Availability.OFFLINE
    user.last_login = user.identity_tokens_from = None
    user.updated_at = now
    user.save()
    if photo is not None:
        photo.delete()
        removed_later([photo.file, *photo.variants.values()])
    after = {"username": user.username, "erased": dict(rows)}
    audit.record("erase_account", user, by=by, now=now, before={}, after=after, reason=reason)
    return True
