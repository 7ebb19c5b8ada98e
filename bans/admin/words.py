"""Bans in words, for the pages of the admin."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from bans.models import LiveStreamBan, state_at
from common.times import written


def state_words(ban: LiveStreamBan, now: datetime) -> str:
    return str(state_at(ban.deleted_at, ban.expires_at, now).label)


def holding_words(ban: LiveStreamBan, now: datetime) -> tuple[str, str]:
    """Whether the ban holds, and when it ends, ended or was lifted."""
    if ban.deleted_at is not None:
        return pgettext("ban", "was lifted"), written(ban.deleted_at)
    if ban.expires_at is None:
        return pgettext("ban", "holds"), _("until it is lifted")
    return pgettext("ban", "holds") if ban.holds(now) else pgettext("ban", "has ended"), written(ban.expires_at)
