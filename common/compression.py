"""Compressed answers: gzip and zstd, negotiated by Accept-Encoding (RFC 9110, section 12.5.3).

See docs/decisions/0027-compression-and-rate-limits.md.
"""

import gzip
import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from django.http.response import HttpResponseBase

from common.accept import WEIGHT
from common.etags import etag_for_encoding, etag_of_unchanged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IDENTITY = "identity"
# By preference of the server, among those that the client weighs equally.
ENCODINGS = ("zstd", "gzip")
SMALLEST = 1_024  # bytes; below, the headers alone are as long as what is saved
# All of these are text. HTML is left out: the pages of the admin are few, and forms contain tokens.
COMPRESSED_TYPES = frozenset(
    [
        "application/javascript",
        "application/json",
        "application/problem+json",
        "application/vnd.oai.openapi",
        "application/vnd.oai.openapi+json",
        "image/svg+xml",
        "text/calendar",
        "text/css",
        "text/javascript",
    ]
)
# Answers with tokens or secrets have it: see common/etags.py.
UNCHANGEABLE = "no-transform"

LONGEST_KEPT = 128  # characters; results for longer headers are not cached
MOST_KEPT_BODIES = 512
FIXED_BODY = "_fixed_body"  # the attribute of a response

_ALIASES = {"x-gzip": "gzip"}
_Q = re.compile(r"q\s*=\s*(\S+)", re.ASCII | re.IGNORECASE)

# Levels: docs/performance.md has the measurements.
_FAST: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, 4, mtime=0),
    "zstd": lambda body: zstd.compress(body, 3),
}
_SMALL: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, 9, mtime=0),
    "zstd": lambda body: zstd.compress(body, 12),
}
_kept_bodies: dict[tuple[str, str], bytes] = {}


def compressed[Response: HttpResponseBase](response: Response, meta: Mapping[str, Any]) -> Response:
    """`response` in the encoding that the request (`meta` is its environ) prefers, and with the headers that say so.

    Answers that may not be compressed, or are not worth it, stay as they are.
    """
    headers = response.headers
    if response.status_code == 304:
        if etag := headers.get("ETag"):
            headers["ETag"] = etag_of_unchanged(etag, meta.get("HTTP_IF_NONE_MATCH", ""))
            _vary(response)
        return response
    if response.streaming or not is_compressed_type(headers.get("Content-Type", "")):
        return response
    _vary(response)
    encoding, is_required = preferred_encoding(meta.get("HTTP_ACCEPT_ENCODING", ""))
    if encoding == IDENTITY:
        return response
    body: bytes = response.content  # type: ignore[attr-defined]  # not streaming
    if not body or (len(body) < SMALLEST and not is_required) or not _may_be_compressed(response):
        return response
    content = _encoded(encoding, body, getattr(response, FIXED_BODY, None))
    response.content = content  # type: ignore[attr-defined]
    headers["Content-Encoding"] = encoding
    headers["Content-Length"] = str(len(content))
    if etag := headers.get("ETag"):
        headers["ETag"] = etag_for_encoding(etag, encoding)
    return response


def with_fixed_body[Response: HttpResponseBase](response: Response, name: str) -> Response:
    """Mark the body of `response` as one that always has this `name`: it is compressed once in a process, well."""
    setattr(response, FIXED_BODY, name)
    return response


@lru_cache(maxsize=64)
def is_compressed_type(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in COMPRESSED_TYPES


def preferred_encoding(accept_encoding: str) -> tuple[str, bool]:
    """One of ENCODINGS or IDENTITY, and whether IDENTITY is excluded.

    Without the header the answer is not compressed: such clients seldom can read it. If nothing is acceptable the
    answer is not compressed either, as section 12.5.3 advises.
    """
    if not accept_encoding:
        return IDENTITY, False
    return _kept(accept_encoding) if len(accept_encoding) <= LONGEST_KEPT else _preferred(accept_encoding)


def _preferred(accept_encoding: str) -> tuple[str, bool]:
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _semicolon, parameter = part.partition(";")
        weight = _weight(parameter.strip())
        if weight is not None:
            weights[_ALIASES.get(name.strip(), name.strip())] = weight
    others = weights.get("*", 0.0)
    named = [encoding for encoding in ENCODINGS if encoding in weights]
    # Of those that only `*` allows, the one that every client reads.
    candidates = [*named, *(encoding for encoding in reversed(ENCODINGS) if encoding not in weights)]
    best = max(candidates, key=lambda encoding: weights.get(encoding, others))
    weight = weights.get(best, others)
    if weight == 0.0 or weights.get(IDENTITY, 0.0) > weight:
        return IDENTITY, False
    # Without a weight of its own or of `*`, identity is acceptable.
    return best, weights.get(IDENTITY, weights.get("*", 1.0)) == 0.0


_kept = lru_cache(maxsize=512)(_preferred)


def _weight(parameter: str) -> float | None:
    """None for a parameter that cannot be read."""
    if not parameter:
        return 1.0
    found = _Q.fullmatch(parameter)
    return float(found[1]) if found and WEIGHT.fullmatch(found[1]) else None


def _may_be_compressed(response: HttpResponseBase) -> bool:
    if response.status_code == 206 or "Content-Encoding" in response.headers:
        return False
    return UNCHANGEABLE not in response.headers.get("Cache-Control", "")


def _vary(response: HttpResponseBase) -> None:
    vary = response.headers.get("Vary")
    if vary is None:
        response.headers["Vary"] = "Accept-Encoding"
    elif "accept-encoding" not in vary.lower() and vary.strip() != "*":
        response.headers["Vary"] = f"{vary}, Accept-Encoding"


def _encoded(encoding: str, body: bytes, name: str | None) -> bytes:
    if name is None:
        return _FAST[encoding](body)
    key = name, encoding
    if (kept := _kept_bodies.get(key)) is not None:
        return kept
    made = _SMALL[encoding](body)
    if len(_kept_bodies) < MOST_KEPT_BODIES:
        _kept_bodies[key] = made
    return made
