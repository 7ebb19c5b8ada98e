"""Streams in the admin: the board of all streams, the page of one, and admin actions that call the services."""

from livestreams.admin import finder, people_tab  # noqa: F401 - add to the palette and to the pages of people
from livestreams.admin.pages import LiveStreamAdmin

__all__ = ["LiveStreamAdmin"]
