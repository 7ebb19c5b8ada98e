"""Bans in the admin: those that wait for a review come first, and moderators uphold, change or lift them."""

from bans.admin.filters import waiting_badge
from bans.admin.pages import BanAdmin

__all__ = ["BanAdmin", "waiting_badge"]
