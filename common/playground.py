"""The OpenAPI document of a running service, and the playground that sends calls from it."""

# drf-spectacular says that it is typed, and for the most part is not.
# mypy: disable-error-code="no-untyped-call"

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from common.views import AlwaysJSON

JSON = "application/vnd.oai.openapi+json"
YAML = "application/vnd.oai.openapi"


@cache
def _document() -> dict[str, Any]:
    with override("en"):
        document: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    return document


def document() -> dict[str, Any]:
    """The document with the addresses of this place."""
    servers = [
        {"url": settings.DEVELOPMENT_SERVER_URL, "description": "Development"},
        {"url": settings.PRODUCTION_SERVER_URL, "description": "Production"},
    ]
    return {**_document(), "servers": servers}


class PublicView(APIView):
    """For everybody, and no operation of the API itself."""

    schema = None
    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AlwaysJSON


class SchemaView(PublicView):
    def get(self, request: Request) -> HttpResponse:
        accepted = request.headers.get("Accept", "")
        if request.GET.get("format", "json" if "json" in accepted else "yaml") == "json":
            return HttpResponse(orjson.dumps(document()), content_type=JSON)
        return HttpResponse(OpenApiYamlRenderer().render(document()), content_type=YAML)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def content_security_policy() -> str:
    servers = " ".join(origin_of(url) for url in (settings.DEVELOPMENT_SERVER_URL, settings.PRODUCTION_SERVER_URL))
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src 'self' {servers}",
            "img-src 'self' data:",  # the icons inside Swagger UI's style sheet
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        )
    )


class PlaygroundView(PublicView):
    def get(self, request: HttpRequest) -> HttpResponse:
        shown = {"title": settings.SPECTACULAR_SETTINGS["TITLE"], "production": settings.PRODUCTION_SERVER_URL}
        response = render(request, "common/playground.html", shown)
        # API paths skip the middleware that would set these.
        response.headers["Content-Security-Policy"] = content_security_policy()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "same-origin"
        return response
