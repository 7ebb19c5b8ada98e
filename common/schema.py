"""The OpenAPI document: every answer in its envelope, and every error that an operation's views can make."""

# drf-spectacular says that it is typed, and for the most part is not.
# mypy: disable-error-code="no-untyped-call"

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from itertools import count
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import (
    ResolvedComponent,
    build_parameter_type,
    force_instance,
    get_lib_doc_excludes,
    is_basic_serializer,
    is_list_serializer,
)
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission, IsAuthenticated

from common.api import (
    HTTP_CODES,
    JSON,
    PROBLEM_JSON,
    TITLES,
    HeadersTooLarge,
    PayloadTooLarge,
    RequestTimeout,
    UriTooLong,
    status_of,
)
from common.cursors import PATTERN as CURSOR_PATTERN
from common.fields import OBJECT_ID
from common.pagination import NEXT_CURSOR, PLACE, PlaceField
from common.refusals import Forbidden, Invalid, Missing, Refusal, Unauthenticated, Unavailable
from common.rows import Derived, ReadSerializer, Siblings, ZeroOrOne
from common.serializers import AtLeastOneSerializer, IdField, InputSerializer, StrictString, WireTime
from common.server.requests import LARGEST_HEADERS, LONGEST_TARGET
from common.server.threads import ServerBusy
from common.text_fields import OneLine
from common.views import BODY_METHODS, ApiViewSet

type Schema = dict[str, Any]
# The codes of one status, each with the reasons that its example gives.
type Codes = dict[str, list[str]]

WARNING = (
    "⚠️ **Production warning.** This operation alters data or triggers work. With the *Production* server "
    "selected, real data is affected. Use the *Development* server for tests."
)
EXAMPLE_ID = "673ac9e2c93fe18d3fdd23f1"
EXAMPLE_TIME = "2026-01-15T10:30:00.000Z"
EXAMPLE_REQUEST_ID = "0b8c8d0e4d2f4b0f9d3a5c1e7f6a2b34"
EXAMPLE_CURSOR = "AUx2Z9q0hAAGSBa7p8PAZzrJ4sk_4Y0_3SPx"

ID: Schema = {"type": "string", "pattern": f"^{OBJECT_ID.pattern}$", "examples": [EXAMPLE_ID]}
WRITTEN_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
    "examples": [EXAMPLE_TIME],
}
READ_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "description": "With a time zone.",
    "examples": [EXAMPLE_TIME],
}
# DRF refuses NUL everywhere, and text that is nothing but spaces where text is needed.
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
NO_NUL = r"^[^\x00]*$"

FAILURE: Schema = {
    "type": "object",
    "description": "An error. `errors[0]` follows from the status in every language; the rest is for people.",
    "properties": {
        "isSuccess": {"type": "boolean", "const": False},
        "statusCode": {"type": "integer", "description": "Equals the HTTP status."},
        "data": {"type": "null"},
        "errors": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "timestamp": WRITTEN_TIME,
    },
    "required": ["isSuccess", "statusCode", "data", "errors", "timestamp"],
    "additionalProperties": False,
}
PROBLEM: Schema = {
    "type": "object",
    "description": "An error after RFC 9457, for who sends `Accept: application/problem+json`.",
    "properties": {
        "type": {"type": "string", "format": "uri", "pattern": f"^{settings.PROBLEM_TYPE_PREFIX}"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "string"}},
        "requestId": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "code", "errors", "requestId"],
    "additionalProperties": False,
}
REQUEST_ID: Schema = {
    "description": "Names this request in the logs and the audit trail: the caller's, if it sent a sane one.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$", "examples": [EXAMPLE_REQUEST_ID]},
}
BEARER: Schema = {"required": True, "schema": {"type": "string", "const": "Bearer"}}
ETAG: Schema = {
    "description": "Changes with the content. Send it back as `If-None-Match`.",
    "required": True,
    "schema": {"type": "string", "pattern": '^(W/)?"[^"]*"$', "examples": ['"2f9a4c5e7b6d8f1a"']},
}
RETRY_AFTER: Schema = {
    "description": "Seconds to wait before trying again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 0, "examples": [1]},
}

CURSOR: Schema = {
    "description": "For `after` of the next page; there when `hasNextPage` is true. Opaque: it holds the place of the "
    "last item as this page has it, so that a walk misses and repeats nothing when that item changes meanwhile.",
    "required": False,
    "schema": {"type": "string", "pattern": f"^{CURSOR_PATTERN}$", "examples": [EXAMPLE_CURSOR]},
}

SHARED: dict[str, tuple[str, Schema]] = {
    "Failure": (ResolvedComponent.SCHEMA, FAILURE),
    "Problem": (ResolvedComponent.SCHEMA, PROBLEM),
    "X-Request-ID": (ResolvedComponent.HEADER, REQUEST_ID),
    NEXT_CURSOR: (ResolvedComponent.HEADER, CURSOR),
}


def bases_without_text() -> list[type]:
    """Classes whose docstrings are for us, not for the document's readers."""
    return [
        *get_lib_doc_excludes(),
        ApiViewSet,
        AtLeastOneSerializer,
        InputSerializer,
        PageSerializer,
        ReadSerializer,
    ]


# --- lists ----------------------------------------------------------------------------------------


class Pagination(serializers.Serializer[Any]):
    currentPage = serializers.IntegerField(min_value=1)
    totalPages = serializers.IntegerField(min_value=0)
    totalItems = serializers.IntegerField(min_value=0)
    itemsPerPage = serializers.IntegerField(min_value=1, max_value=100)
    hasNextPage = serializers.BooleanField()
    hasPrevPage = serializers.BooleanField()


class PageSerializer(serializers.Serializer[Any]):
    """The base of what lists answer; such an answer may have a cursor."""


@cache
def page_of(item: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """What a list of such items answers, for `responses=`."""
    name = item.__name__.removesuffix("Serializer") + "Page"
    return type(name, (PageSerializer,), {"list": item(many=True), "pagination": Pagination()})


# --- operations -----------------------------------------------------------------------------------


def enveloped(status: int, data: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "isSuccess": {"type": "boolean", "const": True},
            "statusCode": {"type": "integer", "const": status},
            "data": data,
            "errors": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
            "timestamp": WRITTEN_TIME,
        },
        "required": ["isSuccess", "statusCode", "data", "errors", "timestamp"],
        "additionalProperties": False,
    }


def error_response(status: int, codes: Codes) -> Schema:
    """The response object of a status: both forms of the body, an example for each code."""
    title = TITLES[status]
    headers: Schema = {
        "X-Error-Code": {
            "description": "The reason, for machines.",
            "required": True,
            "schema": {"type": "string", "enum": list(codes)},
        },
        "X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"},
    }
    if status == 401:
        headers["WWW-Authenticate"] = BEARER
    if status in (429, 503):
        headers["Retry-After"] = RETRY_AFTER
    failure = {"statusCode": {"const": status}, "errors": {"contains": {"const": title}}}
    problem = {"status": {"const": status}, "title": {"const": title}, "code": {"enum": list(codes)}}
    return {
        "description": title,
        "headers": headers,
        "content": {
            JSON: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Failure"}, {"properties": failure}]},
                "examples": {
                    code: {
                        "value": {
                            "isSuccess": False,
                            "statusCode": status,
                            "data": None,
                            "errors": [title, *reasons],
                            "timestamp": EXAMPLE_TIME,
                        }
                    }
                    for code, reasons in codes.items()
                },
            },
            PROBLEM_JSON: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": problem}]},
                "examples": {
                    code: {
                        "value": {
                            "type": settings.PROBLEM_TYPE_PREFIX + code,
                            "title": title,
                            "status": status,
                            "detail": "; ".join(reasons) or title,
                            "code": code,
                            "errors": reasons,
                            "requestId": EXAMPLE_REQUEST_ID,
                        }
                    }
                    for code, reasons in codes.items()
                },
            },
        },
    }


class EnvelopeSchema(AutoSchema):
    """Views declare what success looks like and, in `refusals`, what an action can refuse with.

    The envelope around the one and the answers that follow from the other are written here. Authenticators
    declare `refusals` too.
    """

    def get_operation(self, *args: Any, **kwargs: Any) -> Schema | None:
        operation: Schema | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        if self.method not in SAFE_METHODS:
            operation["description"] = f"{WARNING}\n\n{operation.get('description', '')}".strip()
        if "304" in operation["responses"]:
            for cached in ("200", "304"):
                operation["responses"][cached]["headers"]["ETag"] = ETAG
        if "requestBody" in operation and self.method == "PATCH":
            # An edit needs none of its fields, but one of them.
            operation["requestBody"]["required"] = True
        for component, (kind, schema) in SHARED.items():
            self.registry.register_on_missing(ResolvedComponent(component, kind, schema, object=component))
        for status, codes in sorted(self.errors(operation).items()):
            operation["responses"][str(status)] = self._shared(status, codes)
        return operation

    def errors(self, operation: Schema) -> dict[int, Codes]:
        """Every error status that the operation can answer, with its codes."""
        found: dict[int, Codes] = defaultdict(dict)
        for kind in self._refusals():
            found[status_of(kind)].setdefault(kind.code, [str(kind.message)])
        places = {parameter["in"] for parameter in operation.get("parameters", [])}
        # Also where neither a query nor a body is taken: one that is sent all the same is refused.
        found[400][Invalid.code] = [self._broken_rule()]
        found[400][HTTP_CODES[400]] = ["body: is not JSON: unexpected character at line 1, column 1"]
        found[415][HTTP_CODES[415]] = [str(UnsupportedMediaType("text/plain").detail)]
        if "path" in places:
            found[404][Missing.code] = [str(Missing.message)]
        limit: Any = getattr(self.view, "upload_limit", None) or getattr(
            self.view, "body_limit", settings.JSON_BODY_LIMIT
        )
        # What the server refuses before a view sees it, whatever the operation.
        found[408][HTTP_CODES[408]] = [str(RequestTimeout.default_detail)]
        found[413][HTTP_CODES[413]] = [str(PayloadTooLarge(limit).detail)]
        found[414][HTTP_CODES[414]] = [str(UriTooLong(LONGEST_TARGET).detail)]
        found[431][HTTP_CODES[431]] = [str(HeadersTooLarge(LARGEST_HEADERS).detail)]
        found[503][ServerBusy.code] = [str(ServerBusy.message)]
        found[500][HTTP_CODES[500]] = []
        found[503].setdefault(HTTP_CODES[503], [str(Unavailable.message)])
        return found

    def _refusals(self) -> Iterator[type[Refusal]]:
        permissions = self.view.get_permissions()
        for authenticator in self.view.get_authenticators():
            # Where a token is optional, none is ever missing.
            if any(isinstance(permission, IsAuthenticated) for permission in permissions):
                yield Unauthenticated
            yield from getattr(authenticator, "refusals", ())
        for permission in permissions:
            asks = type(permission).has_permission is not BasePermission.has_permission
            if asks and not isinstance(permission, (AllowAny, IsAuthenticated)):
                yield Forbidden
        yield from getattr(self.view, "refusals", {}).get(getattr(self.view, "action", ""), ())

    def _broken_rule(self) -> str:
        """An example of what a 400 of this operation says."""
        if variables := re.findall(r"{(\w+)}", self.path):
            return f"{variables[0]}: {IdField().error_messages['id']}"
        body: Any = self.get_request_serializer() if self.method in BODY_METHODS else None
        sent = next(iter(body.values())) if isinstance(body, dict) else body
        if is_basic_serializer(sent):
            for name, field in force_instance(sent).fields.items():
                if field.required:
                    return f"{name}: {field.error_messages['required']}"
        for parameter in self.get_override_parameters():
            if is_basic_serializer(parameter):
                for name, field in force_instance(parameter).fields.items():
                    if "invalid" in field.error_messages:
                        return f"{name}: {field.error_messages['invalid']}"
        return "dryrun: unknown"

    def _shared(self, status: int, codes: Codes) -> Schema:
        """A reference to the component that holds this response; the same content is one component."""
        response = error_response(status, codes)
        name = "Or".join(code.title().replace("_", "") for code in codes)
        for number in count(1):
            component = ResolvedComponent(
                name if number == 1 else f"{name}{number}",
                ResolvedComponent.RESPONSE,
                response,
                object=response,
            )
            self.registry.register_on_missing(component)
            if self.registry[component].schema == response:
                break
        return {"$ref": f"#/components/responses/{component.name}"}

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: Any = "response"
    ) -> Schema:
        response: Schema = super()._get_response_for_code(serializer, status_code, media_types, direction)
        declared = serializer.response if isinstance(serializer, OpenApiResponse) else serializer
        status = int(status_code)
        content: Schema = response.get("content", {})
        # What is declared as of another kind, `(200, "text/plain")`, comes bare.
        if media_types is None:
            data = content.get(JSON, {}).get("schema", {"type": "null"})
            if getattr(declared, "allow_null", False):
                data = {"oneOf": [data, {"type": "null"}]}
            content = {JSON: {"schema": enveloped(status, data)}}
        headers: Schema = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
        if is_basic_serializer(declared) and isinstance(force_instance(declared), PageSerializer):
            headers[NEXT_CURSOR] = {"$ref": f"#/components/headers/{NEXT_CURSOR}"}
        answer: Schema = {
            "description": (declared is not serializer and serializer.description) or HTTPStatus(status).phrase,
            "headers": headers,
            "content": content,
        }
        if status == HTTPStatus.NOT_MODIFIED:  # has no body: RFC 9110, section 15.4.5
            del answer["content"]
        return answer

    def _get_serializer_field_meta(self, field: serializers.Field, direction: Any) -> Schema:
        meta: Schema = super()._get_serializer_field_meta(field, direction)
        # A label made of the name says nothing, a derived field's child says itself that it may be null,
        # and an id's pattern says how long it is.
        superfluous = {"title"}
        superfluous |= {"nullable"} if isinstance(field, Derived) else set()
        # A form cannot say null, only leave out.
        superfluous |= {"nullable"} if getattr(field.parent, "documented_as_form", False) else set()
        superfluous |= {"minLength"} if isinstance(field, IdField) else set()
        return {name: value for name, value in meta.items() if name not in superfluous}

    def _insert_field_validators(self, field: serializers.Field, schema: Schema) -> None:
        super()._insert_field_validators(field, schema)
        if isinstance(field, StrictString):
            plain = NO_NUL if field.allow_blank or not field.trim_whitespace else NOT_BLANK
            schema.setdefault("pattern", field.pattern if isinstance(field, OneLine) else plain)

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Schema:
        schema: Schema = super()._map_basic_serializer(serializer, direction)
        if self.method == "PATCH" and direction == "request":
            schema["minProperties"] = 1
        if isinstance(declared := force_instance(serializer), InputSerializer):
            for name in sorted(declared.ignored_keys):
                schema["properties"][name] = {"description": "Accepted and ignored."}
            schema["additionalProperties"] = False
        return schema

    def _is_list_view(self, serializer: Any = None) -> bool:
        # Lists are declared by `page_of`; what an action is called says nothing.
        return is_list_serializer(serializer)

    def _resolve_path_parameters(self, variables: Any) -> list[Schema]:
        # ApiViewSet refuses everything else, whatever the parameter is called.
        return [build_parameter_type(name=name, location="path", schema=ID) for name in variables]


# --- fields and tokens ----------------------------------------------------------------------------


class ComputedFieldSchema(OpenApiSerializerFieldExtension):
    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        return auto_schema._map_serializer_field(self.target.child, direction)


class DerivedFieldSchema(ComputedFieldSchema):
    target_class = Derived


class SiblingsFieldSchema(ComputedFieldSchema):
    target_class = Siblings


class ZeroOrOneFieldSchema(OpenApiSerializerFieldExtension):
    target_class = ZeroOrOne

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        schema = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {**schema, "maxItems": 1}


class IdFieldSchema(OpenApiSerializerFieldExtension):
    target_class = IdField
    match_subclasses = True

    def map_serializer_field(self, *_: Any) -> Schema:
        return dict(ID)


class PlaceFieldSchema(OpenApiSerializerFieldExtension):
    target_class = PlaceField

    def map_serializer_field(self, *_: Any) -> Schema:
        return {"type": "string", "pattern": f"^({PLACE.pattern})$", "examples": [EXAMPLE_CURSOR]}


class WireTimeSchema(OpenApiSerializerFieldExtension):
    target_class = WireTime
    match_subclasses = True

    def map_serializer_field(self, _: AutoSchema, direction: Any) -> Schema:
        return dict(READ_TIME if direction == "request" else WRITTEN_TIME)


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.TokenAuthentication"
    name = "JWT-auth"
    priority = 1

    def get_security_definition(self, *_: Any) -> Schema:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Paste the access token alone, without the word Bearer.",
        }
