"""Changes of fields in words: names of fields, times, choices and people in the reader's language and time zone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.utils.translation import gettext_lazy as _

from common.admin.audit_names import Name, Names
from common.admin.audit_registry import Field, fields_of
from common.models import AuditEntry
from common.times import written_exactly

NOTHING = "–"

type Shown = Callable[[Name], str]  # the name as text or as a link


@dataclass(frozen=True)
class Change:
    """One field. `before` is None in an entry that creates something."""

    key: str
    label: str
    before: str | None
    after: str


def changes_of(entry: AuditEntry, names: Names, shown: Shown) -> list[Change]:
    fields = fields_of(entry.target_type) or fields_of("run")
    return [
        _change(entry, key, fields.get(key) or Field(key.replace("_", " ")), names, shown)
        for key in entry.before | entry.after
    ]


def _change(entry: AuditEntry, key: str, field: Field, names: Names, shown: Shown) -> Change:
    def worded(values: dict[str, Any]) -> str:
        return worded_value(values.get(key), field, names, shown)

    before = worded(entry.before) if entry.before else None
    return Change(key, str(field.label), before, worded(entry.after))


def worded_value(value: Any, field: Field, names: Names, shown: Shown) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if field.kind and isinstance(value, str):
        name = names.name(field.kind, value)
        return shown(name) if name.text is not None else value
    if field.worded is not None:
        return str(field.worded(value))
    if isinstance(value, str):
        moment = _moment(value)
        return value if moment is None else written_exactly(moment)
    return str(value) if isinstance(value, int) else orjson.dumps(value).decode()


def _moment(text: str) -> datetime | None:
    """The time that `text` is, if it is one as the trail stores it: ISO 8601 with an offset."""
    if len(text) < len("2026-01-01T00:00:00Z") or text[10] != "T":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
