"""The form of *Ban people…*: whom, how, for how long, and why."""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from bans.admin.durations import ONE_DAY, ONE_HOUR, SEVEN_DAYS, TEN_MINUTES, UNTIL_LIFTED
from bans.models import LiveStreamBan
from bans.services import LARGEST_BATCH
from common.admin import LONGEST_REASON
from common.text_fields import ManyLinesFormField
from common.texts import broken_rule

LONGEST_NAME: int = User._meta.get_field("username").max_length or 0
# Neither usernames nor ids have these characters.
_BETWEEN_NAMES = re.compile(r"[\s,;]+")

DURATIONS = {"10m": TEN_MINUTES, "1h": ONE_HOUR, "1d": ONE_DAY, "7d": SEVEN_DAYS, "": UNTIL_LIFTED}
CHOICES = [(name, duration.label) for name, duration in DURATIONS.items()]


class NamesField(forms.CharField):
    """Usernames and ids, in lines or separated by commas, as a list of at most `LARGEST_BATCH`."""

    def to_python(self, value: Any) -> Any:
        return [name for name in _BETWEEN_NAMES.split(super().to_python(value) or "") if name]

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > LARGEST_BATCH:
            text = ngettext_lazy(
                "These are %(count)d name, and at most %(most)d are possible at once.",
                "These are %(count)d names, and at most %(most)d are possible at once.",
                "count",
            )
            raise ValidationError(text, code="too_many", params={"count": len(value), "most": LARGEST_BATCH})
        for name in value:
            if len(name) > LONGEST_NAME or broken_rule(name):
                text = _("“%(name)s” is not a username: those have at most %(most)d characters, none invisible.")
                raise ValidationError(text, code="no_name", params={"name": name[:30], "most": LONGEST_NAME})

    def run_validators(self, value: Any) -> None:
        """The validators of `CharField` are for texts; `validate` checks each name."""


def _radio(choices: Any, **more: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=choices, widget=UnfoldAdminRadioSelectWidget(), **more)


class BanForm(forms.Form):
    """How, for how long, and why."""

    action_type = _radio(
        LiveStreamBan.ActionType.choices, label=_("Kind"), initial=LiveStreamBan.ActionType.BLOCK.value
    )
    duration = _radio(CHOICES, label=_("Duration"), required=False, initial="1d")
    reason = ManyLinesFormField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("The banned people see it, and it stays in the audit trail with your name."),
    )

    def values(self, now: datetime) -> dict[str, Any]:
        """The values of a valid form for `ban_many` and `ban_user`."""
        return {
            "action_type": self.cleaned_data["action_type"],
            "reason": self.cleaned_data["reason"],
            "expires_at": self.end(now),
        }

    def end(self, now: datetime) -> datetime | None:
        return DURATIONS[self.cleaned_data["duration"]].end(now)


class BanPeopleForm(BanForm):
    people = NamesField(
        label=_("People"),
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 8, "autofocus": True, "autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=_("Usernames or ids, one a line or separated by commas; at most 1,000."),
    )
    field_order = ("people", "action_type", "duration", "reason")
