"""What members of staff choose for themselves in the admin."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import available_timezones

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import StaffPreferences, User
from accounts.services.sessions import UserMissing
from common import audit
from common.refusals import Forbidden, Invalid

# Names that exist for old systems: Etc/GMT-3 is three hours ahead of UTC, and EST5EDT is America/New_York.
NOT_OFFERED = ("Etc/", "SystemV/", "US/", "posix/", "right/")


@lru_cache
def time_zones() -> tuple[str, ...]:
    """The names of the time zones to choose from, sorted. `change_preferences` accepts every IANA name."""
    places = (name for name in available_timezones() if "/" in name and not name.startswith(NOT_OFFERED))
    return ("UTC", *sorted(places))


def change_preferences(
    *,
    by: User,
    now: datetime,
    language: str | None = None,
    time_zone: str | None = None,
    stay_on_case: bool | None = None,
) -> StaffPreferences:
    """Store what `by` chose; None leaves a value as it is, and an empty text means no choice.

    Preferences that stay the same write no audit row. Raises Invalid on `language` and `time_zone`, Forbidden,
    UserMissing.
    """
    if language and language not in dict(settings.LANGUAGES):
        raise Invalid("language", _("is no language of this service"))
    if time_zone and time_zone not in available_timezones():
        raise Invalid("time_zone", _("is no time zone"))
    wanted = {"language": language, "time_zone": time_zone, "stay_on_case": stay_on_case}
    with transaction.atomic():
        user = User.objects.locked(by.pk, otherwise=UserMissing)
        if not user.is_staff:
            raise Forbidden(_("only members of staff have preferences"))
        preferences = user.preferences
        before = {name: getattr(preferences, name) for name in wanted}
        after = before | {name: value for name, value in wanted.items() if value is not None}
        if changed := [name for name in after if after[name] != before[name]]:
            StaffPreferences.objects.update_or_create(user=user, defaults=after)
            audit.record(
                "change_preferences",
                user,
                by=by,
                now=now,
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
    return StaffPreferences(user=user, **after)
