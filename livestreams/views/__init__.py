"""Streams over HTTP."""

from livestreams.views.audience import AudienceViewSet, jwks
from livestreams.views.streams import LiveStreamViewSet

__all__ = ["AudienceViewSet", "LiveStreamViewSet", "jwks"]
