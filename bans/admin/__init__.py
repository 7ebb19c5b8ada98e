"""Bans in the admin, where moderators uphold, change or lift them. Bans that need a review come first."""

from bans.admin.filters import waiting_badge
from bans.admin.pages import BanAdmin

__all__ = ["BanAdmin", "waiting_badge"]
