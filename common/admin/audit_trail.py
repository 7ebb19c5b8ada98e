"""Audit rows as text of admin pages."""

from collections.abc import Iterable
from typing import Any

import orjson
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _

from common.admin.moments import moment_html
from common.models import AuditEntry
from common.times import written  # noqa: F401 - pages of other apps import it from here

ENTRIES_SHOWN = 200


def trail_of(target_type: str, target_id: str) -> dict[str, Any]:
    """The last `ENTRIES_SHOWN` audit entries of the row, oldest first."""
    newest = AuditEntry.objects.filter(target_id=target_id, target_type=target_type)
    entries = list(newest.order_by("-id")[:ENTRIES_SHOWN])[::-1]
    return {"title": _("Audit trail"), "entries": entries, "table": table_of(entries)}


def table_of(entries: Iterable[AuditEntry]) -> dict[str, Any]:
    headers = [_("time"), _("action"), _("by"), _("entry point"), _("change"), _("reason"), _("request")]
    return {"headers": headers, "rows": [_table_row(entry) for entry in entries]}


def _table_row(entry: AuditEntry) -> list[str]:
    changes = format_html_join(mark_safe("<br>"), "{}: {} → {}", changes_of(entry))
    return [moment_of(entry), entry.action, actor_of(entry), entry.entry_point, changes, entry.reason, entry.request_id]


def moment_of(entry: AuditEntry) -> str:
    return moment_html(entry.at)


def actor_of(entry: AuditEntry) -> str:
    return entry.actor_name or str(_("the system"))


def changes_of(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Field, value before, value after."""
    fields = entry.before | entry.after
    return [(field, _value(entry.before.get(field)), _value(entry.after.get(field))) for field in fields]


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
