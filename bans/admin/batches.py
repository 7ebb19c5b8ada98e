"""Messages about calls that concern all bans of a batch."""

from collections import Counter
from collections.abc import Iterable

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import ngettext

from bans.services import BanResult
from common.refusals import Invalid, Refusal


def requested_text(count: int) -> str:
    """What staff read after a call that a second moderator must approve."""
    return ngettext(
        "%(count)d person waits for the approval of a second moderator; nothing has changed yet.",
        "%(count)d people wait for the approval of a second moderator; nothing has changed yet.",
        count,
    ) % {"count": count}


def refusal_text(refusal: Refusal) -> str:
    """Why, for people. The name that a field has on the wire is left out."""
    return str(refusal.rule) if isinstance(refusal, Invalid) else "; ".join(refusal.reasons)


def warn_of_skipped(request: HttpRequest, results: Iterable[BanResult]) -> None:
    """One message for each reason why bans were left as they are."""
    reasons = Counter(refusal_text(result.refusal) for result in results if result.refusal is not None)
    for why, count in reasons.items():
        text = ngettext(
            "%(count)d ban was left as it is: %(why)s", "%(count)d bans were left as they are: %(why)s", count
        )
        messages.warning(request, text % {"count": count, "why": why})
