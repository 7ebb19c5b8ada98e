"""Tabs of a person's page: sessions, what the person did, and what was done to the person."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from accounts.models import Session, User
from common.admin import Panel, add_panel
from common.admin.audit_trail import tab_of
from common.admin.paging import page_of_rows
from common.models import AuditEntry
from common.times import written

SESSIONS, DONE, TRAIL = "sessions", "done", "trail"


def sessions_of(request: HttpRequest, person: User) -> dict[str, Any]:
    now = timezone.now()
    page = page_of_rows(request, Session.objects.filter(user=person), tab=SESSIONS)
    rows = [[written(one.created_at), _state(one, now), written(one.ended_at or one.expires_at)] for one in page.rows]
    headers = [_("began"), _("state"), _("ends or ended")]
    table = {"headers": headers, "rows": rows}
    return {"table": table, "pages": page.links, "empty": _("There are no sessions.")}


def _state(session: Session, now: Any) -> str:
    if session.ended_at is not None:
        return pgettext("session", "was ended")
    return pgettext("session", "holds") if session.holds(now) else pgettext("session", "has expired")


def done_by(request: HttpRequest, person: User) -> dict[str, Any]:
    return tab_of(request, AuditEntry.objects.filter(actor_id=person.pk), tab=DONE)


def done_to(request: HttpRequest, person: User) -> dict[str, Any]:
    return tab_of(request, AuditEntry.objects.filter(target_type="user", target_id=person.pk), tab=TRAIL)


for panel in (
    Panel(SESSIONS, gettext_lazy("Sessions"), "accounts.view_session", sessions_of, place=40),
    Panel(DONE, gettext_lazy("Done by this person"), "common.view_auditentry", done_by, place=50),
    Panel(TRAIL, gettext_lazy("Audit trail"), "common.view_auditentry", done_to, place=60),
):
    add_panel(User, panel)
