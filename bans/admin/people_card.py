"""What the card of a person says about bans: how many there were, and the penalty that is in force."""

from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from bans.models import LiveStreamBan
from bans.records import COUNTED, HOLDING_SHOWN, Record, bans_in_force, record_of
from common.admin import CardPart, Fact, Notice, add_card_part, page_of
from common.texts import isolated
from common.times import written


def bans_of(request: HttpRequest, user: User, now: datetime) -> CardPart:
    """Two statements."""
    record = record_of(user.pk)
    if not record.bans:
        return CardPart(facts=[Fact(_("bans"), _("none"))])
    return CardPart(facts=_numbers(user, record), notices=_penalties(bans_in_force(user.pk, now=now)))


def _numbers(user: User, record: Record) -> list[Fact]:
    every = f"{reverse('admin:bans_livestreamban_changelist')}?{urlencode({'q': user.pk})}"
    bans = f"{COUNTED}+" if record.has_more else str(record.bans)
    appeals = str(record.appeals)
    if record.pending:
        pending = ngettext("%(count)d pending", "%(count)d pending", record.pending) % {"count": record.pending}
        appeals = f"{appeals} ({pending})"
    return [
        Fact(_("bans"), bans, every),
        Fact(_("upheld or changed"), str(record.upheld)),
        Fact(_("lifted"), str(record.lifted)),
        Fact(_("appeals"), appeals),
    ]


def _penalties(bans: list[LiveStreamBan]) -> list[Notice]:
    shown = [Notice(_penalty(ban), page_of(ban), "danger") for ban in bans[:HOLDING_SHOWN]]
    return [*shown, Notice(_("More bans hold: see the list of bans."))] if len(bans) > HOLDING_SHOWN else shown


def _penalty(ban: LiveStreamBan) -> str:
    end = _("until it is lifted") if ban.expires_at is None else _("until %(end)s") % {"end": written(ban.expires_at)}
    names = {"kind": ban.get_action_type_display(), "stream": isolated(ban.stream.title), "end": end}
    return _("In force: %(kind)s on “%(stream)s”, %(end)s") % names


add_card_part(User, bans_of, permission="bans.view_livestreamban")
