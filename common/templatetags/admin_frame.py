"""Texts of the frame around all pages of the admin, which no view gives."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.db.models.options import Options
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from common.capitals import capitalized

register = template.Library()

# Names of controls that show only an icon, and of a part of the frame.
LABELS = {
    "": gettext_lazy("Appearance"),
    "close": gettext_lazy("Close"),
    "dock_to_right": gettext_lazy("Show or hide the navigation"),
    "download": gettext_lazy("Download"),
    "expand_more": gettext_lazy("Show more"),
    "favorite": gettext_lazy("Favourite"),
    "home": gettext_lazy("Start of the admin"),
    "more_horiz": gettext_lazy("More actions"),
    "more_vert": gettext_lazy("More actions"),
    "navigation": gettext_lazy("Navigation"),
    "progress_activity": gettext_lazy("Search"),
    "search": gettext_lazy("Search"),
}


@register.simple_tag
def icon_label(icon: str) -> str:
    """The name of a control that shows only this icon: see common/template_loader.py."""
    return str(LABELS.get(icon, icon.replace("_", " ")))


@register.simple_tag
def frame_texts() -> dict[str, Any]:
    return {
        "skip": _("Skip to the content"),
        "time_zone": timezone.get_current_timezone_name(),
        "times_are_in": _("Times are in this time zone:"),
        "change": _("Preferences"),
    }


@register.simple_tag
def counted_noun(opts: "Options[Any]", count: int) -> str:
    """The name of rows of a model after their number. In Turkish it stays in the singular."""
    is_singular = count == 1 or get_language() == "tr"
    return str(opts.verbose_name if is_singular else opts.verbose_name_plural)


@register.filter(is_safe=True)
def capfirst(value: Any) -> str:
    """Django's filter of this name, with the capitals of the language: İ for the i of Turkish."""
    return str(capitalized(str(value)))


@register.simple_tag
def column_name(headers: Sequence[Any] | None, number: int) -> str:
    """The header of this column of a table, which may be a text or a dictionary with `content`; empty without one."""
    if headers is None or number >= len(headers):
        return ""
    header = headers[number]
    return str(capitalized(str(header["content"] if isinstance(header, Mapping) else header)))
