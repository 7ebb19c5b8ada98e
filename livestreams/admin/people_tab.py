"""A tab of a person's page: the streams that the person created or is the guest of."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from common.admin import Panel, add_panel, linked
from common.admin.paging import page_of_rows
from common.times import written
from livestreams.admin.words import shown_state
from livestreams.models import LiveStream

TAB = "streams"


def streams_of(request: HttpRequest, person: User) -> dict[str, Any]:
    """Also deleted ones, the newest first."""
    streams = LiveStream.all_objects.filter(Q(creator=person) | Q(guest=person)).select_related("creator")
    page = page_of_rows(request, streams, tab=TAB)
    headers = [_("created"), _("stream"), _("role"), _("status"), _("begins or began")]
    table = {"headers": headers, "rows": [_row(stream, person) for stream in page.rows]}
    return {"table": table, "pages": page.links, "empty": _("There are no streams of this person.")}


def _row(stream: LiveStream, person: User) -> list[Any]:
    is_creator = stream.creator_id == person.pk
    begins = stream.started_at or stream.planned_start_at
    return [
        written(stream.created_at),
        linked(stream, stream.title),
        _("creator") if is_creator else _("guest of %(creator)s") % {"creator": stream.creator.username},
        shown_state(stream),
        written(begins) if begins else "–",
    ]


add_panel(User, Panel(TAB, gettext_lazy("Streams"), "livestreams.view_livestream", streams_of, place=30))
