"""The OpenAPI document of a running service, and the playground that sends calls from it."""

# drf-spectacular is marked as typed, and most of it is not.
# mypy: disable-error-code="no-untyped-call"

from functools import cache
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from common.accept import rank
from common.compression import with_fixed_body
from common.etags import etag_of, is_known
from common.guides import guides
from common.languages import preferred_language
from common.playground_labels import labels
from common.playground_texts import texts
from common.schema.language import in_language
from common.views import AlwaysJSON

JSON = "application/vnd.oai.openapi+json"
YAML = "application/vnd.oai.openapi"
NO_PAGE = "LicenseRef-Proprietary"  # an SPDX identifier of terms that are in no list


@cache
def _document(language: str) -> dict[str, Any]:
    """Generated in English, the language of its texts. Another language is a translated copy."""
    if language != "en":
        return in_language(_document("en"), language)
    with override("en"):
        document: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    return document


def document(language: str, development: str, production: str) -> dict[str, Any]:
    """The document in a language, with the addresses of the servers, and the contact and licence of the settings."""
    with override(language):
        servers = [
            {"url": development, "description": gettext("Development")},
            {"url": production, "description": gettext("Production")},
        ]
    known = _document(language)
    contact = {name: value for name, value in settings.API_CONTACT.items() if value}
    return {**known, "info": {**known["info"], "contact": contact, "license": _license()}, "servers": servers}


def _license() -> dict[str, str]:
    """Terms without a page have an identifier that says so, because OpenAPI asks for one of both."""
    terms: dict[str, str] = settings.API_LICENSE
    return terms if terms["url"] else {"name": terms["name"], "identifier": NO_PAGE}


class RenderedDocument(NamedTuple):
    body: bytes
    content_type: str
    etag: str


_rendering = Lock()  # generating the document takes seconds: one thread does it, the others wait


@cache
def _rendered(kind: str, language: str, development: str, production: str) -> RenderedDocument:
    described = document(language, development, production)
    body = orjson.dumps(described) if kind == "json" else OpenApiYamlRenderer().render(described)
    return RenderedDocument(body, JSON if kind == "json" else YAML, etag_of(body))


def rendered_document(kind: str, language: str) -> RenderedDocument:
    """The document in bytes; `kind` is json or yaml. Each is rendered once in a process."""
    with _rendering:
        return _rendered(kind, language, settings.DEVELOPMENT_SERVER_URL, settings.PRODUCTION_SERVER_URL)


def preferred_form(accept: str) -> str:
    """json or yaml; yaml if the client prefers neither."""
    as_json = max(rank(accept, JSON), rank(accept, "application/json"))
    as_yaml = max(rank(accept, YAML), rank(accept, "application/yaml"))
    return "json" if as_json > as_yaml else "yaml"


def language_of(request: HttpRequest) -> str:
    """The query parameter `lang`, else what the headers ask for; one of `settings.LANGUAGES`."""
    chosen = request.GET.get("lang", "")
    return chosen if chosen in dict(settings.LANGUAGES) else preferred_language(request.META)


class PublicView(APIView):
    """A view without authentication, which is not part of the documented API."""

    schema = None
    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AlwaysJSON


class SchemaView(PublicView):
    def get(self, request: Request) -> HttpResponse:
        wanted = request.GET.get("format", preferred_form(request.headers.get("Accept", "")))
        language = language_of(request._request)
        rendered = rendered_document("json" if wanted == "json" else "yaml", language)
        headers = {
            "ETag": rendered.etag,
            "Cache-Control": "no-cache",
            "Content-Language": language,
            "Vary": "Accept, Accept-Language, X-Language",
        }
        if is_known(request.headers.get("If-None-Match", ""), rendered.etag):
            return HttpResponseNotModified(headers=headers)
        response = HttpResponse(rendered.body, content_type=rendered.content_type, headers=headers)
        return with_fixed_body(response, rendered.etag)


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
    """The page. `settings.PLAYGROUND` has what is particular to the API: see there."""

    def get(self, request: Request) -> HttpResponse:
        language = language_of(request._request)
        with override(language):
            response = render(request._request, "common/playground.html", shown(language))
        response.headers["Content-Language"] = language
        response.headers["Vary"] = "Accept-Language, X-Language"
        # API paths skip the middleware that would set these.
        response.headers["Content-Security-Policy"] = content_security_policy()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "same-origin"
        return response


def shown(language: str) -> dict[str, Any]:
    """The context of the template. Scripts read `options` from an attribute, because inline ones are forbidden."""
    words = texts()
    options = {
        "document": f"{reverse('schema')}?format=json&lang={language}",
        "development": settings.DEVELOPMENT_SERVER_URL,
        "production": settings.PRODUCTION_SERVER_URL,
        "login": settings.PLAYGROUND["login"],
        "logout": settings.PLAYGROUND["logout"],
        "probe": reverse("schema"),
        "ids": settings.PLAYGROUND["ids"],
        "texts": words,
        "labels": {} if language == "en" else labels(),
    }
    return {
        "title": settings.SPECTACULAR_SETTINGS["TITLE"],
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "language": language,
        "languages": settings.LANGUAGES,
        "accounts": [
            {**account, "role": settings.PLAYGROUND["roles"].get(account["role"], account["role"])}
            for account in settings.PLAYGROUND_ACCOUNTS
        ],
        "guides": guides(language),
        "texts": words,
        "options": orjson.dumps(options).decode(),
    }
