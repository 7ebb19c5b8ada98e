"""The list of bans in the order of the queue, whatever the number of bans."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bans.models import Appeal
from bans.queue import SORTED, Queue
from common.admin.changelist import DeclaredChangeList
from common.admin.counting import BoundedPaginator


def queues_in(request: HttpRequest) -> list[Queue] | None:
    """The queues that have all rows with the filters of this request; None if there may be others."""
    chosen = request.GET.get("waiting")
    queues = None if not chosen else [Queue(chosen)] if chosen in Queue else list(Queue)
    if request.GET.get("appeal") != Appeal.State.PENDING:
        return queues
    return [queue for queue in queues or Queue if queue == Queue.APPEALS]


class QueuePaginator(BoundedPaginator):
    """Reads each queue by its index. Without a filter of queues, it sorts the rows if they are few."""

    queues: list[Queue] | None = None

    def _to_count(self, rows: Any) -> Any:
        if self.queues is None:
            return super()._to_count(rows)
        return rows.keys_of(self.queues, timezone.now()) if self.queues else rows.none()

    def _keys(self, first: int, last: int) -> list[str]:
        bans: Any = self.object_list
        if bans.query.order_by != SORTED or (self.queues is None and not self.is_bounded):
            return super()._keys(first, last)
        found: list[str] = bans.page_of_queue(timezone.now(), first, last, queues=self.queues)
        return found


class BanChangeList(DeclaredChangeList):
    """A column header sorts the rows; among equal ones, and without a header, the order is that of the queue."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return [*super().get_ordering(request, queryset)][:-1]  # without the key, which SORTED ends with

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        bans: Any = super().get_queryset(request, exclude_parameters)
        return bans.in_queue_order(timezone.now(), *bans.query.order_by)
