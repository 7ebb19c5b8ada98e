"""Bans and reports in the admin, where moderators decide about them. What needs a decision comes first."""

from bans.admin import (  # noqa: F401 - register their pages, tabs and parts
    ban_people,
    ban_person,
    claim_pages,
    finder,
    people_card,
    people_tabs,
    raids,
    streams,
    team,
)
from bans.admin.filters import open_badge, waiting_badge
from bans.admin.pages import BanAdmin
from bans.admin.reports import ReportCaseAdmin
from bans.admin.requests import BulkRequestAdmin

__all__ = ["BanAdmin", "BulkRequestAdmin", "ReportCaseAdmin", "open_badge", "waiting_badge"]
