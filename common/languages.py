"""Language negotiation: which of `settings.LANGUAGES` a request asks for."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation.trans_real import parse_accept_lang_header

LONGEST_KEPT = 64  # characters; results for longer headers are not cached
LONGEST_READ = 512  # characters of an Accept-Language; the rest is ignored
MOST_TAGS = 8  # of supported languages, in one Accept-Language
LONGEST_TAG = 24  # characters, with its weight: tr-Latn-TR;q=0.875

NOT_WANTED = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*$", re.ASCII)


def preferred_language(meta: Mapping[str, Any]) -> str:
    """`X-Language`, else the best of `Accept-Language`, as far as supported; else `settings.LANGUAGE_CODE`."""
    chosen, accepted = meta.get("HTTP_X_LANGUAGE", ""), meta.get("HTTP_ACCEPT_LANGUAGE", "")
    if len(chosen) + len(accepted) <= LONGEST_KEPT:
        return _kept(chosen, accepted)
    return _best(chosen, accepted)


def understood(accepted: str) -> str:
    """The part of an Accept-Language that names supported languages; its length is bounded.

    Django caches the headers that it parses, so that arbitrary headers would occupy megabytes. It also takes a language
    with the weight 0, which is not acceptable (RFC 9110, section 12.4.2), for the last choice.
    """
    if len(accepted) > LONGEST_READ:
        accepted = accepted[:LONGEST_READ].rpartition(",")[0]
    # Platforms write tr_TR for tr-TR.
    ranges = [tag for part in accepted.lower().replace("_", "-").split(",") if len(tag := part.strip()) <= LONGEST_TAG]
    supported = [code for code, _ in settings.LANGUAGES]
    named = {_primary(tag) for tag in ranges}
    accepted_ranges = [tag for tag in ranges if not NOT_WANTED.search(tag)]
    wanted = [tag for tag in accepted_ranges if _primary(tag) in supported]
    # `*` is every language that the header does not name. It comes last, so that a name of equal weight is preferred.
    others = [tag.removeprefix("*") for tag in accepted_ranges if _primary(tag) == "*"][:1]
    wanted = wanted[:MOST_TAGS] + [code + weight for weight in others for code in supported if code not in named]
    return ",".join(wanted)


@lru_cache(maxsize=1024)
def _kept(chosen: str, accepted: str) -> str:
    return _best(chosen, accepted)


def _best(chosen: str, accepted: str) -> str:
    tags = (tag for header in (chosen, accepted) for tag, _ in parse_accept_lang_header(understood(header)))
    return next(map(_primary, tags), settings.LANGUAGE_CODE)


def _primary(tag: str) -> str:
    return tag.partition(";")[0].partition("-")[0].strip()
