"""Pages of the rows of a tab: after a row, so that the cost of a page does not depend on how many there are."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.admin.panels import PARAMETER as TAB
from common.error_pages import RefusedParameter
from common.postgres.plans import planned_for_values
from common.refusals import Text

PARAMETER = "after"
ROWS_SHOWN = 50


@dataclass(frozen=True)
class RowsPage:
    """Rows of one page, newest first. `links` are pairs of an address and a text, for `admin/buttons.html`."""

    rows: list[Any]
    links: list[tuple[str, Text]]


def page_of_rows(
    request: HttpRequest, rows: QuerySet[Any], *, tab: str, time: str | None = "created_at", shown: int = ROWS_SHOWN
) -> RowsPage:
    """The rows after the one that the query parameter `after` names, in the order of `time` and id, newest first.

    Without `time` the order is that of the ids. An index must have this order. One statement. Raises
    `RefusedParameter` for a place that no page links to.
    """
    order = ("-pk",) if time is None else (f"-{time}", "-pk")
    after = request.GET.get(PARAMETER, "")
    if after:
        rows = rows.filter(_after(after, rows.model, time))
    with planned_for_values(rows.db):
        found = list(rows.order_by(*order)[: shown + 1])
    links: list[tuple[str, Text]] = []
    if after:
        links.append((f"?{urlencode({TAB: tab})}#tabs", gettext_lazy("Newest")))
    if len(found) > shown:
        place = _place(found[shown - 1], time)
        links.append((f"?{urlencode({TAB: tab, PARAMETER: place})}#tabs", gettext_lazy("Older")))
    return RowsPage(found[:shown], links)


def _place(row: Model, time: str | None) -> str:
    return str(row.pk) if time is None else f"{getattr(row, time).isoformat()}_{row.pk}"


def _after(place: str, model: type[Model], time: str | None) -> Q:
    written, _separator, text = place.rpartition("_")
    try:
        pk = model._meta.pk.to_python(text)
        at = None if time is None else parse_datetime(written)
    except (ValueError, ValidationError):
        raise _refused() from None
    if time is None and not written:
        return Q(pk__lt=pk)
    if time is None or at is None or at.tzinfo is None:
        raise _refused()
    return Q(**{f"{time}__lte": at}) & ~Q(**{time: at, "pk__gte": pk})


def _refused() -> RefusedParameter:
    return RefusedParameter(_("%(name)s: there is no such place in this list") % {"name": PARAMETER})
