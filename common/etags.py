"""Conditional reads (RFC 9110, section 13): entity tags, 304, and the headers that caches need."""

from hashlib import sha256

from django.http import HttpResponse
from django.utils.http import parse_etags

IF_NONE_MATCH = "If-None-Match"
# On what the answer to a read depends, besides its address.
VARY = "Authorization, X-Language, Accept-Language"
ALWAYS_REVALIDATED = {True: "private, no-cache", False: "public, no-cache"}  # by whether the caller is known
NOT_STORED = "no-store"


def etag_of(content: bytes) -> str:
    """A strong entity tag. SHA-256 is the fastest digest of the standard library on today's processors."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the header names `etag`, by weak comparison, or everything (`*`)."""
    return not {"*", etag.removeprefix("W/")}.isdisjoint(tag.removeprefix("W/") for tag in parse_etags(if_none_match))


def not_modified(response: HttpResponse) -> HttpResponse:
    """The 304 in place of `response`: with its headers, apart from those that describe a body."""
    headers = {
        name: value for name, value in response.items() if name.lower() not in ("content-type", "content-length")
    }
    unchanged = HttpResponse(status=304, headers=headers)
    del unchanged.headers["Content-Type"]
    return unchanged
