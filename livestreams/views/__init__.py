"""Streams over HTTP."""

from livestreams.views.audience import AudienceViewSet, jwks
from livestreams.views.guests import GuestViewSet
from livestreams.views.streams import LiveStreamViewSet

__all__ = ["AudienceViewSet", "GuestViewSet", "LiveStreamViewSet", "jwks"]
