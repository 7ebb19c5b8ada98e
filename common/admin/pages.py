"""Pages of the admin that belong to no model, such as a queue over several lists."""

from collections.abc import Callable

from django.contrib import admin
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path

_pages: list[URLPattern] = []
_urls_of_models = admin.site.get_urls


def add_page(route: str, view: Callable[..., HttpResponseBase], *, name: str) -> None:
    """Adds `/admin/<route>`, which `reverse("admin:<name>")` finds. Call it from the `admin` module of an app.

    Like all pages of the admin it needs a login as staff; the view checks permissions beyond that.
    """
    _pages.append(path(route, admin.site.admin_view(view), name=name))


def added() -> list[URLPattern]:
    return list(_pages)


def _urls() -> list[URLResolver | URLPattern]:
    # Before the pages of models, whose last pattern matches every path.
    return [*_pages, *_urls_of_models()]


admin.site.get_urls = _urls  # type: ignore[method-assign]
