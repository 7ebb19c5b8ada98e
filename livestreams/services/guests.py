"""The guest of a stream: who may be named, and the guest's answer."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.refusals import Invalid
from livestreams.models import ANSWERABLE, GuestStatus, LiveStream
from livestreams.services.changes import change_stream, locked_stream
from livestreams.services.refusals import GuestAnswerTooLate, GuestHasDeclined, NotTheGuest


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


@transaction.atomic
def accept_guest(stream_id: str, *, by: User, now: datetime) -> LiveStream:
    """Accept. Idempotent. Raises NotTheGuest, GuestAnswerTooLate, GuestHasDeclined."""
    stream = _locked_for_answer(stream_id, by)
    if stream.guest_status == GuestStatus.DECLINED:
        raise GuestHasDeclined
    return change_stream(stream, "accept_guest", by=by, now=now, guest_status=GuestStatus.ACCEPTED)


@transaction.atomic
def decline_guest(stream_id: str, *, by: User, now: datetime) -> LiveStream:
    """Decline, or leave after accepting. Idempotent. Raises NotTheGuest, GuestAnswerTooLate."""
    stream = _locked_for_answer(stream_id, by)
    return change_stream(stream, "decline_guest", by=by, now=now, guest_status=GuestStatus.DECLINED)


def _locked_for_answer(stream_id: str, guest: User) -> LiveStream:
    stream = locked_stream(stream_id)
    if guest.pk != stream.guest_id:
        raise NotTheGuest
    if stream.status not in ANSWERABLE:
        raise GuestAnswerTooLate(stream.status)
    return stream
