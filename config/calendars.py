"""Checks of the calendar settings, run when a process starts."""

import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

# RFC 1123, section 2.1, in lower case: UIDs are compared case-sensitively.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
PLACEHOLDERS = ("{id}", "{channelName}")
# Printable ASCII: other characters of an address are percent-encoded (RFC 3986), and a line break would end a property.
_PRINTABLE = re.compile(r"[!-~]+")


def check_calendar_domain(domain: str) -> None:
    """Raises ImproperlyConfigured unless `domain` is valid after the `@` of a UID."""
    if not DOMAIN.fullmatch(domain):
        raise ImproperlyConfigured(
            "CALENDAR_DOMAIN must be a domain name in lower case without scheme and port, as calendar.example.com."
        )


def check_stream_page_url(template: str) -> None:
    """Raises ImproperlyConfigured unless `template` is empty or gives a URL for each stream."""
    if template and not _is_template(template):
        raise ImproperlyConfigured(
            "STREAM_PAGE_URL must be an http or https address with {id} or {channelName} after its host and no other "
            "braces, such as https://www.example.com/live/{channelName}."
        )


def _is_template(template: str) -> bool:
    if not _PRINTABLE.fullmatch(template):
        return False
    try:
        parts = urlsplit(template)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    filled = template
    for placeholder in PLACEHOLDERS:
        filled = filled.replace(placeholder, "")
    has_others = "{" in filled or "}" in filled
    # Channel names may be longer than a label of a host name. A public link contains no password.
    is_plain_host = "{" not in parts.netloc and "@" not in parts.netloc
    return is_address and is_plain_host and filled != template and not has_others
