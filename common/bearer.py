"""The token of a request: `Authorization: Bearer …` (RFC 6750)."""

from collections.abc import Mapping
from typing import Any

from django.utils.crypto import constant_time_compare


def bearer_token(meta: Mapping[str, Any]) -> str:
    """The token, or "" if there is none. `meta` is the environ of the request."""
    scheme, _space, token = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def has_token(meta: Mapping[str, Any], expected: str) -> bool:
    """Whether the request has this token. Nobody has an empty one."""
    return bool(expected) and constant_time_compare(bearer_token(meta), expected)
