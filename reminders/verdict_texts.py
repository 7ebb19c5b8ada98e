"""The texts of notices about verdicts, in the active language."""

from typing import Any

from django.utils.translation import gettext

from common.texts import isolated
from reminders.models import VerdictKind


def title_of_verdict(kind: str) -> str:
    match VerdictKind(kind):
        case VerdictKind.APPEAL_DECIDED:
            return gettext("Your appeal was decided")
        case VerdictKind.BAN_REVIEWED:
            return gettext("Your ban was reviewed")
        case VerdictKind.VERDICT_WITHDRAWN:
            return gettext("A decision was taken back")


def message_of_verdict(kind: str, stream: str, details: dict[str, Any]) -> str:
    """`stream` is the title, isolated. `details` are those of the notification."""
    match VerdictKind(kind):
        case VerdictKind.APPEAL_DECIDED:
            text = _of_appeal(details["appeal"], details["verdict"])
        case VerdictKind.BAN_REVIEWED:
            text = _of_review(details["verdict"])
        case VerdictKind.VERDICT_WITHDRAWN:
            text = gettext("The decision about your ban on “%(stream)s” was taken back. Moderators may decide again.")
    text = text % {"stream": stream}
    if message := details.get("message"):
        return gettext("%(text)s A moderator writes: %(message)s") % {"text": text, "message": isolated(message)}
    return text


def _of_appeal(state: str, verdict: str) -> str:
    match state, verdict:
        case "approved", "changed":
            return gettext("Your appeal against the ban on “%(stream)s” was granted: the ban was changed.")
        case "approved", _:
            return gettext("Your appeal against the ban on “%(stream)s” was granted: the ban was lifted.")
        case _, "changed":
            return gettext("Your appeal against the ban on “%(stream)s” was denied, and the ban was changed.")
        case _, "holds_again":
            return gettext("Your appeal against the ban on “%(stream)s” was denied after all: the ban holds again.")
    return gettext("Your appeal against the ban on “%(stream)s” was denied: the ban stays.")


def _of_review(verdict: str) -> str:
    match verdict:
        case "lifted":
            return gettext("Your ban on “%(stream)s” was lifted.")
        case "changed":
            return gettext("Your ban on “%(stream)s” was changed.")
        case "holds_again":
            return gettext("Your ban on “%(stream)s” holds again.")
    return gettext("Your ban on “%(stream)s” was reviewed: it stays.")
