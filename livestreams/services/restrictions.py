"""What apps above this one know of a person and a stream: whether a ban restricts them, whether a reminder waits."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypedDict

from django.conf import settings
from django.db.models.expressions import Combinable
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.refusals import Forbidden
from common.texts import isolated
from common.times import wire_time

BLOCK = "BLOCK"  # the restriction that also keeps somebody from reading and joining the stream


class Restriction(TypedDict):
    """What holds for somebody on a stream: BLOCK or CHAT_ONLY, why, and until when (ISO 8601; None: until lifted)."""

    action: str
    reason: str | None
    until: str | None


class Banned(Forbidden):
    """The person is kept from this stream; the reasons say why and until when."""

    code = "banned"
    message = _("you are banned from this stream until a moderator lifts it")

    def __init__(self, reason: str | None = None, until: datetime | None = None) -> None:
        message: Any = self.message
        if until is not None:
            message = gettext("you are banned from this stream until %(until)s") % {"until": wire_time(until)}
        super().__init__(f"{message}: {isolated(reason)}" if reason else message)


@cache
def _restriction() -> Callable[..., Combinable]:
    # Bans live in an app above this one, so settings name the function.
    return import_string(settings.AUDIENCE_RESTRICTION)


def audience_restriction(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """An expression for the Restriction that holds for `user` on `stream` at `now`, or NULL.

    It is a subquery: `stream` is an OuterRef to the stream's id.
    """
    return _restriction()(stream=stream, user=user, now=now)


@cache
def _reminder_waits() -> Callable[..., Combinable]:
    return import_string(settings.REMINDER_WAITS)


def reminder_waits(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """An expression for whether `user` will still be told of `stream`, an OuterRef to the stream's id."""
    return _reminder_waits()(stream=stream, user=user, now=now)


def refuse_blocked(restriction: Restriction | None) -> None:
    """Raises Banned when the restriction is a BLOCK."""
    if restriction is not None and restriction["action"] == BLOCK:
        until = restriction["until"]
        raise Banned(restriction["reason"], datetime.fromisoformat(until).astimezone(UTC) if until else None)
