"""What the pages of bans and of cases share: only moderators may change something there."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from common.admin import ActionAdmin


class ModerationAdmin(ActionAdmin):
    """Offers its actions to users with the permission `bans.moderate`."""

    def has_admin_action_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("bans.moderate")

    def get_urls(self) -> list[URLPattern]:
        """Unauthorised POSTs are answered with 403 instead of Django's redirect to the login page."""
        addresses: list[URLPattern] = super().get_urls()
        for address in addresses:
            address.callback = self._for_moderators(address.callback)
        return addresses

    def _for_moderators(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        def refusing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if (
                request.method == "POST"
                and request.user.is_authenticated
                and not self.has_admin_action_permission(request)
            ):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return refusing
