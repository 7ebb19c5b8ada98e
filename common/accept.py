"""The weight that a client gives to a media type in the header Accept (RFC 9110, section 12.5.1)."""

import re
from functools import lru_cache

from django.http.request import MediaType

LONGEST_READ = 1_024  # characters; a longer header counts as one that accepts everything
LONGEST_KEPT = 128  # characters; results for longer headers are not cached

WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)

type Rank = tuple[float, int]


def rank(accept: str, offered: str) -> Rank:
    """Weight of the media type `offered` in `accept`, 0 when it is not acceptable, and how specific that range is.

    Without a header everything is acceptable. Ranges that cannot be read are left out.
    """
    if len(accept) <= LONGEST_KEPT:
        return _kept(accept, offered)
    return _rank(accept if len(accept) <= LONGEST_READ else "", offered)


@lru_cache(maxsize=512)
def _kept(accept: str, offered: str) -> Rank:
    return _rank(accept, offered)


def _rank(accept: str, offered: str) -> Rank:
    media_type = MediaType(offered)
    # The most specific range that matches decides, even when its weight is 0.
    ranges = [one for one in map(_range, (accept.strip() or "*/*").split(",")) if one and _matches(media_type, one)]
    best = max(ranges, key=lambda one: (one.specificity, one.quality), default=None)
    return (best.quality, best.specificity) if best and best.quality else (0.0, 0)


def _range(text: str) -> MediaType | None:
    try:
        found = MediaType(text)
    except ValueError:
        return None
    # All answers are in UTF-8, so this parameter excludes nothing.
    if str(found.params.get("charset", "")).lower() in {"utf-8", "utf8"}:
        del found.params["charset"]
    return found if WEIGHT.fullmatch(str(found.params.get("q", "1"))) else None


def _matches(offered: MediaType, accepted: MediaType) -> bool:
    return offered.match(accepted)  # type: ignore[arg-type]  # the stubs know only text
