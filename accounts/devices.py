"""The cookie of a known device: one on which the user has logged in before.

See https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies. The cookie
grants no access. Failed logins of other clients do not count against a device that has it.
"""

from collections.abc import Mapping
from datetime import timedelta
from secrets import token_hex

from django.conf import settings
from django.core import signing
from django.http import HttpResponseBase

from accounts.models import User

COOKIE = "device"
KNOWN_FOR = timedelta(days=90)  # since the last login
_SALT = "accounts.devices"


def device_of(user: User | None, cookies: Mapping[str, str]) -> str:
    """The id of a device on which `user` has logged in within `KNOWN_FOR`, else ""."""
    try:
        owner, _, device = signing.TimestampSigner(salt=_SALT).unsign(cookies.get(COOKIE, ""), KNOWN_FOR).partition(":")
    except signing.BadSignature:
        return ""
    return device if user is not None and owner == user.pk else ""


def remember_device(response: HttpResponseBase, user: User, cookies: Mapping[str, str], *, path: str) -> None:
    """Set the cookie after a successful login; `path` is where logins are posted to."""
    device = device_of(user, cookies) or token_hex(16)
    response.set_cookie(
        COOKIE,
        signing.TimestampSigner(salt=_SALT).sign(f"{user.pk}:{device}"),
        max_age=KNOWN_FOR,
        path=path,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )
