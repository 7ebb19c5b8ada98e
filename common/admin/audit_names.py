"""The names of the rows that audit entries mention, for a whole page in a bounded number of statements."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection
from django.db.models import CharField, F, Model, Value
from django.db.models.functions import JSONObject

from common.admin.audit_registry import Kind, fields_of, kinds
from common.fields import OBJECT_ID, id_from_json
from common.models import AuditEntry

type Key = tuple[str, str]  # kind and id

# The first entry of each row: it has what the row referred to. Each costs a few look-ups in the index of targets.
_FIRST = """
    SELECT entry.target_id, entry.before, entry.after
    FROM unnest(%s::bytea[]) AS wanted (id), LATERAL (
        SELECT target_id, before, after FROM common_auditentry WHERE target_id = wanted.id ORDER BY id LIMIT 1
    ) AS entry
"""


@dataclass(frozen=True)
class Name:
    """A row that a sentence mentions. `text` is None when nothing names it."""

    kind: str
    pk: str
    text: str | None


class Names:
    """Reads what `entries` mention, with at most three statements, whatever their number and kinds."""

    def __init__(self, entries: Sequence[AuditEntry]) -> None:
        targets = _by_kind((entry.target_type, entry.target_id) for entry in entries if entry.target_type in kinds())
        self._referred: dict[Key, dict[str, str]] = {}
        self._titles: dict[Key, str] = {}
        self._existing: set[Key] = set()
        self._look_up({name: ids for name, ids in targets.items() if kinds()[name].refers or kinds()[name].title})
        self._add_removed(entries)
        mentioned = [
            (reference.kind, self._referred[key][name])
            for key in self._referred
            for name, reference in kinds()[key[0]].refers.items()
            if name in self._referred[key]
        ]
        for entry in entries:
            mentioned += _in_values(entry)
        wanted = _by_kind(key for key in mentioned if key[0] in kinds() and key not in self._existing)
        self._look_up({name: ids for name, ids in wanted.items() if kinds()[name].title})

    def of(self, entry: AuditEntry) -> dict[str, Name]:
        """By the placeholders of sentences."""
        kind = kinds().get(entry.target_type)
        if kind is None:
            return {}
        referred = self._referred.get((kind.name, entry.target_id), {})
        names = {name: self.name(one.kind, referred.get(name, "")) for name, one in kind.refers.items()}
        if kind.own:
            own = self.name(kind.name, entry.target_id)
            noted = (entry.before | entry.after).get(kind.title_noted) if kind.title_noted else None
            names[kind.own] = own if own.text is not None or not noted else Name(own.kind, own.pk, str(noted))
        return names

    def name(self, kind: str, pk: str) -> Name:
        return Name(kind, pk if (kind, pk) in self._existing else "", self._titles.get((kind, pk)))

    # --- reading --------------------------------------------------------------------------------

    def _look_up(self, wanted: dict[str, set[str]]) -> None:
        """One statement for all kinds."""
        found = [_rows_of(kinds()[name], ids) for name, ids in sorted(wanted.items())]
        if not found:
            return
        first, *others = found
        for kind, facts in first.union(*others, all=True) if others else first:
            pk = id_from_json(facts.pop("pk"))
            self._existing.add((kind, pk))
            if (title := facts.pop("title", None)) is not None:
                self._titles[kind, pk] = title
            self._referred[kind, pk] = {name: id_from_json(value) for name, value in facts.items() if value is not None}

    def _add_removed(self, entries: Sequence[AuditEntry]) -> None:
        """What removed rows referred to, as their entries have it."""
        for entry in entries:
            self._add_noted(entry.target_type, entry.target_id, entry.before | entry.after)
        missing = {
            entry.target_id
            for entry in entries
            if (kind := kinds().get(entry.target_type)) is not None
            and (kind.name, entry.target_id) not in self._existing
            and _noted(kind) - self._referred.get((kind.name, entry.target_id), {}).keys()
        }
        if not missing:
            return
        named = {entry.target_id: entry.target_type for entry in entries}
        with connection.cursor() as cursor:
            cursor.execute(_FIRST, [[bytes.fromhex(pk) for pk in missing]])
            for target_id, before, after in cursor.fetchall():
                pk = bytes(target_id).hex()
                self._add_noted(named[pk], pk, _loaded(before) | _loaded(after))

    def _add_noted(self, kind_name: str, pk: str, values: dict[str, Any]) -> None:
        kind = kinds().get(kind_name)
        if kind is None or (kind_name, pk) in self._existing:
            return
        for name, reference in kind.refers.items():
            value = values.get(reference.noted) if reference.noted else None
            if isinstance(value, str) and OBJECT_ID.fullmatch(value):
                self._referred.setdefault((kind_name, pk), {}).setdefault(name, value)


def _noted(kind: Kind) -> set[str]:
    return {name for name, reference in kind.refers.items() if reference.noted}


def _by_kind(keys: Iterable[Key]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for kind, pk in keys:
        found[kind].add(pk)
    return found


def _in_values(entry: AuditEntry) -> list[Key]:
    """The rows whose ids are values of `before` and `after`."""
    fields = fields_of(entry.target_type)
    found = []
    for values in (entry.before, entry.after):
        for key, value in values.items():
            kind = fields[key].kind if key in fields else ""
            if kind and isinstance(value, str) and OBJECT_ID.fullmatch(value):
                found.append((kind, value))
    return found


def _rows_of(kind: Kind, ids: set[str]) -> Any:
    facts = {"pk": F("pk")} | {name: F(reference.path) for name, reference in kind.refers.items()}
    if kind.title:
        facts["title"] = F(kind.title)
    model: type[Model] = kind.model  # type: ignore[assignment]
    rows = model._base_manager.filter(pk__in=ids).order_by()
    return rows.values_list(Value(kind.name, output_field=CharField()), JSONObject(**facts))


def _loaded(value: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(value) if isinstance(value, str) else value
    return loaded
