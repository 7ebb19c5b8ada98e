"""Hooks: functions of higher apps that this one calls. Settings name the implementations."""

from typing import Any, Protocol

from django.db.models import QuerySet

from accounts.models import User
from common.hooks import Hook


class RowsOfStream(Protocol):
    """A queryset of rows of `stream`, a value or an expression. Rows of users have the foreign key `user`."""

    def __call__(self, *, stream: Any) -> QuerySet[Any]: ...


class Moderates(Protocol):
    """Whether the user may moderate every stream."""

    def __call__(self, user: User, /) -> bool: ...


STREAM_REMINDERS: Hook[RowsOfStream] = Hook("STREAM_REMINDERS", RowsOfStream)
STREAM_BANS: Hook[RowsOfStream] = Hook("STREAM_BANS", RowsOfStream)
MODERATES: Hook[Moderates] = Hook("MODERATES", Moderates)
