"""What the admin shows of bans and reports where it shows streams: columns of the board, tabs of a page, a button."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bans.admin.access import may_decide
from bans.admin.reports import reasons_of
from bans.models import BanState, LiveStreamBan, ReportCase
from bans.services import is_open_for_bans
from common.admin import CardPart, Columns, Panel, add_card_part, add_columns, add_panel, link, linked
from common.admin.counting import COUNTED_BESIDE, written_count
from common.error_pages import RefusedParameter
from common.queries import CountUpTo
from common.times import written
from edges.reads import present_viewers
from livestreams.models import LiveStream

SHOWN = 50
BANS, VIEWERS, REPORTS = "bans", "viewers", "reports"
WHICH = "bans"  # the parameter of the tab of bans


def bans_of(ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The bans that hold and the unreviewed ones of each stream, as links to their lists."""
    bans = LiveStreamBan.objects.filter(stream=OuterRef("pk"))
    counted = LiveStream.all_objects.filter(pk__in=ids).values_list(
        "pk",
        CountUpTo(bans.holding(timezone.now()), COUNTED_BESIDE),
        CountUpTo(bans.filter(review=LiveStreamBan.Review.UNREVIEWED), COUNTED_BESIDE),
    )
    return {
        pk: {
            "bans": _linked(pk, holding, "holding=yes"),
            "unreviewed": _linked(pk, unreviewed, f"review__exact={LiveStreamBan.Review.UNREVIEWED}"),
        }
        for pk, holding, unreviewed in counted
    }


def _linked(stream_id: str, count: int, wanted: str) -> str:
    if not count:
        return "–"
    return link(f"{_list_of(stream_id)}&{wanted}", written_count(count))


def _list_of(stream_id: str) -> str:
    return f"{reverse('admin:bans_livestreamban_changelist')}?stream__id__exact={stream_id}"


# --- tabs -----------------------------------------------------------------------------------------


def bans_tab(request: HttpRequest, stream: LiveStream) -> dict[str, Any]:
    """The newest bans in force or, with `?bans=unreviewed`, those that wait for a review."""
    now = timezone.now()
    which = request.GET.get(WHICH, "holding")
    bans = LiveStreamBan.objects.filter(stream=stream)
    if which == "holding":
        bans, empty = bans.holding(now), _("No ban is in force.")
    elif which == "unreviewed":
        bans, empty = bans.filter(review=LiveStreamBan.Review.UNREVIEWED), _("No ban waits for a review.")
    else:
        raise RefusedParameter(_("%(name)s: this filter has no value “%(value)s”") % {"name": WHICH, "value": which})
    newest = bans.select_related("target", "created_by", "appeal").order_by("-created_at", "-pk")[:SHOWN]
    here = f"?tab={BANS}&{WHICH}"
    links = [
        (f"{here}=holding#tabs", _("In force")),
        (f"{here}=unreviewed#tabs", _("Unreviewed")),
        (_list_of(stream.pk), _("All bans in the list")),
    ]
    headers = [_("banned person"), _("kind"), _("reason"), _("ends"), _("review"), _("appeal"), _("by"), _("time")]
    return {
        "table": {"headers": headers, "rows": [_ban_row(ban, now) for ban in newest]},
        "links": links,
        "empty": empty,
    }


def _ban_row(ban: LiveStreamBan, now: datetime) -> list[Any]:
    appeal = ban.appeal_or_none
    ends = written(ban.expires_at) if ban.expires_at else _("until it is lifted")
    if not ban.holds(now):
        ends = f"{BanState.LAPSED.label}, {ends}"
    return [
        linked(ban, ban.target.username),
        ban.get_action_type_display(),
        ban.reason or "–",
        ends,
        ban.get_review_display(),
        appeal.get_state_display() if appeal else "–",
        ban.created_by.username,
        written(ban.created_at),
    ]


def viewers_tab(request: HttpRequest, stream: LiveStream) -> dict[str, Any]:
    """Who watches now, those who came last first; moderators can ban each."""
    may_ban = may_decide(request) and is_open_for_bans(stream)
    rows = []
    for viewer, first_seen_at, last_seen_at in present_viewers(stream.pk, now=timezone.now(), most=SHOWN):
        row = [linked(viewer, viewer.username), viewer.get_full_name(), written(first_seen_at), written(last_seen_at)]
        rows.append([*row, link(_ban_address(stream, viewer.username), _("Ban…"))] if may_ban else row)
    headers = [_("username"), _("name"), _("came"), _("last seen"), *([""] if may_ban else [])]
    return {"table": {"headers": headers, "rows": rows}, "empty": _("Nobody watches now.")}


def reports_tab(request: HttpRequest, stream: LiveStream) -> dict[str, Any]:
    cases = ReportCase.objects.filter(stream=stream).select_related("decided_by").order_by("-created_at", "-pk")[:SHOWN]
    rows = [
        [
            linked(case, written(case.created_at)),
            case.get_state_display(),
            case.report_count,
            reasons_of(case),
            case.decided_by.username if case.decided_by else "–",
        ]
        for case in cases
    ]
    headers = [_("time"), _("state"), _("number of reports"), _("reasons"), _("decided by")]
    return {"table": {"headers": headers, "rows": rows}, "empty": _("Nobody has reported this stream.")}


# --- the button -----------------------------------------------------------------------------------


def ban_button(request: HttpRequest, stream: LiveStream, now: datetime) -> CardPart:
    return CardPart(buttons=[(_ban_address(stream), _("Ban people…"))] if is_open_for_bans(stream) else [])


def _ban_address(stream: LiveStream, target: str = "") -> str:
    address = reverse("admin:ban_people", args=[stream.pk])
    return f"{address}?{urlencode({'target': target})}" if target else address


add_columns(
    LiveStream,
    Columns(
        {"bans": gettext_lazy("bans"), "unreviewed": gettext_lazy("unreviewed")},
        "bans.view_livestreamban",
        bans_of,
    ),
)
add_card_part(LiveStream, ban_button, permission="bans.moderate")
for panel in (
    Panel(BANS, gettext_lazy("Bans"), "bans.view_livestreamban", bans_tab, place=10),
    Panel(VIEWERS, gettext_lazy("Viewers"), "accounts.view_user", viewers_tab, place=20),
    Panel(REPORTS, gettext_lazy("Reports"), "bans.view_reportcase", reports_tab, place=30),
):
    add_panel(LiveStream, panel)
