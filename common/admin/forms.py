"""Fields and forms that admin pages share: times as browsers send them, clearing a value, and the reason."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import INPUT_CLASSES, UnfoldAdminTextareaWidget

from common.text_fields import ManyLinesFormField

LONGEST_REASON = 500  # characters
# A "valid local date and time string" of HTML: a browser replaces any other value, fractions of a microsecond
# included, by an empty one.
BROWSER_FORMAT = "%Y-%m-%dT%H:%M:%S"


class MomentInput(forms.DateTimeInput):
    """`<input type="datetime-local">` to the second; the same in every language, the browser shows it localized."""

    input_type = "datetime-local"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"step": 1, "class": " ".join(INPUT_CLASSES)} | (attrs or {}), format=BROWSER_FORMAT)


def zone_name() -> str:
    return timezone.get_current_timezone_name()


def _zoned_now(help_text: Any) -> str:
    zone = gettext("The time zone is %(zone)s.") % {"zone": zone_name()}
    return f"{zone} {help_text}".strip()


_zoned = lazy(_zoned_now, str)


class MomentField(forms.DateTimeField):
    """A time in the current zone, which the help text names, to the second.

    The rendered value counts as unchanged, although it lacks the microseconds of the row.
    """

    widget = MomentInput
    default_error_messages = {"invalid": _("Enter a date and a time, as in 2026-12-31T18:30:00.")}

    def __init__(self, *, help_text: Any = "", **more: Any) -> None:
        super().__init__(help_text=_zoned(help_text), **more)

    def to_python(self, value: Any) -> datetime | None:
        if isinstance(value, str) and not value.isascii():  # digits of other scripts too
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        try:
            return super().to_python(value)
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        shown = self.prepare_value(initial)
        if isinstance(shown, datetime):
            shown = shown.replace(microsecond=0)
            if data == shown.strftime(BROWSER_FORMAT):  # also in an hour that the zone has twice
                return False
            initial = timezone.make_aware(shown)
        return super().has_changed(initial, data)


def refuse_emptied(form: forms.Form, field: str, *, box: str) -> None:
    """For `Form.clean`: a value of `field` is only removed with a tick in `box`.

    Without this rule a browser that drops a value, or a client that does not send it, would set it to NULL.
    """
    had_value = form.get_initial_for_field(form.fields[field], field) is not None
    if not had_value or form.has_error(field):
        return
    value, ticked = form.cleaned_data[field], form.cleaned_data[box]
    if value is None and not ticked:
        message = _("This field was emptied. Give a value, or tick “%(box)s”.")
        form.add_error(field, message % {"box": form.fields[box].label})
    if ticked and value is not None and field in form.changed_data:
        message = _("Give a value, or tick “%(box)s”; not both.")
        form.add_error(field, message % {"box": form.fields[box].label})


class ReasonForm(forms.Form):
    reason = ManyLinesFormField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "autofocus": True}),
        help_text=_("Stays in the audit trail, with your name."),
    )
