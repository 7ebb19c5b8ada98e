"""Filters of admin lists: ranges of times, and the check of the values of all filters."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.contrib.admin import (
    BooleanFieldListFilter,
    ChoicesFieldListFilter,
    ListFilter,
    RelatedFieldListFilter,
    SimpleListFilter,
)
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.contrib.filters.forms import RangeDateTimeForm
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSplitDateTimeVerticalWidget

from common.admin.forms import zone_name
from common.error_pages import RefusedParameter

MOST_SHOWN = 100  # characters of a refused name or value
YES_OR_NO = frozenset({"0", "1", "true", "false"})


# --- ranges of times ------------------------------------------------------------------------------


class DayField(forms.SplitDateTimeField):
    """A date with or without a time, as a list of both."""

    def compress(self, data_list: Any) -> Any:
        return data_list


class DayRangeForm(RangeDateTimeForm):
    """Unfold's form refuses a date without a time; this one accepts it."""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(name, *args, **kwargs)
        for end, placeholder in (("from", gettext_lazy("Date from")), ("to", gettext_lazy("Date to"))):
            clock = format_lazy("{} ({})", gettext_lazy("Time"), zone_name())
            widget = UnfoldAdminSplitDateTimeVerticalWidget(
                date_label="",
                date_attrs={
                    "placeholder": placeholder,
                    "aria-label": placeholder,
                    "class": " ".join(["vDateField", *INPUT_CLASSES]),
                },
                time_label="",
                time_attrs={
                    "placeholder": clock,
                    "aria-label": format_lazy("{}: {}", placeholder, clock),
                    "class": " ".join(["vTimeField", *INPUT_CLASSES]),
                },
            )
            self.fields[f"{name}_{end}"] = DayField(label="", required=False, widget=widget)


class MomentRangeFilter(RangeDateTimeFilter):
    """From one time to another, both included, in the current time zone.

    A date without a time means the start or the end of the day; a time includes its whole second.
    """

    form_class = DayRangeForm

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**self.wanted())

    def wanted(self) -> dict[str, datetime]:
        """The conditions, by the names that `filter` takes. Raises `RefusedParameter` for an invalid date or time."""
        first, last = self.ends()
        wanted = {f"{self.parameter_name}__gte": first, f"{self.parameter_name}__lte": last}
        return {name: moment for name, moment in wanted.items() if moment is not None}

    def refuse_wrong(self) -> None:
        """Raises `RefusedParameter` for an invalid date or time."""
        self.ends()

    def ends(self) -> tuple[datetime | None, datetime | None]:
        """Raises `RefusedParameter` for an invalid date or time."""
        return self._end("from", time.min), self._end("to", time.max)

    def _end(self, end: str, whole_day: time) -> datetime | None:
        name = f"{self.parameter_name}_{end}"
        day = self._part(f"{name}_0", forms.DateField(required=False))
        at = self._part(f"{name}_1", forms.TimeField(required=False))
        if day is None:
            if at is not None:
                raise RefusedParameter(_("%(name)s: a time needs its date") % {"name": f"{name}_1"})
            return None
        return _moment(day, whole_day if at is None else at.replace(microsecond=whole_day.microsecond))

    def _part(self, name: str, field: forms.Field) -> Any:
        text = self.used_parameters.get(name) or ""
        try:
            if not text.isascii():  # Python accepts digits of all scripts
                raise ValidationError(field.error_messages["invalid"])
            return field.clean(text)
        except ValidationError as error:
            raise RefusedParameter(f"{name}: {' '.join(error.messages)}") from error


def _moment(day: date, at: time) -> datetime:
    return timezone.make_aware(datetime.combine(day, at))


# --- values ---------------------------------------------------------------------------------------


def refuse_wrong_values(filters: Sequence[ListFilter], sent: Mapping[str, Sequence[str]]) -> None:
    """Raises `RefusedParameter` for a value that none of `filters` knows, and for a parameter that is repeated.

    Django shows an empty list for some invalid values and drops all filters for others; both look like valid results.
    """
    for one in filters:
        for name in one.expected_parameters():
            values = sent.get(name or "", ())
            if len(values) > 1:
                raise RefusedParameter(_("%(name)s: it is given more than once") % {"name": name})
            if any(values) and not _knows(one, str(name), values[0]):
                shown = values[0][:MOST_SHOWN]
                raise RefusedParameter(
                    _("%(name)s: this filter has no value “%(value)s”") % {"name": name, "value": shown}
                )


def _knows(one: ListFilter, name: str, value: str) -> bool:
    """Whether `value`, which is not empty, is a valid value of the filter."""
    if getattr(one, "takes_any_text", False):
        return True
    if isinstance(one, SimpleListFilter):
        return value in {str(choice) for choice, _label in one.lookup_choices}
    if name.endswith("__isnull"):
        return value.lower() in YES_OR_NO
    if isinstance(one, BooleanFieldListFilter):
        return value in {"0", "1"}
    if isinstance(one, ChoicesFieldListFilter):
        return value in {str(choice) for choice, _label in one.field.flatchoices}
    if isinstance(one, RelatedFieldListFilter):
        try:
            one.field.target_field.to_python(value)  # type: ignore[attr-defined]  # a foreign key
        except ValidationError:
            return False
    return True
