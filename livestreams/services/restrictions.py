"""What higher apps know of a user and a stream: the ban that holds, and whether a reminder is still to be sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models.expressions import Combinable
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.refusals import Forbidden
from common.texts import isolated
from common.times import wire_time
from livestreams.hooks import AUDIENCE_RESTRICTION, REMINDER_WAITS, Restriction
from livestreams.services.refusals import StreamMissing

BLOCK = "BLOCK"  # the restriction that also forbids reading and joining the stream


class Banned(Forbidden):
    """A ban blocks the user from this stream; the message gives its reason and its end."""

    code = "banned"
    message = _("you are banned from this stream until a moderator lifts it")

    def __init__(self, reason: str | None = None, until: datetime | None = None) -> None:
        message: Any = self.message
        if until is not None:
            message = gettext("you are banned from this stream until %(until)s") % {"until": wire_time(until)}
        super().__init__(f"{message}: {isolated(reason)}" if reason else message)


def audience_restriction(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """An expression for the Restriction that holds for `user` on `stream` at `now`, or NULL.

    `stream` is an OuterRef to the id of the stream, because the expression is a subquery.
    """
    return AUDIENCE_RESTRICTION.function()(stream=stream, user=user, now=now)


def reminder_waits(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """Whether a reminder of `user` is still to be sent, as an expression; `stream` is an OuterRef to its id."""
    return REMINDER_WAITS.function()(stream=stream, user=user, now=now)


def refuse_blocked(restriction: Restriction | None) -> None:
    """Raises Banned when the restriction is a BLOCK."""
    if restriction is not None and restriction["action"] == BLOCK:
        until = restriction["until"]
        raise Banned(restriction["reason"], datetime.fromisoformat(until).astimezone(UTC) if until else None)


def readable(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The columns of the only row, without the last one, which is what restricts the caller on the stream.

    Raises StreamMissing without a row, and Banned for a BLOCK.
    """
    if not rows:
        raise StreamMissing
    *columns, restriction = rows[0]
    refuse_blocked(restriction)
    return columns
