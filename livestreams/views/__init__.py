"""Streams over HTTP."""

from livestreams.views.found import FoundStreamViewSet
from livestreams.views.guests import GuestViewSet
from livestreams.views.own import OwnStreamsViewSet
from livestreams.views.streams import LiveStreamViewSet
from livestreams.views.thumbnails import ThumbnailViewSet

__all__ = ["FoundStreamViewSet", "GuestViewSet", "LiveStreamViewSet", "OwnStreamsViewSet", "ThumbnailViewSet"]
