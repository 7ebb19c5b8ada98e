"""Filters of the lists of bans and cases, and the numbers of those that wait, for the sidebar."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import DropdownFilter

from bans.models import Appeal, LiveStreamBan, ReportCase
from bans.reasons import NAMES, name_of

Review = LiveStreamBan.Review
SOON = timedelta(hours=24)


def waiting() -> Q:
    """Bans that need a review: unreviewed ones that were not lifted, and those with a pending appeal."""
    return Q(review=Review.UNREVIEWED, deleted_at__isnull=True) | Q(appeal__state=Appeal.State.PENDING)


def waiting_badge(request: HttpRequest) -> str | None:
    """The number of unreviewed bans for the sidebar. It counts at most 100 rows, because it runs on every page."""
    return _badge(LiveStreamBan.objects.filter(review=Review.UNREVIEWED))


def open_badge(request: HttpRequest) -> str | None:
    """The number of open cases, counted in the same way."""
    return _badge(ReportCase.objects.filter(state=ReportCase.State.OPEN))


def _badge(rows: QuerySet[Any]) -> str | None:
    count = rows.order_by()[:100].count()
    return None if not count else str(count) if count < 100 else "99+"


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
                return queryset.holding(now).filter(expires_at__lte=now + SOON)  # type: ignore[attr-defined]
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
