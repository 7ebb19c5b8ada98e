"""Conditional requests (RFC 9110, section 13)."""

from django.utils.http import parse_etags


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the header names `etag`, by weak comparison, or everything (`*`)."""
    return not {"*", etag.removeprefix("W/")}.isdisjoint(tag.removeprefix("W/") for tag in parse_etags(if_none_match))
