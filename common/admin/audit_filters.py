"""Filters of the list of audit entries, in words."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from common.admin.audit_registry import actions, actions_of, actions_on, groups, kinds
from common.admin.audit_trail import ENTRY_POINTS, people_named, rows_about
from common.admin.audit_walk import LARGEST_ID, Wanted
from common.admin.filters import MomentRangeFilter
from common.error_pages import RefusedParameter
from common.fields import OBJECT_ID

PEOPLE_CONSIDERED = 20
ROWS_CONSIDERED = 200  # of each kind that is about these people


class _Unapplied:
    """The walk applies the filters, not a queryset."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class WhoFilter(_Unapplied, TextFilter):
    title = _("person who did it")
    parameter_name = "who"
    takes_any_text = True


class AboutFilter(_Unapplied, TextFilter):
    title = _("person concerned")
    parameter_name = "about"
    takes_any_text = True


class KindFilter(_Unapplied, DropdownFilter):
    title = _("kind of target")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return sorted(((kind.name, str(kind.label)) for kind in kinds().values()), key=lambda each: each[1])


class ActionFilter(_Unapplied, DropdownFilter):
    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return sorted(((action.action, str(action.name)) for action in actions().values()), key=lambda each: each[1])


class EntryPointFilter(_Unapplied, DropdownFilter):
    title = _("entry point")
    parameter_name = "entry_point"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(point), label) for point, label in ENTRY_POINTS.items()]


class _Hidden(_Unapplied, SimpleListFilter):
    def has_output(self) -> bool:
        return False


class GroupFilter(_Hidden):
    """The chips above the list."""

    title = _("group of actions")
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(group.name, group.label) for group in groups()]


class OlderFilter(_Hidden):
    """The id before which the page begins."""

    title = _("older")
    parameter_name = "before"
    takes_any_text = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return []


def id_before(request: HttpRequest) -> int | None:
    """Raises `RefusedParameter` for a text that is no id."""
    text = request.GET.get(OlderFilter.parameter_name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) <= LARGEST_ID):
        raise RefusedParameter(_gettext("%(name)s: it must be the id of an entry") % {"name": "before"})
    return int(text)


def wanted_of(request: HttpRequest, times: MomentRangeFilter | None, search: str) -> Wanted:
    """The conditions of a request whose parameters are valid. One statement for each person's name that is given."""
    given = {name: text for name in _NAMES if (text := request.GET.get(name, "").strip())}
    notes: list[Any] = []
    actors = targets = request_id = touching = None
    if search:
        given["q"] = search
        if OBJECT_ID.fullmatch(search.lower()):
            touching = search.lower()
        elif not (actors := _people(search, notes)):
            actors, request_id = None, search
    if "who" in given:
        named = _people(given["who"], notes)
        actors = named if actors is None else tuple(pk for pk in actors if pk in named)
    if "about" in given:
        people = _people(given["about"], notes)
        targets = tuple(dict.fromkeys(rows_about(people, ROWS_CONSIDERED)))
    since, until = times.ends() if times else (None, None)
    given |= {name: end.isoformat() for name, end in (("since", since), ("until", until)) if end}
    return Wanted(
        actors=actors,
        targets=targets,
        actions=_actions(given),
        entry_point=given.get("entry_point"),
        request_id=request_id,
        touching=touching,
        since=since,
        until=until,
        given=given,
        notes=tuple(notes),
    )


_NAMES = ("group", "who", "about", "kind", "action", "entry_point")


def _people(text: str, notes: list[Any]) -> tuple[str, ...]:
    """The people named so: an id, or words of names. Says so if there are more than are considered."""
    if OBJECT_ID.fullmatch(text.lower()):
        return (text.lower(),)
    found = people_named(text, PEOPLE_CONSIDERED + 1)
    if len(found) > PEOPLE_CONSIDERED:
        note = _gettext("More than %(count)d people are named “%(name)s”; only that many are considered.")
        notes.append(note % {"count": PEOPLE_CONSIDERED, "name": text})
    return tuple(found[:PEOPLE_CONSIDERED])


def _actions(given: dict[str, str]) -> tuple[str, ...] | None:
    sets = []
    if "group" in given:
        sets.append(set(actions_of(given["group"])))
    if "kind" in given:
        sets.append(set(actions_on(given["kind"])))
    if "action" in given:
        sets.append({given["action"]})
    return tuple(sorted(set.intersection(*sets))) if sets else None
