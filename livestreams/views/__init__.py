"""Streams over HTTP."""

from livestreams.views.found import FoundStreamViewSet
from livestreams.views.guests import GuestViewSet
from livestreams.views.own import OwnStreamsViewSet
from livestreams.views.streams import LiveStreamViewSet

__all__ = ["FoundStreamViewSet", "GuestViewSet", "LiveStreamViewSet", "OwnStreamsViewSet"]
