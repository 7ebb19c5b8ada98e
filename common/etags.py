"""Conditional requests (RFC 9110, section 13): entity tags, 304, and the headers that caches need.

A strong tag names one sequence of bytes, so a compressed answer has a tag of its own: that of the uncompressed answer
with the encoding as suffix. Clients may send back either: both name the same version of the data.
"""

from hashlib import sha256

from django.http import HttpResponse
from django.utils.http import parse_etags

IF_NONE_MATCH = "If-None-Match"
# On what the answer to a read depends, besides its address.
VARY = "Authorization, X-Language, Accept-Language"
ALWAYS_REVALIDATED = {True: "private, no-cache", False: "public, no-cache"}  # by whether the caller is known
NOT_STORED = "no-store"
# For answers with tokens or secrets: RFC 6749, section 5.1. Neither this service (see compression.py) nor a proxy may
# compress them: their length would depend on how much of the request the secret repeats, so that it could be guessed
# piece by piece (BREACH).
SECRET = "no-store, no-transform"  # noqa: S105 - directives of Cache-Control
SUFFIXES = ("-gzip", "-zstd")


def etag_of(content: bytes) -> str:
    """A strong entity tag. SHA-256 is the fastest digest of the standard library on today's processors."""
    return f'"{sha256(content).hexdigest()[:32]}"'


def etag_for_encoding(etag: str, encoding: str) -> str:
    """The tag of an answer whose uncompressed form has `etag`. A weak one stays: it names all forms."""
    return etag if etag.startswith("W/") else f'{etag[:-1]}-{encoding}"'


def without_encoding(etag: str) -> str:
    """The tag of the uncompressed form."""
    for suffix in SUFFIXES:
        if etag.endswith(f'{suffix}"'):
            return f'{etag[: -len(suffix) - 1]}"'
    return etag


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the header names `etag`, in any encoding, by weak comparison, or everything (`*`)."""
    return not {"*", _opaque(etag)}.isdisjoint(_opaque(tag) for tag in parse_etags(if_none_match))


def etag_of_unchanged(etag: str, if_none_match: str) -> str:
    """The tag for a 304: that of the form which the client has, if it sent one, so that its cache finds the form."""
    sent = [tag.removeprefix("W/") for tag in parse_etags(if_none_match)]
    forms = [tag for tag in sent if without_encoding(tag) == etag]
    return etag if etag in forms or not forms else forms[0]


def not_modified(response: HttpResponse) -> HttpResponse:
    """The 304 in place of `response`: with its headers, apart from those that describe a body."""
    headers = {
        name: value for name, value in response.items() if name.lower() not in ("content-type", "content-length")
    }
    unchanged = HttpResponse(status=304, headers=headers)
    del unchanged.headers["Content-Type"]
    return unchanged


def _opaque(etag: str) -> str:
    return without_encoding(etag.removeprefix("W/"))
