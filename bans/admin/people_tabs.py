"""Tabs of a person's page: bans on all streams, and appeals."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from bans.admin.words import holding_words
from bans.models import LiveStreamBan
from common.admin import Panel, add_panel, linked
from common.admin.paging import page_of_rows
from common.times import written

BANS, APPEALS = "bans", "appeals"


def bans_of(request: HttpRequest, person: User) -> dict[str, Any]:
    """All bans of the person, also on deleted streams, the newest first."""
    bans = LiveStreamBan.all_objects.filter(target=person).select_related("stream", "created_by", "reviewed_by")
    page = page_of_rows(request, bans, tab=BANS)
    headers = [_("time"), _("stream"), _("kind"), _("reason"), _("ends"), _("review"), _("by")]
    table = {"headers": headers, "rows": [_ban_row(request, ban) for ban in page.rows]}
    return {"table": table, "pages": page.links, "empty": _("There are no bans of this person.")}


def _ban_row(request: HttpRequest, ban: LiveStreamBan) -> list[Any]:
    return [
        linked(ban, written(ban.created_at)),
        _stream(request, ban),
        ban.get_action_type_display(),
        ban.reason or "–",
        " ".join(holding_words(ban, timezone.now())),
        " ".join(filter(None, [ban.get_review_display(), ban.reviewed_by.username if ban.reviewed_by else ""])),
        ban.created_by.username,
    ]


def _stream(request: HttpRequest, ban: LiveStreamBan) -> str:
    return (
        linked(ban.stream, ban.stream.title)
        if request.user.has_perm("livestreams.view_livestream")
        else ban.stream.title
    )


def appeals_of(request: HttpRequest, person: User) -> dict[str, Any]:
    """In the order of the bans, for which there is an index by person."""
    bans = LiveStreamBan.all_objects.filter(target=person, appeal__isnull=False).select_related("stream", "appeal")
    page = page_of_rows(request, bans, tab=APPEALS)
    rows = [
        [
            linked(ban, written(ban.appeal.created_at)),
            _stream(request, ban),
            ban.appeal.get_state_display(),
            ban.appeal.text,
        ]
        for ban in page.rows
    ]
    headers = [_("time"), _("stream"), _("state"), _("text")]
    table = {"headers": headers, "rows": rows}
    return {"table": table, "pages": page.links, "empty": _("There are no appeals of this person.")}


add_panel(User, Panel(BANS, gettext_lazy("Bans"), "bans.view_livestreamban", bans_of, place=10))
add_panel(User, Panel(APPEALS, gettext_lazy("Appeals"), "bans.view_livestreamban", appeals_of, place=20))
