"""Joining streams, their viewers, and lists that depend on who watches, over HTTP."""

from edges.views.audience import AudienceViewSet, jwks
from edges.views.discovery import DiscoveryViewSet, HistoryViewSet, PublicDiscoveryViewSet
from edges.views.feedback import FeedbackViewSet
from edges.views.joining import JoiningViewSet

__all__ = [
    "AudienceViewSet",
    "DiscoveryViewSet",
    "FeedbackViewSet",
    "HistoryViewSet",
    "JoiningViewSet",
    "PublicDiscoveryViewSet",
    "jwks",
]
