"""Filters of the lists of bans and cases, and the numbers of those that wait, for the sidebar."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import DropdownFilter

from bans.models import Appeal, LiveStreamBan, ReportCase
from bans.queue import UNREVIEWED, Queue
from bans.reasons import NAMES, name_of
from common.admin.counting import numbers_of, written_count
from common.fields import OBJECT_ID
from common.times import written

Review = LiveStreamBan.Review
SOON = timedelta(hours=24)
BATCHES_OFFERED = 10


def waiting_badge(request: HttpRequest) -> str | None:
    """The number of bans in the queue, for the sidebar."""
    return _badge(request, "bans")


def open_badge(request: HttpRequest) -> str | None:
    """The number of open cases, for the sidebar."""
    return _badge(request, "cases")


def _badge(request: HttpRequest, kind: str) -> str | None:
    count = counted(request)[kind]
    return written_count(count) if count else None


def counted(request: HttpRequest, tabs: Mapping[str, QuerySet[Any]] | None = None) -> Counter[str]:
    """What waits, for the sidebar, and the numbers of rows of `tabs`, each up to `COUNTED_BESIDE`.

    One statement in a request, which reads a bounded number of rows, because it runs on every page.
    """
    if tabs is not None or not hasattr(request, "counted_for_badges"):
        # In the order of an index, which finds them: few rows of these large tables wait.
        pending = Appeal.objects.filter(state=Appeal.State.PENDING).order_by("-created_at", "-id")
        waiting_bans = LiveStreamBan.objects.filter(UNREVIEWED).order_by("created_at", "id")
        unreviewed = waiting_bans.filter(~Exists(pending.filter(ban=OuterRef("pk"))))
        open_cases = ReportCase.objects.filter(state=ReportCase.State.OPEN).order_by("stream_id")
        waiting = [("bans", pending), ("bans", unreviewed), ("cases", open_cases), *(tabs or {}).items()]
        request.counted_for_badges = numbers_of(waiting)  # type: ignore[attr-defined]
    numbers: Counter[str] = request.counted_for_badges  # type: ignore[attr-defined]
    return numbers


class WaitingFilter(DropdownFilter):
    title = _("waiting")
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("any", _("All that wait for a review")), *Queue.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (queue := self.value()) is None:
            return queryset
        return queryset.waiting(timezone.now(), queue if queue in Queue else None)  # type: ignore[attr-defined]


class RaidFilter(DropdownFilter):
    """Bans that were made together. Offers the newest batches, and the one that the address names."""

    title = _("raid")
    parameter_name = "batch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        offered = _newest_batches(request)
        chosen = request.GET.get(self.parameter_name, "")
        is_other = OBJECT_ID.fullmatch(chosen) and chosen not in dict(offered)
        return [*offered, *([(chosen, chosen)] if is_other else [])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(batch_id=self.value()) if self.value() else queryset


def _newest_batches(request: HttpRequest) -> list[tuple[str, str]]:
    """Ids and names, newest first. Read once for a request: Django creates each filter several times.

    Ids begin with the time at which they were made, so the index of batches has their order.
    """
    if not hasattr(request, "_newest_batches"):
        batches = LiveStreamBan.all_objects.filter(batch_id__isnull=False).values("batch_id")
        found = batches.annotate(title=Min("stream__title"), made=Min("created_at"), people=Count("pk"))
        request._newest_batches = [  # type: ignore[attr-defined]
            (row["batch_id"], f"{written(row['made'])} · {row['title']} ({row['people']})")
            for row in found.order_by("-batch_id")[:BATCHES_OFFERED]
        ]
    return request._newest_batches  # type: ignore[attr-defined]


class HoldingFilter(DropdownFilter):
    title = pgettext_lazy("ban", "holding")
    parameter_name = "holding"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("yes", pgettext_lazy("ban", "holds")),
            ("soon", _("holds, and ends within 24 hours")),
            ("ended", pgettext_lazy("ban", "has ended")),
            ("lifted", pgettext_lazy("ban", "was lifted")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        match self.value():
            case "yes":
                return queryset.holding(now)  # type: ignore[attr-defined]
            case "soon":
                return queryset.filter(deleted_at__isnull=True, expires_at__gt=now, expires_at__lte=now + SOON)
            case "ended":
                return queryset.filter(deleted_at__isnull=True, expires_at__lte=now)
            case "lifted":
                return queryset.filter(deleted_at__isnull=False)
        return queryset


class AppealFilter(DropdownFilter):
    title = _("appeal")
    parameter_name = "appeal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("any", _("appealed")), *Appeal.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "any":
                return queryset.filter(appeal__isnull=False)
            case state if state in Appeal.State:
                return queryset.filter(appeal__state=state)
        return queryset


class ReasonFilter(DropdownFilter):
    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        # Also built-in reasons that the setting no longer has: older cases may have them.
        return [(reason, name_of(reason)) for reason in dict.fromkeys([*settings.REPORT_REASONS, *NAMES])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reasons__has_key=self.value()) if self.value() else queryset
