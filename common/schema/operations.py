"""The operations of the OpenAPI document: successes in their envelope, and all errors that views can answer."""

# drf-spectacular is marked as typed, and most of it is not.
# mypy: disable-error-code="no-untyped-call"

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

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
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission, IsAuthenticated

from common import etags, idempotency, preconditions
from common.api import HTTP_CODES, JSON, status_of
from common.pagination import NEXT_CURSOR, TOTAL_COUNT, PageTooDeep
from common.rate_limits.calls import RateLimited
from common.rate_limits.policies import READ, SEARCH, WRITE, names_of
from common.refusals import (
    Forbidden,
    Invalid,
    Missing,
    PreconditionUnmet,
    Refusal,
    Unauthenticated,
)
from common.rows import Derived, ReadSerializer
from common.schema.components import FAILURE, ID, PROBLEM, Schema, envelope_of
from common.schema.errors import codes, error_response
from common.schema.headers import (
    LANGUAGE,
    REQUEST_ID,
    header_components,
    header_ref,
    headers_of_answer,
    parameter_ref,
)
from common.schema.pages import CountSerializer, PageSerializer, type_name
from common.serializers import AtLeastOneSerializer, IdField, InputSerializer, StrictString
from common.server.threads import ServerBusy
from common.text_fields import OneLine
from common.views import BODY_METHODS, CHANGING_METHODS, ApiViewSet, changes_one_object

WARNING = (
    "⚠️ **Production warning.** This operation alters data or triggers work. With the *Production* server "
    "selected, real data is affected. Use the *Development* server for tests."
)
RATE_LIMIT_EXTENSION = "x-rate-limits"  # of an operation
ORDER = (
    *("operationId", "summary", "description", "tags", "deprecated", "security", RATE_LIMIT_EXTENSION),
    *("parameters", "requestBody", "responses"),
)
# DRF refuses NUL everywhere, and text of nothing but spaces where text is required.
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
SUCCESSES = {"200", "201", "202", "204"}
NO_NUL = r"^[^\x00]*$"


def shared_components() -> Iterator[ResolvedComponent]:
    """What operations refer to, whether or not any of them does."""
    every_code: Schema = {"type": "string", "enum": list(codes())}
    schemas = {"Failure": FAILURE, "Problem": PROBLEM, "ErrorCode": every_code}
    for name, schema in schemas.items():
        yield ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, object=name)
    yield from header_components()


def bases_without_text() -> list[type]:
    """Classes whose docstrings are for developers and not part of the document."""
    return [
        *get_lib_doc_excludes(),
        ApiViewSet,
        AtLeastOneSerializer,
        CountSerializer,
        InputSerializer,
        PageSerializer,
        ReadSerializer,
    ]


class EnvelopeSchema(AutoSchema):
    """Views declare their success answers and, in `refusals`, the refusals of each action.

    This class adds the envelope to successes, and an error answer for each refusal. Authenticators declare `refusals`
    too.
    """

    def get_operation(self, *args: Any, **kwargs: Any) -> Schema | None:
        operation: Schema | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        if self.method not in SAFE_METHODS:
            operation["description"] = f"{WARNING}\n\n{operation.get('description', '')}".strip()
        if self.method == "GET":
            self._add_conditional_read(operation)
        if "requestBody" in operation and self.method == "PATCH":
            # No field of an edit is required, but at least one must be sent.
            operation["requestBody"]["required"] = True
        if self._takes_key():
            for status in SUCCESSES & operation["responses"].keys():
                operation["responses"][status]["headers"][idempotency.REPLAYED] = header_ref(idempotency.REPLAYED)
        for status, found in sorted(self.errors(operation).items()):
            operation["responses"][str(status)] = error_response(status, found)
        operation["parameters"] = [*operation.get("parameters", []), *map(parameter_ref, self._headers())]
        # An operation without it would need what the document as a whole names.
        operation.setdefault("security", [])
        operation[RATE_LIMIT_EXTENSION] = self._rate_limits()
        for component in shared_components():
            self.registry.register_on_missing(component)
        return {name: operation[name] for name in ORDER if name in operation}

    def _headers(self) -> Iterator[str]:
        """The headers that the operation reads, besides `Authorization`."""
        if self.method == "GET":
            yield etags.IF_NONE_MATCH
        if self._takes_match():
            yield preconditions.HEADER
        if self._takes_key():
            yield idempotency.HEADER
        yield from (LANGUAGE, REQUEST_ID)

    def errors(self, operation: Schema) -> dict[int, list[str]]:
        """Every error status that the operation can answer, with its codes."""
        kinds = [*self._refusals()]
        if self._takes_key():
            kinds += [idempotency.KeyInUse, idempotency.KeyReused]
        if self._takes_match():
            kinds.append(PreconditionUnmet)
        # For operations without query and body too: a query or body that is sent to them is refused.
        kinds.append(Invalid)
        parameters = operation.get("parameters", [])
        if any(parameter["name"] == "page" for parameter in parameters):
            kinds.append(PageTooDeep)
        if any(parameter["in"] == "path" for parameter in parameters):
            kinds.append(Missing)
        kinds += [RateLimited, ServerBusy]
        found: dict[int, dict[str, None]] = defaultdict(dict)
        for kind in kinds:
            found[status_of(kind)][kind.code] = None
        # Most of these the server answers before any view is called.
        for status in (400, 408, 413, 414, 415, 431, 500, 503):
            found[status][HTTP_CODES[status]] = None
        return {status: list(codes) for status, codes in found.items()}

    def _add_conditional_read(self, operation: Schema) -> None:
        unchanged = OpenApiResponse(description="The caller has this version already, as `If-None-Match` says.")
        operation["responses"].setdefault("304", self._get_response_for_code(unchanged, "304"))
        for status in ("200", "304"):
            operation["responses"][status]["headers"]["ETag"] = header_ref("ETag")

    def _takes_match(self) -> bool:
        """As `ApiViewSet.takes_match` at a request."""
        return changes_one_object(self.method, has_ids="{" in self.path)

    def _takes_key(self) -> bool:
        """As `ApiViewSet.takes_key` at a request."""
        return (
            self.method in CHANGING_METHODS
            and getattr(self.view, "action", "") not in getattr(self.view, "without_key", ())
            and bool(self.view.get_authenticators())
        )

    def _rate_limits(self) -> list[str]:
        """The names of the policies for which a call may count: see `common/rate_limits/calls.py`."""
        if self.method not in SAFE_METHODS:
            kinds = {WRITE}
        elif getattr(self.view, "action", "") in getattr(self.view, "expensive", ()):
            kinds = {SEARCH}
        else:
            takes_search = any(
                SEARCH in force_instance(parameter).fields
                for parameter in self.get_override_parameters()
                if is_basic_serializer(parameter)
            )
            kinds = {READ, SEARCH} if takes_search else {READ}
        needs_token = any(isinstance(permission, IsAuthenticated) for permission in self.view.get_permissions())
        forms = [False] if needs_token else [False, True] if self.view.get_authenticators() else [True]
        names = (names_of(kind, is_anonymous=is_anonymous) for kind in kinds for is_anonymous in forms)
        return sorted(set().union(*names))

    def _refusals(self) -> Iterator[type[Refusal]]:
        permissions = self.view.get_permissions()
        for authenticator in self.view.get_authenticators():
            # Where a token is optional, a missing one is no error.
            if any(isinstance(permission, IsAuthenticated) for permission in permissions):
                yield Unauthenticated
            yield from getattr(authenticator, "refusals", ())
        for permission in permissions:
            asks = type(permission).has_permission is not BasePermission.has_permission
            if asks and not isinstance(permission, (AllowAny, IsAuthenticated)):
                yield Forbidden
        yield from getattr(self.view, "refusals", {}).get(getattr(self.view, "action", ""), ())

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: Any = "response"
    ) -> Schema:
        response: Schema = super()._get_response_for_code(serializer, status_code, media_types, direction)
        declared = serializer.response if isinstance(serializer, OpenApiResponse) else serializer
        status = int(status_code)
        content: Schema = response.get("content", {})
        # A declared media type, such as `(200, "text/plain")`, has no envelope.
        if media_types is None:
            data = content.get(JSON, {}).get("schema", {"type": "null"})
            if getattr(declared, "allow_null", False):
                data = {"oneOf": [data, {"type": "null"}]}
            envelope = envelope_of(data)
            self.registry.register_on_missing(envelope)
            content = {JSON: {"schema": envelope.ref}}
        named = []
        if is_basic_serializer(declared):
            bases = {NEXT_CURSOR: PageSerializer, TOTAL_COUNT: CountSerializer}
            named = [name for name, base in bases.items() if isinstance(force_instance(declared), base)]
        answer: Schema = {
            "description": str((declared is not serializer and serializer.description) or HTTPStatus(status).phrase),
            "headers": headers_of_answer(*named),
            "content": content,
        }
        if status == HTTPStatus.NOT_MODIFIED:  # has no body: RFC 9110, section 15.4.5
            del answer["content"]
        return answer

    def _get_serializer_field_meta(self, field: serializers.Field, direction: Any) -> Schema:
        meta: Schema = super()._get_serializer_field_meta(field, direction)
        # A title is only the name again. The child of a derived field has `nullable` itself. The pattern of an id
        # includes its length.
        superfluous = {"title"}
        superfluous |= {"nullable"} if isinstance(field, Derived) else set()
        # A form cannot have null values.
        superfluous |= {"nullable"} if getattr(field.parent, "documented_as_form", False) else set()
        superfluous |= {"minLength"} if isinstance(field, IdField) else set()
        if direction == "request" and self.method in BODY_METHODS and "default" in meta:
            # Generators take a property of a body with a default for one that is always there. So the text has it.
            superfluous.add("default")
            if meta["default"] is not None:
                default = _as_json(meta["default"])
                meta["description"] = f"{meta.get('description', '')} Default: `{default}`.".strip()
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

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        return type_name(type(serializer))

    def _is_list_view(self, serializer: Any = None) -> bool:
        # Lists are declared by `page_of`, and not by the name of the action.
        return is_list_serializer(serializer)

    def _resolve_path_parameters(self, variables: Any) -> list[Schema]:
        # Path parameters are ids, except those that the view declares.
        schemas: dict[str, Schema] = {}
        for name, field in self._path_fields().items():
            schemas[name] = self._map_serializer_field(field, "request")
            self._insert_field_validators(field, schemas[name])
        return [build_parameter_type(name=name, location="path", schema=schemas.get(name, ID)) for name in variables]

    def _path_fields(self) -> Mapping[str, serializers.Field]:
        found: Mapping[str, serializers.Field] = getattr(self.view, "path_fields", {})
        return found


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).strip('"')
