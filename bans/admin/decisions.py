"""The form on the page of a ban that waits, and what its buttons say: the outcome, also for the appeal."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from bans.admin.durations import ONE_DAY, ONE_HOUR, SEVEN_DAYS, TEN_MINUTES, UNTIL_LIFTED
from bans.models import LONGEST_MESSAGE, Appeal, LiveStreamBan
from bans.services import is_harder, refuse_review, review_ban
from common.admin import LONGEST_REASON, ReasonForm
from common.refusals import Refusal
from common.text_fields import ManyLinesFormField

ActionType = LiveStreamBan.ActionType
Review = LiveStreamBan.Review

# The duration begins with the decision. The empty value of the field leaves the end as it is.
DURATIONS = {
    "600": TEN_MINUTES,
    "3600": ONE_HOUR,
    "86400": ONE_DAY,
    "604800": SEVEN_DAYS,
    "none": UNTIL_LIFTED,
}


@dataclass(frozen=True)
class Verdict:
    """A verdict that a moderator may give on a ban. `outcome` is the text of its button."""

    value: str
    key: str
    outcome: str | Promise
    icon: str
    reasons: list[str]


@dataclass(frozen=True)
class Change:
    """What a ban may be changed to: the name and the value of a field of the form."""

    name: str
    value: str
    label: str | Promise
    is_harder: bool


def reasons_for(verdict: str) -> list[str]:
    """The reasons to choose from, in the current language."""
    by_language: dict[str, list[str]] = settings.REVIEW_REASONS[verdict]
    return by_language.get(get_language() or "", next(iter(by_language.values())))


def verdicts_on(ban: LiveStreamBan, *, by: User, now: datetime) -> list[Verdict]:
    """The verdicts that `review_ban` would accept now."""
    keep = _("Keep the ban, deny the appeal") if ban.pending_appeal else _("Keep the ban")
    lift = _("Lift, grant the appeal") if ban.pending_appeal else _("Lift the ban")
    every = [
        Verdict(Review.UPHELD, "u", keep, "gavel", reasons_for(Review.UPHELD)),
        Verdict(Review.LIFTED, "l", lift, "lock_open", reasons_for(Review.LIFTED)),
        Verdict(Review.CHANGED, "c", _("Change to …"), "tune", reasons_for(Review.CHANGED)),
    ]
    return [verdict for verdict in every if _is_possible(ban, Review(verdict.value), by, now)]


def _is_possible(ban: LiveStreamBan, verdict: Review, by: User, now: datetime, **values: Any) -> bool:
    try:
        refuse_review(ban, by=by, now=now, verdict=verdict, changes=values or None, decision=Appeal.State.DENIED)
    except Refusal:
        return False
    return True


def changes_of(ban: LiveStreamBan, *, by: User, now: datetime) -> list[Change]:
    """What `review_ban` would accept to change the ban to."""
    kind = ActionType.CHAT_ONLY if ban.action_type == ActionType.BLOCK else ActionType.BLOCK
    every: list[tuple[str, str, str | Promise, dict[str, Any]]] = [
        *(("duration", value, one.label, {"expires_at": one.end(now)}) for value, one in DURATIONS.items()),
        ("kind", kind, kind.label, {"action_type": kind}),
    ]
    return [
        Change(name, value, label, is_harder=is_harder(ban, values))
        for name, value, label, values in every
        if _is_possible(ban, Review.CHANGED, by, now, **values)
    ]


class VerdictForm(ReasonForm):
    """The reason, for moderators, and a message for the banned person."""

    message = ManyLinesFormField(
        label=_("For the banned person"),
        max_length=LONGEST_MESSAGE,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Optional. The banned person reads it with the verdict."),
    )

    @property
    def texts(self) -> list[forms.BoundField]:
        return [self["reason"], self["message"]]


class DecisionForm(VerdictForm):
    verdict = forms.ChoiceField(
        choices=[(one, one.label) for one in (Review.UPHELD, Review.LIFTED, Review.CHANGED)],
        error_messages={"required": _("Choose what happens to the ban.")},
    )
    duration = forms.ChoiceField(
        choices=[(value, duration.label) for value, duration in DURATIONS.items()], required=False
    )
    kind = forms.ChoiceField(choices=ActionType.choices, required=False)
    appeal = forms.ChoiceField(
        choices=[(one.value, one.label) for one in (Appeal.State.APPROVED, Appeal.State.DENIED)], required=False
    )
    reason = ManyLinesFormField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("For moderators. Stays in the audit trail, with your name."),
    )
    seen = forms.CharField(required=False, max_length=100)
    stay = forms.BooleanField(required=False)

    def __init__(self, ban: LiveStreamBan, data: Any = None) -> None:
        super().__init__(data)
        self.ban = ban

    @property
    def errors_of_changes(self) -> list[str]:
        return [*self["duration"].errors, *self["kind"].errors]

    @property
    def chosen(self) -> set[str]:
        """The changes that were sent."""
        return {self.data.get("duration", ""), self.data.get("kind", "")}

    def clean(self) -> dict[str, Any]:
        super().clean()
        if self.cleaned_data.get("verdict") == Review.CHANGED:
            if not (self.cleaned_data.get("duration") or self.cleaned_data.get("kind")):
                self.add_error("verdict", _("Choose what the ban is changed to."))
            if self.ban.pending_appeal and not self.cleaned_data.get("appeal"):
                self.add_error("appeal", _("Choose what happens to the appeal."))
        return self.cleaned_data

    def decide(self, *, by: User, now: datetime) -> LiveStreamBan:
        """Gives the verdict of a valid form. Raises what `review_ban` raises."""
        given = self.cleaned_data
        changes: dict[str, Any] = {}
        if given["verdict"] == Review.CHANGED:
            if given["duration"]:
                changes["expires_at"] = DURATIONS[given["duration"]].end(now)
            if given["kind"]:
                changes["action_type"] = given["kind"]
        return review_ban(
            self.ban.pk,
            by=by,
            now=now,
            verdict=Review(given["verdict"]),
            reason=given["reason"],
            changes=changes or None,
            decision=(given["appeal"] or None) if given["verdict"] == Review.CHANGED else None,
            seen=given["seen"] or None,
            message=given["message"],
        )
