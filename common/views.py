"""The base of all API views: a DRF viewset that shares between requests what does not depend on them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.fields import Field
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common import api, etags, idempotency, preconditions
from common.fields import OBJECT_ID
from common.languages import preferred_language
from common.rate_limits import calls
from common.refusals import Invalid, Unauthenticated
from common.replica.last_writes import note_write
from common.replica.reading import begin_reading, end_reading
from common.replica.state import is_configured as is_replica_configured
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

# Headers of answers with tokens or secrets.
SECRET = {"Cache-Control": etags.SECRET}

BODY_METHODS = ("POST", "PUT", "PATCH")
CHANGING_METHODS = (*BODY_METHODS, "DELETE")
# Bodies that count as none: some clients send one although the operation has none.
EMPTY_BODIES: tuple[Any, ...] = (None, {}, [], "")


def changes_one_object(method: str, *, has_ids: bool) -> bool:
    """Whether an operation changes an object that exists; `has_ids` says that its path names one. POST also creates."""
    return method in CHANGING_METHODS and (method != "POST" or has_ids)


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
    # How variables of paths that are no ids are validated.
    path_fields: ClassVar[Mapping[str, Field]] = {}
    # In bytes. `upload_limit` is that of a multipart body, where a view takes one.
    body_limit: ClassVar[int] = settings.JSON_BODY_LIMIT
    upload_limit: ClassVar[int | None] = None
    # For addresses that users paste into other programs, which add parameters of their own. Only for operations without
    # query parameters, so that none can be misspelt.
    ignores_query: ClassVar[bool] = False
    # Changing actions that ignore Idempotency-Key, because their answers depend on more than the caller.
    without_key: ClassVar[frozenset[str]] = frozenset()
    # Actions that cost so much that they count as searches: see common/rate_limits.
    expensive: ClassVar[frozenset[str]] = frozenset()
    # The caller of a change, if a replica is configured: see common/replica.
    writer: str | None = None

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
            self.refuse_invalid_variable(name, value)
        if length:
            refuse_encoded(meta.get("HTTP_CONTENT_ENCODING", ""))
        query_string = meta.get("QUERY_STRING", "")
        if preconditions.META in meta and self.takes_match(request):
            self.change_if_met(request, preconditions.expected_tags(meta[preconditions.META]))
        # After the precondition, so that it is around it: a repeat gets the stored answer of a change that was made.
        if idempotency.META in meta and self.takes_key(request):
            self.answer_once(request, idempotency.keyed_request(request._request, caller=self.user.pk))
        # Any other method is refused after this, with 405.
        if (length or query_string) and str(request.method).lower() in self.action_map:
            self.refuse_undeclared(request, query_string, has_body=length > 0)

    def refuse_invalid_variable(self, name: str, value: str) -> None:
        """Raises Invalid for a variable of the path that is not as declared: an id, or as its field validates it."""
        if name not in self.path_fields:
            if not OBJECT_ID.fullmatch(value):
                raise Invalid(name, _("must be 24 lower-case hexadecimal characters"))
            return
        try:
            self.path_fields[name].run_validation(value)
        except ValidationError as error:
            details: Any = error.detail
            raise Invalid(name, str(details[0])) from error

    def takes_key(self, request: Request) -> bool:
        """Whether this request is a change by a known caller, which an `Idempotency-Key` makes repeatable."""
        return self.is_change(request) and self.action not in self.without_key and self.caller is not None

    def takes_match(self, request: Request) -> bool:
        """Whether this request changes one object, whose version `If-Match` may name."""
        return self.is_change(request) and changes_one_object(str(request.method), has_ids=bool(self.kwargs))

    def is_change(self, request: Request) -> bool:
        return request.method in CHANGING_METHODS and str(request.method).lower() in self.action_map

    def lock_object(self, **ids: str) -> None:
        """Lock the object that the action `get` reads, as the services that change it do, until the transaction ends.

        Classes override it for `If-Match`, if an operation changes what they read. May raise that there is none.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its object is locked")

    def change_if_met(self, request: Request, tags: list[str]) -> None:
        """Let the operation run only if its object has one of `tags`."""
        method = str(request.method).lower()
        handler = getattr(self, method)

        def change(*_: Any, **__: Any) -> HttpResponseBase:
            return preconditions.change_if_met(tags, request, self.kwargs, lambda: handler(request, **self.kwargs))

        # DRF calls the attribute with the name of the method.
        setattr(self, method, change)

    def answer_once(self, request: Request, keyed: idempotency.KeyedRequest) -> None:
        """Let the operation run in one transaction with its stored answer, or not at all if there is one."""
        method = str(request.method).lower()
        handler = getattr(self, method)

        def answer() -> HttpResponse:
            try:
                # Of a refused change nothing remains but the stored refusal.
                with transaction.atomic():
                    response = handler(request, **self.kwargs)
            except Exception as error:
                if not idempotency.is_kept(error):
                    raise
                response = self.handle_exception(error)
            finished = cast("HttpResponse", self.finalize_response(request, response))
            # No longer a `Response`, which would be rendered again with another timestamp.
            return HttpResponse(finished.content, status=finished.status_code, headers=dict(finished.items()))

        setattr(self, method, lambda *_, **__: idempotency.answer_once(keyed, answer, now=timezone.now()))

    def perform_authentication(self, request: Request) -> None:
        """Authenticate, and count the call for the limits of its caller. With a bad token it counts as anonymous."""
        is_expensive = self.action in self.expensive
        try:
            caller = cast("_User | None", request.user)
        except Unauthenticated:
            calls.count_call(request._request, None, is_expensive=is_expensive)
            raise
        calls.count_call(request._request, caller, is_expensive=is_expensive)
        if is_replica_configured():
            self._choose_server(request, caller)

    def _choose_server(self, request: Request, caller: "_User | None") -> None:
        """Let a read use the replica if it has what the caller has written, or if there is no caller."""
        if request.method in CHANGING_METHODS:
            self.writer = caller.pk if caller else None
        elif caller:
            begin_reading(getattr(caller, "last_lsn", None))
        # A token that was sent and is not read belongs to somebody who may have written something.
        elif "HTTP_AUTHORIZATION" not in request._request.META:
            begin_reading(0)

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
        meta = request._request.META
        try:
            if response.status_code == 200 and meta["REQUEST_METHOD"] in ("GET", "HEAD"):
                return api.read_answer(response, meta, is_personal=bool(self.request.user))
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
            response = calls.announced(super().dispatch(request, *args, **kwargs), request)
            # Refusals have changed nothing.
            if self.writer is not None and not 400 <= response.status_code < 500:
                note_write(self.writer)
            return response
        finally:
            if is_other:
                translation.deactivate()
            if is_replica_configured():
                end_reading()
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
