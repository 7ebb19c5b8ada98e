"""Tabs below the page of a row. Any app adds them to the pages of a lower app, which does not know it.

Only the tab that is shown is read, so the cost of a page does not depend on the number of its tabs.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from common.error_pages import RefusedParameter

PARAMETER = "tab"


@dataclass(frozen=True)
class Panel:
    """One tab. `name` is its value of the parameter `tab`; only users with `permission` see it.

    `context` returns the variables of `template`. The template of tables takes `table` (`headers` and `rows`),
    `empty`, the text to show without rows, and optionally `links`, shown as buttons, and `pages` (see paging.py): pairs
    of an address and a text. Tabs are in the order of `place`.
    """

    name: str
    title: str | Promise
    permission: str
    context: Callable[[HttpRequest, Any], dict[str, Any]]
    template: str = "admin/panels/table.html"
    place: int = 50


_panels: dict[type[Model], list[Panel]] = defaultdict(list)


def add_panel(model: type[Model], panel: Panel) -> None:
    """Adds a tab to the pages of `model`, after those with the same place. For `admin` modules of any app."""
    if any(panel.name == other.name for other in _panels[model]):
        raise ValueError(f"{model.__name__} has a tab {panel.name!r} already")
    _panels[model].append(panel)
    _panels[model].sort(key=lambda one: one.place)


def has_panels(model: type[Model]) -> bool:
    return bool(_panels[model])


def panels_of(model: type[Model]) -> list[Panel]:
    return list(_panels[model])


def tabs_of(request: HttpRequest, row: Model) -> dict[str, Any] | None:
    """The tabs that the user may see, with the variables of the shown one; None if there is none.

    Raises `RefusedParameter` for a tab that does not exist or that the user may not see.
    """
    panels = [panel for panel in _panels[type(row)] if request.user.has_perm(panel.permission)]
    if not panels:
        return None
    wanted = request.GET.get(PARAMETER, panels[0].name)
    shown = next((panel for panel in panels if panel.name == wanted), None)
    if shown is None:
        raise RefusedParameter(_("%(name)s: this page has no such tab") % {"name": PARAMETER})
    links = [(f"?{PARAMETER}={panel.name}", panel.title, panel is shown) for panel in panels]
    return {"links": links, "title": shown.title, "template": shown.template, "context": shown.context(request, row)}
