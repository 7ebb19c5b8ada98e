"""Checks of logins and usernames for the command `doctor`; `settings.DOCTOR_CHECKS` names them."""

from collections.abc import Iterable, Iterator

from django.conf import settings

from accounts.models import User
from accounts.names import LookAlikes
from common.doctor import Finding, error, warning

MOST_NAMED = 10
BATCH = 5000
RENAME = "Rename them and inform the users: python manage.py rename_user ID NEW_NAME"


def examine() -> Iterator[Finding]:
    yield from _proxies()
    yield from _look_alikes_of_staff()
    yield from _usernames_like_ids()


def _proxies() -> Iterator[Finding]:
    # Granian is not configured for TLS, so there must be a proxy.
    if settings.SECURE and not settings.TRUSTED_PROXIES:
        yield error(
            "proxies_unknown",
            "SECURE is on, so there is a proxy in front, and TRUSTED_PROXIES is empty: all clients appear to have the "
            "address of the proxy, so that a hundred failed logins block the logins of all users for five minutes.",
            "Set TRUSTED_PROXIES to the proxy's address, and let it append the client's to X-Forwarded-For.",
        )


def _look_alikes_of_staff() -> Iterator[Finding]:
    """Usernames that look like a staff member's.

    New ones are refused. These were created before that rule, or before the staff member was promoted.
    """
    staff = LookAlikes(User.objects.staff().values_list("username", flat=True).order_by("pk"))
    people = User.objects.order_by("pk").values_list("pk", "username").iterator(BATCH)
    found = [(pk, name, alike) for pk, name in people if (alike := staff.of(name))]
    if found:
        yield warning(
            "usernames_like_staff",
            f"{len(found)} usernames look like the name of a member of staff: "
            + _listed(f"{name} (id {pk}) like {', '.join(alike)}" for pk, name, alike in found),
            RENAME,
        )


def _usernames_like_ids() -> Iterator[Finding]:
    found = list(User.objects.filter(username_key__regex="^[0-9a-f]{24}$").order_by("pk").values_list("pk", "username"))
    if found:
        yield warning(
            "usernames_like_ids",
            f"{len(found)} usernames look like ids, so that a ban by username would ban the user with that id: "
            + _listed(f"{name} (id {pk})" for pk, name in found),
            RENAME,
        )


def _listed(parts: Iterable[str]) -> str:
    named = list(parts)
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return ", ".join(named[:MOST_NAMED]) + more + "."
