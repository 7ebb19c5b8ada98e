"""Bans over HTTP."""

from bans.views.appeals import MyBanViewSet
from bans.views.bans import LiveStreamBanViewSet
from bans.views.bulk import BulkBanViewSet

__all__ = ["BulkBanViewSet", "LiveStreamBanViewSet", "MyBanViewSet"]
