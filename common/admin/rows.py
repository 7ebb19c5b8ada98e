"""The rows of a list as HTML, in the markup of django-unfold.

Unfold renders a template for most cells, and looks at the column again in each of them. Here a column is looked at once
for a page, and a template of Unfold is rendered once for all cells that show the same.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote as urlquote

from django.contrib.admin.templatetags.admin_list import _coerce_field_name  # type: ignore[attr-defined]
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import _get_non_gfk_field, lookup_field, quote  # type: ignore[attr-defined]
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.utils.functional import Promise
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString
from unfold.templatetags.unfold_list import (
    LINK_CLASSES,
    TABLE_ACTION_CELL_CLASSES,
    TABLE_CELL_CLASSES,
    result_headers,
)
from unfold.utils import display_for_field, display_for_header, display_for_label, display_for_value

from common.capitals import capitalized

CHECKBOX = "action_checkbox"
# Stands for a value in markup that is rendered once. No template has these characters, which are of private use.
_PLACES = "\ue000\ue001\ue002\ue003"
_PLACE = re.compile(f"[{_PLACES}]")
_ID = "id-of-the-row"  # the same in an address

type Shown = Callable[[Any, Any], Any]
"""Returns what a cell shows of a row and of its value."""


class Table(NamedTuple):
    """`headers` are those of Unfold, of which `sorting` sort the rows; `rows` have the cells of a row each."""

    headers: list[Mapping[str, Any]]
    sorting: int
    rows: list[SafeString]


def table_of(shown: ChangeList) -> Table:
    headers = list(result_headers(shown))
    sorting = sum(1 for header in headers if header["sortable"] and header["sorted"])
    columns = [_cells_of(shown, place, header) for place, header in enumerate(headers)]
    rows = [SafeString("".join([cell(row) for cell in columns])) for row in shown.result_list]
    return Table(headers, sorting, rows)


def _cells_of(shown: ChangeList, place: int, header: Mapping[str, Any]) -> Callable[[Any], str]:
    """Makes the cells of a column."""
    name = shown.list_display[place]
    if name == CHECKBOX:
        box = _with_places(shown.model_admin.action_checkbox(SimpleNamespace(pk=_PLACES[0])))
        head = f'<td class="{" ".join(TABLE_ACTION_CELL_CLASSES)}">'
        return lambda row: f"{head}{box([str(row.pk)])}</td>"
    return _Cells(shown, place, str(header["text"])).cell


class _Cells:
    """The cells of a column, which is not that of the boxes. `title` is its name, a label for narrow screens."""

    def __init__(self, shown: ChangeList, place: int, title: str) -> None:
        self._name: Any = shown.list_display[place]
        self._admin = shown.model_admin
        try:
            self._field: Any = _get_non_gfk_field(shown.lookup_opts, self._name)
        except FieldDoesNotExist:
            self._field = None
        links: Sequence[Any] = shown.list_display_links or ()
        self._link = _link_of(shown) if self._name in links else None
        is_first = self._link is not None and not any(name in links for name in shown.list_display[:place])
        classes = [f"field-{_coerce_field_name(self._name, place)}", *TABLE_CELL_CLASSES]
        tag = "th" if is_first else "td"
        self._end = f"</{tag}>"
        self._head, self._head_of_times = (
            f'<{tag} data-label="{escape(capitalized(title))}" class="{" ".join(some)}">'
            for some in (classes, [*classes, "nowrap"])
        )
        self._show: Shown | None = None

    def cell(self, row: Any) -> str:
        try:
            field, attribute, value = self._looked_up(row)
        except ObjectDoesNotExist:
            shown, is_time = self._admin.get_empty_value_display(), False
        else:
            if self._show is None:
                self._show = self._shown_by(field, attribute)
            shown = self._show(row, value)
            is_time = self._is_time(field, value)
        text: str = conditional_escape(shown)
        if self._link is not None:
            text = self._link(row, text)
        return f"{self._head_of_times if is_time else self._head}{text}{self._end}"

    def _looked_up(self, row: Any) -> tuple[Any, Any, Any]:
        """As `lookup_field`, which looks at the column again."""
        if self._field is not None:
            return self._field, None, getattr(row, self._name)
        if callable(self._name):
            return None, self._name, self._name(row)
        method = getattr(self._admin, self._name, None)
        if method is not None and self._name != "__str__":
            return None, method, method(row)
        found: tuple[Any, Any, Any] = lookup_field(self._name, row, self._admin)
        return found

    def _is_time(self, field: Any, value: Any) -> bool:
        if field is None or field.auto_created:
            return isinstance(value, (date, time))
        return isinstance(field, models.DateField | models.TimeField | models.ForeignKey)

    def _shown_by(self, field: Any, attribute: Any) -> Shown:
        empty = getattr(attribute, "empty_value_display", self._admin.get_empty_value_display())
        if field is not None and not field.auto_created:
            return _shown_by_field(field, empty)
        if label := getattr(attribute, "label", False):
            return _once_for_equal(lambda value: display_for_label(value, empty, label))
        if getattr(attribute, "header", False):
            return _TwoLines(empty).shown
        if getattr(attribute, "boolean", False):
            return _once_for_equal(lambda value: display_for_value(value, empty, boolean=True))
        return lambda _row, value: display_for_value(value, empty)


def _shown_by_field(field: Any, empty: str) -> Shown:
    if isinstance(field.remote_field, models.ManyToOneRel):
        name = field.name

        def related(row: Any, _value: Any) -> Any:
            found = getattr(row, name)
            return empty if found is None else found

        return related
    if isinstance(field, models.BooleanField) or getattr(field, "flatchoices", None):
        return _once_for_equal(lambda value: display_for_field(value, field, empty))
    return lambda _row, value: display_for_field(value, field, empty)


def _once_for_equal(show: Callable[[Any], Any]) -> Shown:
    """Calls `show` once for all values that read the same."""
    known: dict[Any, Any] = {}

    def shown(_row: Any, value: Any) -> Any:
        key = tuple(map(str, value)) if isinstance(value, tuple | list) else str(value)
        if key not in known:
            known[key] = conditional_escape(show(value))
        return known[key]

    return shown


class _TwoLines:
    """Cells of two lines, with a picture or initials. The markup depends on which of these there are."""

    def __init__(self, empty: str) -> None:
        self._empty = empty
        self._known: dict[tuple[Any, ...], Callable[[Sequence[Any]], str]] = {}

    def shown(self, _row: Any, value: Sequence[Any]) -> SafeString:
        texts, options = [*value[:3]], dict(value[3]) if len(value) > 3 and value[3] else {}
        if not all(isinstance(text, str | Promise) for text in texts):  # Django writes numbers as the language does
            return display_for_header(value, self._empty)
        path = options.pop("path", "")
        texts += [""] * (3 - len(texts)) + [path]
        key = (*map(bool, texts), *options.items())
        if key not in self._known:
            *lines, image = (place if text else "" for place, text in zip(_PLACES, texts, strict=True))
            self._known[key] = _with_places(display_for_header([*lines, {"path": image, **options}], self._empty))
        return SafeString(self._known[key](texts))


def _link_of(shown: ChangeList) -> Callable[[Any, str], str]:
    """Makes links to the pages of rows, which lead back to the list with its filters."""
    context: Any = {"preserved_filters": shown.preserved_filters, "opts": shown.opts}
    row: Any = SimpleNamespace(**{shown.pk_attname: _ID})
    address = add_preserved_filters(context, shown.url_for_result(row))
    before, _, after = escape(address).partition(_ID)
    classes = " ".join(LINK_CLASSES)
    key = str(shown.to_field or shown.pk_attname)

    def linked(row: Any, text: str) -> str:
        address = f"{before}{escape(urlquote(str(quote(getattr(row, shown.pk_attname)))))}{after}"
        opener = f' data-popup-opener="{escape(row.serializable_value(key))}"' if shown.is_popup else ""
        return f'<a href="{address}" class="{classes}"{opener}>{text}</a>'

    return linked


def _with_places(markup: str) -> Callable[[Sequence[Any]], str]:
    """Puts texts, which are escaped, where the markup has the characters of `_PLACES`."""
    first, *others = _PLACE.split(markup)
    places = [_PLACES.index(place) for place in _PLACE.findall(markup)]
    following = list(zip(places, others, strict=True))

    def filled(texts: Sequence[Any]) -> str:
        return first + "".join([f"{conditional_escape(texts[place])}{after}" for place, after in following])

    return filled
