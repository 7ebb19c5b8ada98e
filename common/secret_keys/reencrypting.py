"""What the database has encrypted with keys that are derived from SECRET_KEY, and encrypting it again with the first.

`settings.ENCRYPTED_COLUMNS` lists the columns: model, column, purpose. A test compares it with the uses of `cipher`.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models, transaction

from common.encryption import cipher, first_cipher
from common.pages import in_pages

CHUNK = 500  # rows of one transaction


class Column(NamedTuple):
    """`first` opens what needs none of the fallbacks."""

    model: type[models.Model]
    name: str
    first: Fernet
    accepted: MultiFernet


class Outcome(NamedTuple):
    """`done` were encrypted again. `unreadable` were encrypted with a key that is not accepted any more."""

    done: int
    unreadable: int


def columns() -> Iterator[Column]:
    for model, name, purpose in settings.ENCRYPTED_COLUMNS:
        yield Column(apps.get_model(model), name, first_cipher(purpose), cipher(purpose))


def waiting() -> int:
    """How many values are not encrypted with the first key, and can be."""
    return sum(_is_old(column, value) for column in columns() for _, value in _values(column))


def encrypt_again() -> Outcome:
    """Encrypt with the first key what was encrypted with another one. It may be interrupted, and run several times."""
    done = unreadable = 0
    for column in columns():
        old = []
        for key, value in _values(column):
            if _is_old(column, value):
                old.append(key)
            elif not _is_new(column, value):
                unreadable += 1
        for start in range(0, len(old), CHUNK):
            done += _encrypt_rows(column, old[start : start + CHUNK])
    return Outcome(done, unreadable)


def _values(column: Column) -> Iterator[tuple[Any, bytes]]:
    rows = column.model._base_manager.values_list("pk", column.name)
    return ((key, _bytes(value)) for key, value in in_pages(rows, size=CHUNK, key=itemgetter(0)))


@transaction.atomic
def _encrypt_rows(column: Column, keys: list[Any]) -> int:
    rows = column.model._base_manager.filter(pk__in=keys).order_by("pk").select_for_update(of=("self",), no_key=True)
    changed = []
    for row in rows:
        value = getattr(row, column.name)
        if _is_old(column, _bytes(value)):  # not if another process was faster
            again = column.accepted.rotate(_bytes(value))
            setattr(row, column.name, again.decode() if isinstance(value, str) else again)
            changed.append(row)
    column.model._base_manager.bulk_update(changed, [column.name])
    return len(changed)


def _is_new(column: Column, value: bytes) -> bool:
    return _opens(column.first, value)


def _is_old(column: Column, value: bytes) -> bool:
    return not _is_new(column, value) and _opens(column.accepted, value)


def _opens(key: Fernet | MultiFernet, value: bytes) -> bool:
    try:
        key.decrypt(value)
    except InvalidToken:
        return False
    return True


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
