"""Audit rows as sentences with names, for lists, pages of rows, and exports."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin.audit_names import Name, Names
from common.admin.audit_registry import Action, Field, actions, fields_of, kinds, people_kind
from common.admin.audit_values import Change, Shown, changes_of, worded_value
from common.admin.links import link, page_with_id, view_permission
from common.admin.moments import moment_html
from common.admin.paging import page_of_rows
from common.entry_points import EntryPoint
from common.models import AuditEntry
from common.refusals import Text
from common.texts import isolated

__all__ = [
    "ENTRY_POINTS",
    "Worded",
    "Wording",
    "actor_of",
    "newest_entries",
    "people_named",
    "reason_of",
    "rows_about",
    "tab_of",
    "table_of",
    "trail_of",
    "worded_entries",
]

ENTRIES_SHOWN = 200

ENTRY_POINTS: Mapping[str, Text] = {
    EntryPoint.API: _("API"),
    EntryPoint.ADMIN: _("admin"),
    EntryPoint.COMMAND: _("command line"),
    EntryPoint.TASK: _("background task"),
}


@dataclass(frozen=True)
class Worded:
    """One entry, for a template. `sentence` has links to the rows that the reader may view."""

    entry: AuditEntry
    at: SafeString
    sentence: SafeString
    entry_point: str
    changes: list[Change]
    ids: list[tuple[str, str]]

    @property
    def summary(self) -> str:
        """What unfolds the changes and the ids."""
        count = len(self.changes)
        return ngettext("%(count)d value", "%(count)d values", count) % {"count": count} if count else gettext("Ids")


class Wording:
    """Words the entries of one page. `request` is that of the reader; without it there are no links."""

    def __init__(self, entries: Sequence[AuditEntry], request: HttpRequest | None = None) -> None:
        self._request = request
        self._names = Names(entries)
        self._may_view: dict[type[Model], bool] = {}

    def worded(self, entry: AuditEntry) -> Worded:
        return Worded(
            entry,
            moment_html(entry.at),
            self.sentence(entry),
            str(ENTRY_POINTS.get(entry.entry_point, entry.entry_point)),
            changes_of(entry, self._names, self.shown),
            ids_of(entry),
        )

    def sentence(self, entry: AuditEntry) -> SafeString:
        """The sentence, and the reason after a colon."""
        sentence = mark_safe(self._filled(entry, self.shown, self._actor(entry), conditional_escape))  # noqa: S308 - escaped
        reason = reason_of(entry)
        return format_html("{}: {}", sentence, isolated(reason)) if reason else sentence

    def plain(self, entry: AuditEntry) -> str:
        """The sentence as plain text, without the reason."""
        return self._filled(entry, self._text, actor_of(entry), str)

    def shown(self, name: Name) -> SafeString:
        """The name, as a link where the reader may follow it."""
        text = isolated(self._text(name))
        address = self._address(name)
        if not address:
            return format_html('<strong class="font-semibold">{}</strong>', text)
        return link(address, text)

    # --- parts ----------------------------------------------------------------------------------

    def _filled(self, entry: AuditEntry, shown: Shown, actor: str, escape: Callable[[Any], str]) -> str:
        action = actions().get(entry.action)
        if action is None:
            text = f"%(actor)s: {entry.action.replace('%', '%%')} (%(target)s)"
        else:
            text = str(_template(action, entry))
        return escape(text) % _Parts(self._names, entry, shown, actor, escape)

    def _actor(self, entry: AuditEntry) -> SafeString:
        if entry.actor_id is None:
            return conditional_escape(actor_of(entry))
        kind = people_kind()
        return self.shown(Name(kind.name, entry.actor_id, entry.actor_name))

    def _text(self, name: Name) -> str:
        kind = kinds()[name.kind]
        if name.text is None:
            return str(kind.gone)
        return name.text if kind.find else f"“{name.text}”"

    def _address(self, name: Name) -> str:
        model = kinds()[name.kind].model
        if not name.pk or model is None or self._request is None or not self._may(model):
            return ""
        return page_with_id(model, name.pk)

    def _may(self, model: type[Model]) -> bool:
        if model not in self._may_view:
            user = self._request.user  # type: ignore[union-attr]
            self._may_view[model] = admin.site.is_registered(model) and user.has_perm(view_permission(model))
        return self._may_view[model]


class _Parts(dict[str, str]):
    """The placeholders of one sentence; values of the entry are looked up by their key."""

    def __init__(self, names: Names, entry: AuditEntry, shown: Shown, actor: str, escape: Callable[[Any], str]) -> None:
        super().__init__({placeholder: shown(name) for placeholder, name in names.of(entry).items()}, actor=actor)
        self._names, self._entry, self._shown, self._escape = names, entry, shown, escape

    def __missing__(self, key: str) -> str:
        entry = self._entry
        if key == "target":
            kind = kinds().get(entry.target_type)
            return self._escape(kind.label if kind else entry.target_type.replace("_", " "))
        field = fields_of(entry.target_type).get(key) or Field(key)
        value = (entry.before | entry.after).get(key)
        return self._escape(worded_value(value, field, self._names, self._shown))


def _template(action: Action, entry: AuditEntry) -> Text:
    if action.variants is None:
        return action.sentence
    key, sentences = action.variants
    return sentences.get(entry.after.get(key), action.sentence)


def actor_of(entry: AuditEntry) -> str:
    return isolated(entry.actor_name) if entry.actor_name else str(_("The system"))


def reason_of(entry: AuditEntry) -> str:
    """The reason that the actor gave, or the one of the row that was created."""
    if entry.reason:
        return entry.reason
    field, value = fields_of(entry.target_type).get("reason"), entry.after.get("reason")
    if not isinstance(value, str) or entry.before:
        return ""
    return str(field.worded(value)) if field and field.worded else value


def ids_of(entry: AuditEntry) -> list[tuple[str, str]]:
    """What identifies the entry and its rows to a machine."""
    ids = [
        (_("entry"), str(entry.pk)),
        (_("action"), entry.action),
        (_("target"), f"{entry.target_type} {entry.target_id}"),
        (_("actor"), entry.actor_id or ""),
        (_("request id"), entry.request_id),
        (_("client address"), entry.client_address),
    ]
    return [(str(label), text) for label, text in ids if text]


# --- the trail on the page of a row ---------------------------------------------------------------


def trail_of(request: HttpRequest, target_type: str, target_id: str) -> dict[str, Any]:
    """The last `ENTRIES_SHOWN` entries of the row and of its parts, oldest first; worded for the reader."""
    entries = newest_entries(target_type, target_id, ENTRIES_SHOWN)[::-1]
    return {"title": _("Audit trail"), "entries": entries, "worded": worded_entries(entries, request)}


def newest_entries(target_type: str, target_id: str, most: int) -> list[AuditEntry]:
    """The entries of the row and of its parts, newest first."""
    own = AuditEntry.objects.filter(target_id=target_id, target_type=target_type)
    # In one statement, of which each part uses the index of targets.
    return list(own.union(*_of_parts(target_type, target_id)).order_by("-id")[:most])


def worded_entries(entries: Sequence[AuditEntry], request: HttpRequest | None) -> list[Worded]:
    wording = Wording(entries, request)
    return [wording.worded(entry) for entry in entries]


def table_of(entries: Sequence[AuditEntry], request: HttpRequest | None = None) -> dict[str, Any]:
    """The entries for the template of tables, in their order."""
    headers = [_("time"), _("what happened"), _("entry point"), _("changes")]
    rows = [[one.at, one.sentence, one.entry_point, details_of(one)] for one in worded_entries(list(entries), request)]
    return {"headers": headers, "rows": rows}


def tab_of(request: HttpRequest, entries: QuerySet[AuditEntry], *, tab: str) -> dict[str, Any]:
    """The variables of the tab `tab` with these entries in pages, newest first. An index must have this order."""
    page = page_of_rows(request, entries, tab=tab, time=None)
    return {"table": table_of(page.rows, request), "pages": page.links, "empty": _("There are no entries.")}


def details_of(worded: Worded) -> str:
    """The changes and the ids, folded."""
    return render_to_string("admin/audit_details.html", {"one": worded})


def _of_parts(target_type: str, target_id: str) -> list[QuerySet[AuditEntry]]:
    """The entries of rows that are parts of this one."""
    found = []
    for kind in kinds().values():
        for reference in kind.refers.values():
            if reference.is_part and reference.kind == target_type and kind.model is not None:
                rows = kind.model._base_manager.filter(**{reference.path: target_id}).order_by().values("pk")
                found.append(AuditEntry.objects.filter(target_id__in=rows, target_type=kind.name))
    return found


def people_named(text: str, most: int) -> list[str]:
    """The ids of at most `most` people whose names have the words of `text`."""
    find = people_kind().find
    return find(text, most) if find else []


def rows_about(people: Iterable[str], most: int) -> list[str]:
    """The ids of these people, and of at most `most` rows of each kind that are about them."""
    ids = list(people)
    found = list(ids)
    for kind in kinds().values():
        for reference in kind.refers.values():
            if reference.finds and kind.model is not None:
                rows = kind.model._base_manager.filter(**{f"{reference.path}__in": ids}).order_by()
                found += rows.values_list("pk", flat=True)[:most]
    return found
