"""Who may read the revocations, the statistics and the feedback of a stream, and who may join it in which role."""

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.refusals import Forbidden
from edges.hooks import MODERATES
from livestreams.models import LiveStream
from livestreams.services import NotTheCreator, NotTheGuest


class NotAServiceAccount(Forbidden):
    code = "not_a_service_account"
    message = _("only service accounts with the permission livestreams.enforce may ask this")


class NotMemberOrModerator(Forbidden):
    code = "not_member_or_moderator"
    message = _("only the creator, the guest who has accepted, or a moderator may see this")


def refuse_unless_service_account(user: User) -> None:
    if not user.has_perm("livestreams.enforce"):
        raise NotAServiceAccount


def refuse_unless_creator(stream: dict[str, Any]) -> None:
    """`stream` is a wire dictionary that is written for the caller."""
    if stream["role"] != LiveStream.Role.HOST:
        raise NotTheCreator


def refuse_unless_guest(user: User, stream: dict[str, Any]) -> None:
    """`stream` is a wire dictionary. A guest who has declined is not refused."""
    if user.pk not in [guest["_id"] for guest in stream["guests"]]:
        raise NotTheGuest


def refuse_unless_broadcaster_or_moderator(user: User, broadcasters: Collection[str]) -> None:
    """`broadcasters` are the ids of the creator and of a guest who has accepted."""
    if user.pk not in broadcasters and not MODERATES.function()(user):
        raise NotMemberOrModerator
