"""Who may ask for what, decided at the API's door; what may happen is decided in the services."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from common.refusals import Forbidden
from livestreams.models import LiveStream, role_of
from livestreams.services import NotTheCreatorOrGuest


class NotTheCreator(Forbidden):
    code = "not_the_creator"
    message = _("only the creator of the stream may do this")


class IsCreator(BasePermission):
    def has_object_permission(self, request: Request, view: Any, stream: LiveStream) -> bool:
        if stream.creator_id != request.user.pk:
            raise NotTheCreator
        return True


class IsCreatorOrGuest(BasePermission):
    def has_object_permission(self, request: Request, view: Any, stream: LiveStream) -> bool:
        role = role_of(request.user.pk, stream.creator_id, stream.guest_id, stream.guest_status)
        if role not in (LiveStream.Role.HOST, LiveStream.Role.GUEST):
            raise NotTheCreatorOrGuest
        return True
