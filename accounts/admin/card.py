"""The card of a person: name, photo, state and age of the account; and how many notes there are."""

from datetime import datetime

from django.http import HttpRequest
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import User
from accounts.serializers import file_url
from common.admin import CardPart, Fact, Head, add_card, add_card_part

AVAILABILITY_COLOURS: dict[str, str] = {
    User.Availability.AVAILABLE: "success",
    User.Availability.BUSY: "warning",
    User.Availability.OFFLINE: "default",  # without a colour, Unfold shows the untranslated value
}


def head_of(user: User) -> Head:
    photo = user.profile_photo
    return Head(
        title=user.shown_name,
        subtitle=f"@{user.username}",
        picture=file_url(photo.variants["160"]) if photo else "",
        initials=user.initials,
    )


def account_of(request: HttpRequest, user: User, now: datetime) -> CardPart:
    state = (_("active account"), "success") if user.is_active else (_("deactivated"), "danger")
    staff = [(_("superuser") if user.is_superuser else _("staff"), "info")] if user.is_staff else []
    availability = (
        str(user.get_availability_status_display()),
        AVAILABILITY_COLOURS.get(user.availability_status, "default"),
    )
    age = timesince(user.created_at, now, depth=1)
    return CardPart(labels=[state, *staff, availability], facts=[Fact(pgettext("account", "account for"), age)])


add_card(User, head_of)
add_card_part(User, account_of, permission="accounts.view_user")
