"""What the contract requires of every token, list and response, as DRF classes."""

from typing import Any

from django.utils import timezone
from rest_framework.pagination import PageNumberPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed

from accounts.models import Session
from benchmarks.peers.sql import EXACT_UP_TO

REASONS = {
    401: "Authentication required",
    403: "Insufficient permissions",
    404: "Resource not found",
    409: "Resource already exists or cannot be changed in its current state",
}


class SessionJWTAuthentication(JWTAuthentication):
    """simplejwt checks the token and that its user is active. This class also checks the session."""

    def get_user(self, validated_token: Any) -> Any:
        user = super().get_user(validated_token)
        if not Session.objects.filter(pk=validated_token["sid"], user=user, ended_at__isnull=True).exists():
            raise AuthenticationFailed
        return user


def wire_time(moment: Any) -> str:
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


class EnvelopeRenderer(JSONRenderer):
    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        response = renderer_context["response"]
        is_success = response.status_code < 400
        body = {
            "isSuccess": is_success,
            "statusCode": response.status_code,
            "data": data if is_success else None,
            "errors": [] if is_success else [REASONS.get(response.status_code, "Validation failed")],
            "timestamp": wire_time(timezone.now()),
        }
        return super().render(body, accepted_media_type, renderer_context)


class ContractPagination(PageNumberPagination):
    page_size = 10
    page_size_query_param = "limit"
    max_page_size = 100

    def get_paginated_response(self, data: Any) -> Response:
        assert self.page is not None
        count = min(self.page.paginator.count, EXACT_UP_TO)
        pagination = {
            "currentPage": self.page.number,
            "totalPages": -(-count // self.page.paginator.per_page),
            "totalItems": count,
            "itemsPerPage": self.page.paginator.per_page,
            "hasNextPage": self.page.has_next(),
            "hasPrevPage": self.page.has_previous(),
        }
        return Response({"list": data, "pagination": pagination})
