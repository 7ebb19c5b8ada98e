"""`If-Match`: a change happens only if the object is as the caller has read it.

The object is what a read of the same address answers, or of the nearest address above it with the same ids: that of
`/things/{id}/start` is `/things/{id}`. The lock of the object is taken before its tag is computed for this caller, in
the transaction of the change. So nothing can change it between the comparison and the change.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from django.db import transaction
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.http import parse_etags
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from common.api import expected_status
from common.etags import etag_of, without_encoding
from common.refusals import Invalid, PreconditionUnmet
from common.rollbacks import undone_on_rollback

if TYPE_CHECKING:
    from common.views import ApiViewSet

HEADER = "If-Match"
META = "HTTP_IF_MATCH"
ANY = "*"


def expected_tags(if_match: str) -> list[str]:
    """The tags of the header, without those of encodings, or `ANY` alone. Raises Invalid when there are none."""
    tags = [without_encoding(tag) for tag in parse_etags(if_match)]
    if not tags:
        raise Invalid(HEADER, _("must be a list of entity tags in double quotes, or *"))
    return tags


def change_if_met(
    tags: list[str], request: Request, ids: Mapping[str, str], change: Callable[[], HttpResponseBase]
) -> HttpResponseBase:
    """Call `change` in a transaction that is rolled back, with PreconditionUnmet, if the object has none of `tags`.

    A refusal of `change` because the object does not exist for the caller, or because the caller may not change it,
    takes precedence: it does not depend on the version of the object.
    """
    with undone_on_rollback(), transaction.atomic():
        is_met = _is_met(tags, request, ids)
        try:
            answer = change()
        except Exception as error:
            if not is_met and expected_status(error) in (400, 409):
                raise PreconditionUnmet from error
            raise
        if not is_met:
            raise PreconditionUnmet
    return answer


def _is_met(tags: list[str], request: Request, ids: Mapping[str, str]) -> bool:
    found = read_of(request._request.path_info, ids)
    if found is None:  # the object cannot be read, so only `change` knows whether it exists
        return tags == [ANY]
    current = _locked_tag(_reading(found, request), ids)
    # Strong comparison: a weak tag never matches.
    return current is not None and (tags == [ANY] or current in tags)


def read_of(path: str, ids: Mapping[str, str]) -> ResolverMatch | None:
    """The read of the object that an operation at `path` changes.

    Without ids it is the read at `path` itself, because those above it are lists.
    """
    while path.strip("/"):
        try:
            found = resolve(path)
        except Resolver404:
            found = None
        if found and "get" in getattr(found.func, "actions", ()) and found.kwargs == ids:
            return found
        path = path.rpartition("/")[0] if ids else ""
    return None


def _reading(found: ResolverMatch, request: Request) -> "ApiViewSet":
    view: ApiViewSet = found.func.cls(**found.func.initkwargs)  # type: ignore[attr-defined]
    view.action_map = found.func.actions  # type: ignore[attr-defined]
    view.action = view.action_map["get"]
    view.request, view.args, view.kwargs = request, (), found.kwargs
    return view


def _locked_tag(view: "ApiViewSet", ids: Mapping[str, str]) -> str | None:
    """The tag that this caller gets when reading the object, which is locked then. None if the caller gets none."""
    try:
        view.lock_object(**ids)
        response: Any = getattr(view, view.action)(view.request, **ids)
    except Exception as error:
        if expected_status(error) is None:
            raise
        return None
    return etag_of(orjson.dumps(response.data))
