"""The form of *Ban from a stream…*: from which stream, how, for how long, and why; and the streams to choose from."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from bans.admin.people_form import CHOICES, BanForm
from common.admin import ActionAdmin
from common.admin.forms import MomentField
from common.fields import OBJECT_ID
from common.texts import isolated
from common.times import written
from livestreams.models import BEGIN, LiveStream, Status

OFFERED = 20  # streams that the form shows at once
AT_A_TIME = "time"
FORTHCOMING = (Status.PREPARING, Status.SCHEDULED)


class StreamWidget(UnfoldAdminRadioSelectWidget):
    """Long labels are wrapped, so that their ends distinguish streams with the same title on narrow screens too."""

    option_template_name = "admin/stream_option.html"


class StreamField(forms.CharField):
    """The id of a stream. The service says whether it exists and is not over."""

    widget = StreamWidget

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not OBJECT_ID.fullmatch(value):
            raise ValidationError(_("Choose one of the streams."), code="invalid")


class PersonBanForm(BanForm):
    find = forms.CharField(
        label=_("Find a stream"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True, "type": "search"}),
        help_text=_("Words of the title or of the creator's names."),
    )
    stream = StreamField(label=_("Stream"), error_messages={"required": _("Choose a stream.")})
    ends_at = MomentField(label=_("Ends"), required=False, help_text=_("Only with “at a time”."))
    field_order = ("find", "stream", "action_type", "duration", "ends_at", "reason")

    def __init__(self, *args: Any, streams: list[LiveStream], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["stream"].widget.choices = [(stream.pk, label_of(stream)) for stream in streams]
        self.fields["duration"].choices = [*CHOICES, (AT_A_TIME, _("at a time"))]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        super().clean()
        wanted = self.cleaned_data.get("duration") == AT_A_TIME
        if wanted and self.cleaned_data.get("ends_at") is None and not self.has_error("ends_at"):
            self.add_error("ends_at", _("Give the time at which the ban ends."))
        if not wanted and self.cleaned_data.get("ends_at") is not None:
            self.add_error("ends_at", _("Choose “at a time” for it, or leave this empty."))
        return self.cleaned_data

    def end(self, now: datetime) -> datetime | None:
        if self.cleaned_data["duration"] != AT_A_TIME:
            return super().end(now)
        ends_at: datetime = self.cleaned_data["ends_at"]
        return ends_at


def label_of(stream: LiveStream) -> str:
    """What distinguishes a stream from others with the same title: its creator, its state and when it begins."""
    state: str | Promise = stream.get_status_display()
    begins = stream.started_at or stream.planned_start_at
    when = f" · {written(begins)}" if begins else ""
    return f"{isolated(stream.title)} · @{stream.creator.username} · {state}{when}"


def streams_to_choose(request: HttpRequest, text: str, chosen: str) -> tuple[list[LiveStream], bool]:
    """Streams that are not over, the live ones first, then the soonest; and whether there are more.

    With `text` only those that the list of streams finds; `chosen` is always among them. At most five statements.
    """
    streams = LiveStream.objects.select_related("creator")
    if text:
        found = _found(request, streams.filter(status__in=[Status.ACTIVE, *FORTHCOMING]), text)
        live_first = Case(When(status=Status.ACTIVE, then=0), default=1)
        # Before the join: PostgreSQL would read everybody for a thousand streams.
        picked = found.order_by(live_first, BEGIN, "pk").values("pk")[: OFFERED + 1]
        offered = list(streams.filter(pk__in=picked).order_by(live_first, BEGIN, "pk"))
    else:
        # Two indexes, each with one of the orders.
        offered = list(streams.filter(status=Status.ACTIVE).order_by("-started_at", "-pk")[: OFFERED + 1])
        left = OFFERED + 1 - len(offered)
        if left > 0:
            soonest = streams.filter(status=Status.SCHEDULED, planned_start_at__isnull=False)
            offered += soonest.order_by("planned_start_at", "pk")[:left]
    shown = offered[:OFFERED]
    if OBJECT_ID.fullmatch(chosen) and all(stream.pk != chosen for stream in shown):
        shown = [*LiveStream.objects.select_related("creator").filter(pk=chosen), *shown]
    return shown, len(offered) > OFFERED


def _found(request: HttpRequest, streams: QuerySet[LiveStream], text: str) -> QuerySet[LiveStream]:
    """By the search of the list of streams, which is in a lower app."""
    list_of_streams = admin.site.get_model_admin(LiveStream)
    assert isinstance(list_of_streams, ActionAdmin)  # noqa: S101 - registered by us
    return list_of_streams.get_search_results(request, streams, text)[0]
