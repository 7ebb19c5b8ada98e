"""Bans and reports in the admin, where moderators decide about them. What needs a decision comes first."""

from bans.admin import claim_pages  # noqa: F401 - registers the pages of the queue
from bans.admin.filters import open_badge, waiting_badge
from bans.admin.pages import BanAdmin
from bans.admin.reports import ReportCaseAdmin

__all__ = ["BanAdmin", "ReportCaseAdmin", "open_badge", "waiting_badge"]
