"""Outcomes of *Ban people…*: of the check, in a hidden field of the form, and of the ban."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.core.exceptions import BadRequest
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import LARGEST_BATCH, BanResult, BulkOutcome, CannotBanOneself
from common.admin.links import page_with_id
from common.fields import OBJECT_ID


class Outcome(TextChoices):
    """In the order in which a page shows them: what a moderator may want to correct comes first."""

    UNKNOWN = "unknown", _("unknown")
    YOURSELF = "yourself", _("yourself")
    PROTECTED = "protected", _("protected")
    ALREADY_BANNED = "already_banned", _("already banned")
    TWICE = "twice", _("named twice")
    WOULD_BE_BANNED = "would_be_banned", _("would be banned")
    REQUESTED = "requested", _("waits for a second moderator")
    BANNED = "banned", _("banned")


_OUTCOMES = {
    BulkOutcome.UNKNOWN: Outcome.UNKNOWN,
    BulkOutcome.REFUSED: Outcome.PROTECTED,
    BulkOutcome.ALREADY_BANNED: Outcome.ALREADY_BANNED,
    BulkOutcome.DUPLICATE: Outcome.TWICE,
    BulkOutcome.REQUESTED: Outcome.REQUESTED,
    BulkOutcome.BANNED: Outcome.BANNED,
}
_COLOURS = {
    Outcome.WOULD_BE_BANNED: "primary",
    Outcome.REQUESTED: "primary",
    Outcome.BANNED: "success",
    Outcome.ALREADY_BANNED: "info",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One name that was sent. `before` is the outcome of the check, if the ban had another one."""

    name: str
    outcome: Outcome
    person_id: str | None = None
    ban_id: str | None = None
    note: str = ""
    before: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one outcome; `entries` have the name, the person's full name, the page of the ban, and notes."""

    label: str
    colour: str
    count: int
    entries: list[dict[str, Any]]


def _outcome_of(result: BanResult) -> Outcome:
    return Outcome.YOURSELF if isinstance(result.refusal, CannotBanOneself) else _OUTCOMES[result.outcome]


def _row(name: str, result: BanResult) -> Row:
    outcome = _outcome_of(result)
    note = "; ".join(result.refusal.reasons) if outcome == Outcome.PROTECTED and result.refusal else ""
    return Row(name, outcome, result.target_id, result.ban_id, note)


def checked_rows(results: Sequence[BanResult]) -> list[Row]:
    """The rows of a dry run."""
    rows = [_row(result.target, result) for result in results]
    return [replace(row, outcome=Outcome.WOULD_BE_BANNED) if row.outcome == Outcome.BANNED else row for row in rows]


def rows_after(rows: Sequence[Row], results: Sequence[BanResult]) -> list[Row]:
    """The checked rows after the ban; `results` are those of the rows that would be banned, in their order."""
    made = iter(results)
    after = []
    for row in rows:
        if row.outcome == Outcome.WOULD_BE_BANNED and row.person_id:
            now = _row(row.name, next(made))
            after.append(
                now if now.outcome in {Outcome.BANNED, Outcome.REQUESTED} else replace(now, before=row.outcome)
            )
        else:
            after.append(row)
    return after


def written_rows(rows: Sequence[Row]) -> str:
    return orjson.dumps([[row.name, row.outcome, row.person_id, row.ban_id, row.note] for row in rows]).decode()


def read_rows(text: str) -> list[Row]:
    """The rows that `written_rows` wrote. Raises BadRequest."""
    try:
        sent = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest from error
    if not isinstance(sent, list) or len(sent) > LARGEST_BATCH:
        raise BadRequest
    return [_read(each) for each in sent]


def _read(sent: Any) -> Row:
    match sent:
        case [str(name), outcome, person_id, ban_id, str(note)] if outcome in Outcome:
            if all(pk is None or (isinstance(pk, str) and OBJECT_ID.fullmatch(pk)) for pk in (person_id, ban_id)):
                return Row(name, Outcome(outcome), person_id, ban_id, note)
    raise BadRequest


def grouped(rows: Sequence[Row]) -> list[Group]:
    """The rows by outcome, those that changed since the check first. Costs one statement."""
    people = User.objects.in_bulk([row.person_id for row in rows if row.person_id]) if rows else {}
    groups = []
    for outcome in Outcome:
        found = sorted((row for row in rows if row.outcome == outcome), key=lambda row: row.before is None)
        if found:
            entries = [_entry(row, people.get(row.person_id or "")) for row in found]
            groups.append(Group(str(outcome.label), _COLOURS.get(outcome, "warning"), len(found), entries))
    return groups


def _entry(row: Row, person: User | None) -> dict[str, Any]:
    name = person.username if person else row.name
    return {
        "name": name,
        "full_name": person.get_full_name() if person else "",
        "sent": row.name if row.name != name else "",
        "ban": page_with_id(LiveStreamBan, row.ban_id) if row.ban_id else "",
        "note": row.note,
        "changed": _("The check said: %(outcome)s.") % {"outcome": row.before.label} if row.before else "",
    }
