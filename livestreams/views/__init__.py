"""Streams over HTTP."""

from livestreams.views.guests import GuestViewSet
from livestreams.views.streams import LiveStreamViewSet

__all__ = ["GuestViewSet", "LiveStreamViewSet"]
