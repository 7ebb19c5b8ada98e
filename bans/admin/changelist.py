"""The list of bans in the order of the queue, whatever the number of bans."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext

from bans.queue import SORTED, Queue
from common.admin.changelist import DeclaredChangeList
from common.admin.counting import COUNTED, BoundedPaginator


def queues_in(request: HttpRequest) -> list[Queue] | None:
    """The queues that the filter of waiting bans shows; None without it."""
    chosen = request.GET.get("waiting")
    return None if not chosen else [Queue(chosen)] if chosen in Queue else list(Queue)


class QueuePaginator(BoundedPaginator):
    """Finds a page in the order of the queue by the index of each part, unless a column sorts the rows."""

    queues: list[Queue] | None = None

    def _to_count(self, rows: Any) -> Any:
        return super()._to_count(rows if self.queues is None else rows.keys_of(self.queues, timezone.now()))

    def page(self, number: int | str) -> Page:
        bans: Any = self.object_list
        if bans.query.order_by != SORTED:
            return super().page(number)
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        found = bans.page_of_queue(timezone.now(), first, first + self.per_page, queues=self.queues)
        rows = {row.pk: row for row in bans.order_by().filter(pk__in=found)}
        return self._get_page([rows[pk] for pk in found if pk in rows], number, self)  # type: ignore[attr-defined]


class BanChangeList(DeclaredChangeList):
    """A column header sorts the rows; among equal ones, and without a header, the order is that of the queue."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return [*super().get_ordering(request, queryset)][:-1]  # without the key, which SORTED ends with

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        bans: Any = super().get_queryset(request, exclude_parameters)
        columns = bans.query.order_by
        if columns and bans.order_by()[: COUNTED + 1].count() > COUNTED:
            columns = ()
            text = gettext("A column sorts up to %(most)d rows. Filter the list first.") % {"most": COUNTED}
            messages.warning(request, text)
        return bans.in_queue_order(timezone.now(), *columns)
