"""Pages of the admin that belong to no model, such as a queue over several lists."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path

from common.fields import OBJECT_ID

_pages: list[URLPattern] = []
_urls_of_models = admin.site.get_urls

type View = Callable[..., HttpResponseBase]


def add_page(route: str, view: View, *, name: str) -> None:
    """Adds `/admin/<route>`, which `reverse("admin:<name>")` finds. Call it from the `admin` module of an app.

    Like all pages of the admin it needs a login as staff; the view checks permissions beyond that. A POST by a user who
    is not staff is answered with 403 instead of Django's redirect to the login page.
    """
    page = refusing_posts(admin.site.admin_view(view), unless=admin.site.has_permission)
    _pages.append(path(route, page, name=name))


def refusing_posts(view: View, *, unless: Callable[[HttpRequest], bool]) -> View:
    """`view`, in which POSTs of users whom `unless` does not permit get 403 instead of a redirect to the login page."""

    @wraps(view)
    def refusing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and request.user.is_authenticated and not unless(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return refusing


def page_context(request: HttpRequest, title: str) -> dict[str, Any]:
    """The variables of the templates of such a page that come from the site: the sidebar, the user, the title."""
    return {**admin.site.each_context(request), "title": title}


def row_or_404[T: Model](rows: QuerySet[T], pk: str) -> T:
    """The row of `rows` with the id that the address of such a page has. Raises Http404, also for what is no id."""
    row = rows.filter(pk=pk).first() if OBJECT_ID.fullmatch(pk) else None
    if row is None:
        raise Http404
    return row


def added() -> list[URLPattern]:
    return list(_pages)


def _urls() -> list[URLResolver | URLPattern]:
    # Before the pages of models, whose last pattern matches every path.
    return [*_pages, *_urls_of_models()]


admin.site.get_urls = _urls  # type: ignore[method-assign]
