"""The base of all API views: a DRF viewset that shares between requests what does not depend on them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common import api
from common.fields import OBJECT_ID
from common.languages import preferred_language
from common.refusals import Invalid, Text
from common.serializers import InputSerializer

if TYPE_CHECKING:
    # The type checker's name for what settings.AUTH_USER_MODEL names.
    from django.contrib.auth.models import _User


class AlwaysJSON(BaseContentNegotiation):
    """All answers are JSON, whatever the client accepts. Accept only selects the format of errors."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        content_type = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


@cache
def _shared(kinds: tuple[type, ...]) -> list[Any]:
    """One instance of each class, shared by all requests, because they have no state."""
    return [kind() for kind in kinds]


_negotiator = AlwaysJSON()

BODY_METHODS = ("POST", "PUT", "PATCH")
# Bodies that count as none: some clients send one although the operation has none.
EMPTY_BODIES: tuple[Any, ...] = (None, {}, [], "")

LONGEST_KEPT_QUERY = 128  # characters; with 4,096 of them kept, about 4 MB a process


def _validated_query(kind: type[InputSerializer], query_string: str) -> dict[str, Any]:
    # Validation depends on the query string alone, and clients repeat the same ones, so results are cached. Long and
    # invalid ones are not, so that clients cannot fill the memory.
    if len(query_string) > LONGEST_KEPT_QUERY:
        return kind.validated(QueryDict(query_string))
    return _kept_query(kind, query_string)


@lru_cache(maxsize=4096)
def _kept_query(kind: type[InputSerializer], query_string: str) -> dict[str, Any]:
    return kind.validated(QueryDict(query_string))


class DeclaredInput(NamedTuple):
    """Whether an operation declares query parameters and a body."""

    query: bool
    body: bool


@cache
def _declared_input(kind: "type[ApiViewSet]", action: str, method: str) -> DeclaredInput:
    """Read from `extend_schema`, so that the OpenAPI document and the checks cannot differ."""
    schema = getattr(kind, action).kwargs["schema"]()
    schema.view, schema.method = kind(), method
    schema.view.request, schema.view.kwargs = None, {}
    query = any(_is_input(parameter) for parameter in schema.get_override_parameters())
    return DeclaredInput(query, method in BODY_METHODS and schema.get_request_serializer() is not None)


def _is_input(parameter: Any) -> bool:
    return isinstance(parameter, type) and issubclass(parameter, InputSerializer)


class PathRule(NamedTuple):
    """What a variable of a path must match entirely, and the message of the 400 if it does not."""

    pattern: re.Pattern[str]
    message: Text


# Variables are ids, unless a view has another rule for them.
IS_ID = PathRule(OBJECT_ID, _("must be 24 lower-case hexadecimal characters"))


class Nothing(InputSerializer):
    """The query or the body of an operation that has none: every key is unknown."""


def refuse_encoded(content_encoding: str) -> None:
    """Raises UnsupportedEncoding for a body that is compressed."""
    for encoding in content_encoding.split(","):
        if encoding.strip().lower() not in ("", "identity"):
            raise api.UnsupportedEncoding(encoding.strip())


class ApiViewSet(GenericViewSet[Any]):
    """A viewset that checks ids, limits bodies, and leaves no reference cycles.

    DRF's view, request, parser context and response form reference cycles of about 40 objects a request. The pauses of
    the garbage collector dominate the p99, so the cycles are broken after each request.
    """

    # Without OPTIONS, which the CORS middleware answers. Views would list it in `Allow` and refuse it.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    lookup_field = "pk"
    lookup_url_kwarg = "id"
    # In bytes. `upload_limit` is that of a multipart body, where a view takes one.
    body_limit: ClassVar[int] = settings.JSON_BODY_LIMIT
    upload_limit: ClassVar[int | None] = None
    # The rules of variables that are not ids, by their names in the path.
    path_rules: ClassVar[dict[str, PathRule]] = {}
    # For addresses that users paste into other programs, which add parameters of their own. Only for operations without
    # query parameters, so that none can be misspelt.
    ignores_query: ClassVar[bool] = False

    def get_authenticators(self) -> list[Any]:
        return _shared(tuple(self.authentication_classes))

    def get_permissions(self) -> list[Any]:
        return _shared(tuple(self.permission_classes))

    def get_parsers(self) -> list[Any]:
        return _shared(tuple(self.parser_classes))

    def get_renderers(self) -> list[Any]:
        return _shared(tuple(self.renderer_classes))

    def get_throttles(self) -> list[Any]:
        return []

    def get_content_negotiator(self) -> Any:
        return _negotiator

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        limit, meta = self.limit_of(request._request), request._request.META
        length = int(meta.get("CONTENT_LENGTH") or 0)
        if length > limit:
            raise api.PayloadTooLarge(limit)
        self.perform_authentication(request)
        self.check_permissions(request)
        for name, value in kwargs.items():
            rule = self.path_rules.get(name, IS_ID)
            if not rule.pattern.fullmatch(value):
                raise Invalid(name, rule.message)
        if length:
            refuse_encoded(meta.get("HTTP_CONTENT_ENCODING", ""))
        query_string = meta.get("QUERY_STRING", "")
        # Any other method is refused after this, with 405.
        if (length or query_string) and str(request.method).lower() in self.action_map:
            self.refuse_undeclared(request, query_string, has_body=length > 0)

    def refuse_undeclared(self, request: Request, query_string: str, *, has_body: bool) -> None:
        """Raises ValidationError for keys of a query or body that the operation does not declare.

        Unknown keys of a declared query or body are refused when it is read.
        """
        declared = _declared_input(type(self), self.action, str(request.method))
        if query_string and not declared.query and not self.ignores_query:
            _validated_query(Nothing, query_string)
        if has_body and not declared.body and request.data not in EMPTY_BODIES:
            Nothing.validated(request.data)

    def limit_of(self, request: HttpRequest) -> int:
        """How many bytes the body of this request may have."""
        is_form = (request.content_type or "").lower() == "multipart/form-data"
        return self.upload_limit if is_form and self.upload_limit is not None else self.body_limit

    @contextmanager
    def refused_first(self, check: Callable[[], object]) -> Iterator[None]:
        """Wraps reading the body. If that fails, `check` may raise a 404 or 403, which takes precedence over the 400.

        A valid call does not need `check`, because its service checks the same under its lock.
        """
        try:
            yield
        except APIException:
            check()
            raise

    def finalize_response(  # type: ignore[override]  # errors have been rendered
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        if not isinstance(response, Response):
            return response
        try:
            return api.finished(response, self.get_renderers()[0])
        except TypeError as error:  # data that is not serializable: DRF catches no errors from here on
            return self.handle_exception(error)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        language = preferred_language(request.META)
        # Pages of the admin leave their language active in the thread, so even the default may have to be activated.
        is_other = language != translation.get_language()
        if is_other:
            translation.activate(language)
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if is_other:
                translation.deactivate()
            self._break_cycles()

    @property
    def user(self) -> "_User":
        """The caller, for operations that need a token."""
        return cast("_User", self.request.user)

    @property
    def caller(self) -> str | None:
        """The id of the caller; None for an anonymous one."""
        return self.user.pk if self.request.user else None  # type: ignore[truthy-bool]  # None for anonymous

    def query(self, kind: type[InputSerializer]) -> dict[str, Any]:
        """The query parameters, validated. Raises ValidationError. The result is cached, so do not change it."""
        return _validated_query(kind, self.request._request.META.get("QUERY_STRING", ""))

    def _break_cycles(self) -> None:
        drf_request = self.request
        if isinstance(drf_request, Request):
            drf_request.parser_context.clear()
        self.__dict__.clear()
