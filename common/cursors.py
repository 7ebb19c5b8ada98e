"""Opaque cursors: positions in the order of a list, encoded as text that clients send back unchanged."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import models

# Version, digest of the order, value to sort by, id. 27 bytes are 36 characters of base64 without padding, so each
# position has one encoding. Other versions may have other lengths.
_LAYOUT = struct.Struct(">B6sq12s")
VERSION = 1
# The same layout, of a page that was read from a replica.
VERSION_OF_REPLICA = 2
LENGTH = 36
PATTERN = f"[A-Za-z0-9_-]{{{LENGTH}}}"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ValueOutOfRange(ValueError):
    """No row can have this value."""


class Cursor(NamedTuple):
    """A decoded cursor. Whether it belongs to a list is checked by the list.

    `value` is that of the sort key: microseconds since 1970 for a time, else the integer itself.
    """

    order: bytes
    value: int
    id: str
    is_of_replica: bool = False

    def written(self) -> str:
        version = VERSION_OF_REPLICA if self.is_of_replica else VERSION
        return urlsafe_b64encode(_LAYOUT.pack(version, self.order, self.value, bytes.fromhex(self.id))).decode()


def read(text: str) -> Cursor | None:
    """The cursor in a text that matches PATTERN; None when it is of no version that is known."""
    version, order, value, pk = _LAYOUT.unpack(urlsafe_b64decode(text))
    if version not in (VERSION, VERSION_OF_REPLICA):
        return None
    return Cursor(order, value, pk.hex(), is_of_replica=version == VERSION_OF_REPLICA)


@cache
def digest_of(list_name: str, sort: str, descending: bool) -> bytes:
    """Identifies a list and its order in a cursor. Six bytes, because it only detects mistakes of clients."""
    return sha256(f"{list_name} {sort} {'desc' if descending else 'asc'}".encode()).digest()[:6]


def number_of(value: datetime | int) -> int:
    """A sort value as a cursor stores it. Nothing is lost: PostgreSQL stores times in microseconds."""
    return (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value


def value_of(number: int, kind: models.Field[Any, Any]) -> datetime | int:
    """The inverse of `number_of`, for a kind that `kind_of` gave. Raises ValueOutOfRange."""
    if isinstance(kind, models.BigIntegerField):
        return number
    try:
        return _EPOCH + timedelta(microseconds=number)
    except OverflowError as error:
        raise ValueOutOfRange from error


def kind_of(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    """The type of the query parameter for a sort value of `field`. Raises TypeError for other types of sort keys."""
    if isinstance(field, models.DateTimeField):
        return models.DateTimeField()
    if isinstance(field, models.IntegerField):
        return models.BigIntegerField()  # a cursor may hold any number of 64 bits
    raise TypeError(f"a cursor carries times and integers, and no {type(field).__name__}")
