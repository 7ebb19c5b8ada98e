"""Checks that the pages of moderators begin with."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from common.fields import OBJECT_ID


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


def refuse_wrong_id(text: str) -> None:
    """Raises Http404."""
    if not OBJECT_ID.fullmatch(text):
        raise Http404
