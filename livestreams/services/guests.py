"""Who may be named as guest, and why an act of a guest is refused."""

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.refusals import Conflict, Forbidden, Invalid
from livestreams.models import LiveStream


class NotTheGuest(Forbidden):
    code = "not_the_guest"
    message = _("only the guest of the stream may do this")


class NotTheCreatorOrGuest(Forbidden):
    code = "not_the_creator_or_guest"
    message = _("only the creator or a guest of the stream may do this")


class GuestHasDeclined(Conflict):
    code = "guest_has_declined"
    message = _("you have declined already; the creator of the stream can invite you again")


def check_guest(type: str, guest: str | None, *, creator_id: str) -> None:
    """Raises Invalid when `guest`, a user's id, does not fit the type of the stream or does not exist."""
    if type == LiveStream.Type.SOLO:
        if guest is not None:
            raise Invalid("guests", _("a solo stream has none"))
        return
    if guest is None:
        raise Invalid("guests", _("a duo stream has exactly one"))
    if guest == creator_id:
        raise Invalid("guests", _("the creator cannot be the guest"))
    if not User.objects.filter(pk=guest, is_active=True).exists():
        raise Invalid("guests", _("there is no user with the id %(id)s") % {"id": guest})
