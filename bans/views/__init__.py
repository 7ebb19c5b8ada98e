"""Bans and reports over HTTP."""

from bans.views.appeals import MyBanViewSet
from bans.views.bans import LiveStreamBanViewSet
from bans.views.bulk import BulkBanViewSet
from bans.views.reports import ReportViewSet

__all__ = ["BulkBanViewSet", "LiveStreamBanViewSet", "MyBanViewSet", "ReportViewSet"]
