"""Streams in the admin: the board of all streams, the page of one, and admin actions that call the services."""

from livestreams import finder  # noqa: F401 - its rows are found by Ctrl+K
from livestreams.admin.pages import LiveStreamAdmin

__all__ = ["LiveStreamAdmin"]
