"""Bans and reports in the admin, where moderators decide about them. What needs a decision comes first."""

from bans.admin.filters import open_badge, waiting_badge
from bans.admin.pages import BanAdmin
from bans.admin.reports import ReportCaseAdmin
from bans.admin.requests import BulkRequestAdmin

__all__ = ["BanAdmin", "BulkRequestAdmin", "ReportCaseAdmin", "open_badge", "waiting_badge"]
