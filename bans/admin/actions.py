"""Admin actions on bans: reviews for moderators, overruling for those who may, and the form for changes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from bans.admin.durations import ONE_DAY, ONE_HOUR, SEVEN_DAYS
from bans.models import Appeal, LiveStreamBan
from bans.services import overrule_review, refuse_overruling, refuse_review, review_ban
from common.admin import AdminAction, ReasonForm
from common.admin.forms import MomentField, refuse_emptied

ActionType = LiveStreamBan.ActionType
Review = LiveStreamBan.Review

OVERRULE = "bans.overrule"

type Changes = Callable[[datetime], dict[str, Any]]

UPHELD = ngettext_lazy("%(count)d ban was upheld.", "%(count)d bans were upheld.", "count")
LIFTED = ngettext_lazy("%(count)d ban was lifted.", "%(count)d bans were lifted.", "count")
CHANGED = ngettext_lazy("%(count)d ban was changed.", "%(count)d bans were changed.", "count")
OVERRULED = ngettext_lazy("%(count)d verdict was overruled.", "%(count)d verdicts were overruled.", "count")


def _reviewing(name: str, verdict: Review, changes: Changes | None = None, **shown: Any) -> AdminAction:
    def review(ban_id: str, /, *, by: Any, now: datetime, reason: str) -> object:
        wanted = changes(now) if changes else None
        return review_ban(ban_id, by=by, now=now, verdict=verdict, reason=reason, changes=wanted)

    def rule(ban: LiveStreamBan, /, *, by: Any, now: datetime) -> None:
        refuse_review(ban, by=by, now=now, verdict=verdict, changes=changes(now) if changes else None)

    return AdminAction(name=name, service=review, rule=rule, **shown)


def _overruling(name: str, verdict: Review, **shown: Any) -> AdminAction:
    def overrule(ban_id: str, /, *, by: Any, now: datetime, reason: str) -> object:
        return overrule_review(ban_id, by=by, now=now, verdict=verdict, reason=reason)

    def rule(ban: LiveStreamBan, /, *, by: Any, now: datetime) -> None:
        refuse_overruling(ban, by=by, now=now, verdict=verdict)

    return AdminAction(
        name=name, service=overrule, rule=rule, done=OVERRULED, permission=OVERRULE, icon="gavel", **shown
    )


def _change(name: str, label: Any, changes: Changes) -> AdminAction:
    return _reviewing(name, Review.CHANGED, changes, label=label, done=CHANGED, icon="edit")


UPHOLD = _reviewing(
    "uphold_ban", Review.UPHELD, label=_("Uphold"), done=UPHELD, icon="verified", variant=ActionVariant.PRIMARY
)
LIFT = _reviewing(
    "lift_ban", Review.LIFTED, label=_("Lift"), done=LIFTED, icon="lock_open", variant=ActionVariant.WARNING
)
OVERRULINGS = (
    _overruling("overrule_uphold", Review.UPHELD, label=_("Overrule: uphold")),
    _overruling("overrule_lift", Review.LIFTED, label=_("Overrule: lift"), variant=ActionVariant.WARNING),
)
# Changes of many bans at once. A single ban is changed with the form on its page.
USUAL_CHANGES = (
    _change("block_watching", _("Change: may not watch"), lambda now: {"action_type": ActionType.BLOCK}),
    _change("block_writing", _("Change: may not write"), lambda now: {"action_type": ActionType.CHAT_ONLY}),
    _change("end_in_an_hour", _("Change: ends in 1 hour"), lambda now: {"expires_at": ONE_HOUR.end(now)}),
    _change("end_in_a_day", _("Change: ends in 1 day"), lambda now: {"expires_at": ONE_DAY.end(now)}),
    _change("end_in_a_week", _("Change: ends in 7 days"), lambda now: {"expires_at": SEVEN_DAYS.end(now)}),
    _change("hold_until_lifted", _("Change: holds until lifted"), lambda now: {"expires_at": None}),
)
USUAL_NAMES = {action.name for action in USUAL_CHANGES}


class ChangeForm(ReasonForm):
    """Kind and end of a ban, and the decision on its appeal. Only fields that the user changed are applied."""

    action_type = forms.ChoiceField(label=_("Kind"), choices=ActionType.choices, widget=UnfoldAdminSelectWidget)
    expires_at = MomentField(label=_("Ends"), required=False)
    no_end = forms.BooleanField(label=_("Holds until it is lifted"), required=False, widget=UnfoldBooleanWidget)
    appeal = forms.ChoiceField(
        label=_("Appeal"),
        choices=[
            ("", "---------"),
            *((state.value, state.label) for state in (Appeal.State.APPROVED, Appeal.State.DENIED)),
        ],
        widget=UnfoldAdminSelectWidget,
        help_text=_("What you decide about the appeal against this ban."),
    )
    field_order = ("action_type", "expires_at", "no_end", "appeal", "reason")

    def __init__(self, ban: LiveStreamBan, data: Any, *, overruling: bool = False) -> None:
        appeal = ban.appeal_or_none
        state = appeal.state if appeal else ""
        decided = state in {Appeal.State.APPROVED, Appeal.State.DENIED}
        shown = {"action_type": ban.action_type, "expires_at": ban.expires_at, "appeal": state if decided else ""}
        super().__init__(data, initial=shown)
        if ban.expires_at is None:
            del self.fields["no_end"]
        if not (state == Appeal.State.PENDING or (overruling and decided)):
            del self.fields["appeal"]

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "no_end" in self.fields:
            refuse_emptied(self, "expires_at", box="no_end")
        if not self.errors and not self.changes:
            self.add_error(None, _("Nothing was changed. Change the kind or the end, or go back and uphold the ban."))
        return self.cleaned_data

    @property
    def changes(self) -> dict[str, Any]:
        names = [name for name in ("action_type", "expires_at") if name in self.changed_data]
        changed: dict[str, Any] = {name: self.cleaned_data[name] for name in names}
        return changed | ({"expires_at": None} if self.cleaned_data.get("no_end") else {})

    @property
    def decision(self) -> str | None:
        return self.cleaned_data.get("appeal") or None
