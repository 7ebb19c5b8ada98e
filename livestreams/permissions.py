"""Who may change a stream through the API. When it may be changed is decided in the services."""

from typing import Any, Protocol

from accounts.models import User
from livestreams.models import LiveStream, role_of
from livestreams.services import NotTheCreator, NotTheCreatorOrGuest, NotTheGuest


class Membership(Protocol):
    """The columns of a stream that name its members."""

    @property
    def creator_id(self) -> str: ...
    @property
    def guest_id(self) -> str | None: ...
    @property
    def guest_status(self) -> str | None: ...


def refuse_unless_creator(user: User, stream: Membership) -> None:
    if user.pk != stream.creator_id:
        raise NotTheCreator


def refuse_unless_creator_or_guest(user: User, stream: Membership) -> None:
    """A guest who has declined is refused."""
    role = role_of(user.pk, stream.creator_id, stream.guest_id, stream.guest_status)
    if role not in (LiveStream.Role.HOST, LiveStream.Role.GUEST):
        raise NotTheCreatorOrGuest


def refuse_unless_guest(user: User, stream: dict[str, Any]) -> None:
    """`stream` is a wire dictionary. A guest who has declined is not refused."""
    if user.pk not in [guest["_id"] for guest in stream["guests"]]:
        raise NotTheGuest
