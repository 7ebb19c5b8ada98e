"""The states by which the board shows streams: a tab with its number for each, and the filter behind the tabs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.lookups import Exact, In
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from common.admin import DeletedFilter, MomentRangeFilter
from common.admin.counting import numbers_of, written_count
from livestreams.board import CANCELLED, DELETED, BoardPlace, places_of
from livestreams.models import LiveStream, Status

STATE = "state"
NEWEST = ("-created_at", "-pk")
EVERY = (BoardPlace().asc(), *NEWEST)


@dataclass(frozen=True)
class BoardState:
    """One tab. An index has the rows of `condition` in the order `order`."""

    name: str
    label: str | Promise
    condition: Q
    order: tuple[str, ...] = NEWEST


def _living(status: Status, **more: Any) -> Q:
    return Q(status=status, deleted_at=None, **more)


STATES = {
    state.name: state
    for state in (
        BoardState("live", pgettext_lazy("streams", "Live"), _living(Status.ACTIVE), ("-started_at", "-pk")),
        BoardState("preparing", pgettext_lazy("streams", "Preparing"), _living(Status.PREPARING)),
        BoardState(
            "scheduled",
            pgettext_lazy("streams", "Scheduled"),
            _living(Status.SCHEDULED, planned_start_at__isnull=False),
            ("planned_start_at", "pk"),
        ),
        BoardState(
            "ended",
            pgettext_lazy("streams", "Ended"),
            _living(Status.ENDED, ended_at__isnull=False),
            ("-ended_at", "-pk"),
        ),
        BoardState("expired", pgettext_lazy("streams", "Expired"), _living(Status.EXPIRED)),
        BoardState("cancelled", pgettext_lazy("streams", "Cancelled"), Q(Exact(BoardPlace(), CANCELLED))),
        BoardState("deleted", pgettext_lazy("streams", "Deleted"), Q(deleted_at__isnull=False), ("-deleted_at", "-pk")),
    )
}


def state_in(request: HttpRequest) -> BoardState | None:
    """The state of the tab that is shown; None for all streams."""
    return STATES.get(request.GET.get(STATE, ""))


def tabs(request: HttpRequest) -> list[tuple[str, str, bool]]:
    """The address, the title with its number, and whether it is shown, of each tab. One statement."""
    shown = state_in(request)
    rows = LiveStream.all_objects
    numbers = numbers_of((name, rows.filter(state.condition).order_by(*state.order)) for name, state in STATES.items())
    every = (request.path, pgettext("streams", "All"), shown is None)
    return [
        *(
            (f"?{STATE}={name}", f"{state.label} {written_count(numbers[name])}", state is shown)
            for name, state in STATES.items()
        ),
        every,
    ]


class StatusFilter(ChoicesDropdownFilter):
    """Says in which places of the board streams with this status are, so that its index finds them."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        found: QuerySet[Any] | None = super().queryset(request, queryset)
        if found is None or not (status := self.value()):
            return found
        return found.filter(In(BoardPlace(), places_of(status)))


class OnBoardFilter(DeletedFilter):
    """Deleted streams are at the end of the board."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found = super().queryset(request, queryset)
        return found.filter(Exact(BoardPlace(), DELETED)) if self.value() == "yes" else found


class PlannedStartFilter(MomentRangeFilter):
    """Looks for living and for deleted streams, each of which have an index of their own."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = Q(**self.wanted())
        if not wanted:
            return queryset
        return queryset.filter(wanted & Q(deleted_at=None) | wanted & Q(deleted_at__isnull=False))


class StateFilter(admin.SimpleListFilter):
    """The filter behind the tabs. Among the other filters it is a hidden field, so that they keep the tab."""

    title = pgettext_lazy("streams", "state")
    parameter_name = STATE
    template = "admin/hidden_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, state.label) for name, state in STATES.items()]

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {"name": STATE, "value": self.value() or ""}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = STATES.get(self.value() or "")
        return queryset if state is None else queryset.filter(state.condition)
