"""Refusals: exceptions with the reason why something may not happen. They do not depend on HTTP.

A refusal is defined above the function that raises it, as a subclass of one of these with a `code` of its own.
The code is for machines and never changes; the message is for people and translated.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

type Text = str | _StrPromise


class Refusal(Exception):
    code: str
    message: Text

    def __init__(self, message: Text | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)

    @property
    def reasons(self) -> list[str]:
        return [str(self.message)]


class BadInput(Refusal):
    """The input is not valid."""

    code = "validation_failed"
    message = _("the request is not valid")


class Invalid(BadInput):
    """One field of the input breaks a rule. `field` is its name on the wire."""

    def __init__(self, field: str, rule: Text) -> None:
        self.field = field
        self.rule = rule
        super().__init__()

    @property
    def reasons(self) -> list[str]:
        return [f"{self.field}: {self.rule}"]


class Unauthenticated(Refusal):
    code = "authentication_required"
    message = _("send a valid access token in the Authorization header")


class Forbidden(Refusal):
    code = "insufficient_permissions"
    message = _("you may not do this")


class Missing(Refusal):
    code = "not_found"
    message = _("there is no such thing")


class Conflict(Refusal):
    code = "conflict"
    message = _("the state it is in does not allow this")


class PreconditionUnmet(Refusal):
    """The object is not as the caller expects it."""

    code = "precondition_failed"
    message = _("the object has changed since you read it; read it again")


class Unprocessable(Refusal):
    """The request is valid, but contradicts an earlier one."""

    code = "unprocessable"
    message = _("the request contradicts an earlier one")


class TooMany(Refusal):
    """A rate limit was exceeded; `retry_after` is in seconds."""

    code = "too_many_requests"
    message = _("too many requests; wait before you try again")

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__()


class Unavailable(Refusal):
    """A dependency does not answer, or there is no capacity; `retry_after` is in seconds."""

    code = "service_unavailable"
    message = _("a part of the service does not answer; try again shortly")
    retry_after = 1


def every_refusal(of: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """All subclasses of `of` in modules that are loaded, parents first."""
    for kind in of.__subclasses__():
        yield kind
        yield from every_refusal(kind)
