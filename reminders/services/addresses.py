"""The address of a user's own calendar: make it, replace it, revoke it."""

from datetime import datetime
from secrets import token_urlsafe
from typing import NamedTuple

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services import UserMissing
from common import audit
from common.refusals import Missing
from reminders.models import CalendarAddress, digest_of


class CalendarAddressMissing(Missing):
    code = "calendar_address_not_found"
    message = _("you have no calendar address")


class NewAddress(NamedTuple):
    """The secret is not stored, so this is the only time that anybody sees it."""

    secret: str
    created_at: datetime


@transaction.atomic
def create_calendar_address(*, by: User, now: datetime) -> NewAddress:
    """Give `by` a new calendar address. An address from before stops working. Raises UserMissing."""
    User.objects.locked(by.pk, otherwise=UserMissing)
    secret = token_urlsafe(32)
    known = CalendarAddress.objects.filter(user=by).first()
    before = {} if known is None else {"created_at": known.created_at}
    address = known or CalendarAddress(user=by)
    address.digest, address.created_at = digest_of(secret), now
    address.save()
    audit.record("create_calendar_address", address, by=by, now=now, before=before, after={"created_at": now})
    return NewAddress(secret, now)


@transaction.atomic
def delete_calendar_address(*, by: User, now: datetime) -> CalendarAddress:
    """Delete the calendar address of `by` and return it. Raises CalendarAddressMissing."""
    address = CalendarAddress.objects.for_update().filter(user=by).first()
    if address is None:
        raise CalendarAddressMissing
    CalendarAddress.objects.filter(pk=address.pk).delete()
    before = {"created_at": address.created_at}
    audit.record("delete_calendar_address", address, by=by, now=now, before=before, after={})
    return address
