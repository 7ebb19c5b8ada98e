"""Checks of the settings of notification channels, run when a process starts."""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from email import policy as policies
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.encoding import punycode

SECRET_BYTES = range(24, 65)  # Standard Webhooks specification, table of signature schemes
MAIL_TIMEOUT = 10  # seconds, for each step of the SMTP session


def check_webhook(url: str, secrets: Sequence[str], *, allow_private: bool, required: bool) -> None:
    """Raises ImproperlyConfigured. Its message contains no secret."""
    if not url:
        if required:
            raise ImproperlyConfigured("NOTIFICATION_CHANNELS names webhook: set WEBHOOK_URL.")
        return
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ImproperlyConfigured("WEBHOOK_URL must be an address such as https://push.example.com/notices.")
    if parts.scheme != "https" and not allow_private:
        raise ImproperlyConfigured("WEBHOOK_URL must begin with https, unless WEBHOOK_ALLOW_PRIVATE is true.")
    if not secrets:
        raise ImproperlyConfigured("WEBHOOK_URL is set: set WEBHOOK_SECRETS too.")
    for number, secret in enumerate(secrets, start=1):
        if not _is_webhook_secret(secret):
            raise ImproperlyConfigured(
                f"Secret {number} of WEBHOOK_SECRETS must be whsec_ and 24 to 64 bytes as Base64."
            )


def _is_webhook_secret(secret: str) -> bool:
    try:
        return secret.startswith("whsec_") and (
            len(b64decode(secret.removeprefix("whsec_"), validate=True)) in SECRET_BYTES
        )
    except binascii.Error:
        return False


def mailer(address: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of MAILERS. `address` is EMAIL_URL as django-environ parses it, into the older EMAIL_* settings."""
    if not address["EMAIL_BACKEND"].endswith("smtp.EmailBackend"):
        return {"BACKEND": address["EMAIL_BACKEND"]}
    if not address["EMAIL_HOST"]:
        raise ImproperlyConfigured("EMAIL_URL must name a host, as in smtp+tls://user:password@mail.example.com:587.")
    options = {
        "host": address["EMAIL_HOST"],
        "port": address["EMAIL_PORT"],
        "username": address["EMAIL_HOST_USER"],
        "password": address["EMAIL_HOST_PASSWORD"],
        "use_tls": address.get("EMAIL_USE_TLS", False),
        "use_ssl": address.get("EMAIL_USE_SSL", False),
        "timeout": MAIL_TIMEOUT,
    }
    return {"BACKEND": address["EMAIL_BACKEND"], "OPTIONS": options}


def check_email(mailers: Mapping[str, Any], sender: str) -> None:
    """`sender` is DEFAULT_FROM_EMAIL. Raises ImproperlyConfigured."""
    if not (mailers and sender):
        raise ImproperlyConfigured("NOTIFICATION_CHANNELS names email: set EMAIL_URL and DEFAULT_FROM_EMAIL.")
    try:
        header = policies.default.header_store_parse("Sender", sender)[1]  # a header of one address
        is_address = not header.defects and bool(header.address.username and punycode(header.address.domain))
    except Exception:  # Python's parser raises many types of errors on malformed addresses
        is_address = False
    if not is_address:
        raise ImproperlyConfigured(
            "DEFAULT_FROM_EMAIL must be one address, such as Kumanda <no-reply@example.com>;"
            ' a name with a comma or another sign needs quotes: "Kumanda, Ltd" <no-reply@example.com>.'
        )
