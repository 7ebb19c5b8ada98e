"""Who may open the pages of moderators, and decide there."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def may_decide(request: HttpRequest) -> bool:
    return request.user.has_perm("bans.moderate")


def refuse_unless_viewer(request: HttpRequest) -> None:
    """Raises PermissionDenied."""
    if not request.user.has_perm("bans.view_livestreamban"):
        raise PermissionDenied


def refuse_unless_moderator(request: HttpRequest) -> None:
    """Raises PermissionDenied."""
    if not may_decide(request):
        raise PermissionDenied
