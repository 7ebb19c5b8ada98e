"""What apps above this one know of a person and a stream: whether a ban restricts them, whether a reminder waits."""

from datetime import UTC, datetime
from typing import Any

from django.db.models.expressions import Combinable
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.refusals import Forbidden
from common.texts import isolated
from common.times import wire_time
from livestreams.hooks import AUDIENCE_RESTRICTION, REMINDER_WAITS, Restriction

BLOCK = "BLOCK"  # the restriction that also keeps somebody from reading and joining the stream


class Banned(Forbidden):
    """The person is kept from this stream; the reasons say why and until when."""

    code = "banned"
    message = _("you are banned from this stream until a moderator lifts it")

    def __init__(self, reason: str | None = None, until: datetime | None = None) -> None:
        message: Any = self.message
        if until is not None:
            message = gettext("you are banned from this stream until %(until)s") % {"until": wire_time(until)}
        super().__init__(f"{message}: {isolated(reason)}" if reason else message)


def audience_restriction(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """An expression for the Restriction that holds for `user` on `stream` at `now`, or NULL.

    It is a subquery: `stream` is an OuterRef to the stream's id.
    """
    return AUDIENCE_RESTRICTION.function()(stream=stream, user=user, now=now)


def reminder_waits(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """An expression for whether `user` will still be told of `stream`, an OuterRef to the stream's id."""
    return REMINDER_WAITS.function()(stream=stream, user=user, now=now)


def refuse_blocked(restriction: Restriction | None) -> None:
    """Raises Banned when the restriction is a BLOCK."""
    if restriction is not None and restriction["action"] == BLOCK:
        until = restriction["until"]
        raise Banned(restriction["reason"], datetime.fromisoformat(until).astimezone(UTC) if until else None)
