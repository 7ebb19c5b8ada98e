"""The figures of moderators, for those who lead them."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from bans.models import LiveStreamBan
from bans.team_figures import DAY, MONTH, WEEK, Figures, team_figures
from common.admin import add_page, linked, page_context
from common.times import written

Review = LiveStreamBan.Review
PERMISSION = "bans.view_team_figures"


@require_safe
def team(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now = timezone.now()
    found = team_figures(now=now)
    may_see_people = request.user.has_perm("accounts.view_user")
    headers = [
        _("moderator"),
        _("last 24 hours"),
        _("last 7 days"),
        _("last 30 days"),
        *(str(verdict.label) for verdict in (Review.UPHELD, Review.CHANGED, Review.LIFTED)),
        _("overturned"),
        _("median time to the decision"),
    ]
    context = {
        **page_context(request, _("Team")),
        "table": {"headers": headers, "rows": [_row(one, linking=may_see_people) for one in found.figures]},
        "explanation": _(
            "Decisions on bans, with those that were overturned since: overruled or taken back by somebody else."
            " Verdicts, overturned and the median are of the last 30 days."
        ),
        "cut": found.since
        and _("There are more decisions: these are the ones since %(moment)s.") % {"moment": written(found.since)},
        "empty": _("Nobody has decided about a ban in the last 30 days."),
    }
    return TemplateResponse(request, "admin/team.html", context)


def _row(figures: Figures, *, linking: bool) -> list[Any]:
    person = figures.moderator
    return [
        linked(person, person.username) if linking else person.username,
        *(number_format(figures.decisions[period]) for period in (DAY, WEEK, MONTH)),
        *(number_format(figures.by_verdict[verdict]) for verdict in (Review.UPHELD, Review.CHANGED, Review.LIFTED)),
        _overturned(figures),
        _duration(figures.median_seconds),
    ]


def _overturned(figures: Figures) -> str:
    share = _("%(percent)s%%") % {"percent": number_format(round(100 * figures.overturned_share))}
    return f"{number_format(figures.overturned)} ({share})" if figures.overturned else "0"


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return _("less than a minute")
    end = timezone.now()
    return timesince(end - timedelta(seconds=seconds), end, depth=2)


add_page("bans/team/", team, name="team")
