"""What the pages of bans and of cases share: related rows, and that only moderators may change something there."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest

from bans.admin.access import may_decide
from common.admin import ActionAdmin


class ModerationAdmin(ActionAdmin):
    """Offers its actions to users with the permission `bans.moderate`, and shows related rows on the page of a row."""

    change_form_outer_after_template = "admin/moderation.html"

    def page_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        row = self.get_object(request, unquote(object_id or ""))
        shown = row is not None and self.has_view_permission(request, row)
        return super().page_context(request, object_id) | {"related": self.related_rows(row) if shown else None}

    def related_rows(self, row: Any) -> dict[str, Any] | None:
        """The title and the table of the rows that are shown on the page of `row`; None shows nothing."""
        raise NotImplementedError(f"{type(self).__name__} does not say which rows are related")

    def has_admin_action_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_decide(request)
