"""Rows of the models of the admin."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils import timezone

from accounts.models import User
from accounts.services import add_note
from bans.models import BulkRequest, LiveStreamBan, ReportCase
from bans.services import ban_many
from common.models import AuditEntry
from livestreams.models import LiveStream
from reminders.models import Chunk, Delivery, Reminder, Round
from tests.admin.notifying import notify_of_start
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.bans.requesting import make_request
from tests.conftest import make_user

OF_REMINDERS = (Reminder, Round, Chunk, Delivery)

_MADE: Mapping[type[Model], Callable[[LiveStream], Any]] = {
    LiveStream: lambda stream: stream,
    User: lambda stream: stream.creator,
    LiveStreamBan: lambda stream: make_ban(make_user("troublemaker"), stream),
    BulkRequest: make_request,
    ReportCase: lambda stream: make_report(make_user("reporter"), stream).case,
    AuditEntry: lambda stream: AuditEntry.objects.earliest("pk"),
}


def make_row(model: type[Model], stream: LiveStream) -> Any:
    """A row of a model of the admin about this stream, which is scheduled and has no notifications before the call.

    Raises KeyError for a model that is not here yet.
    """
    if model not in OF_REMINDERS:
        return _MADE[model](stream)
    if not Delivery.objects.exists():
        notify_of_start(stream, [make_user("waiting")])
    return model._base_manager.get()


def make_rows(stream: LiveStream) -> dict[type[Model], Any]:
    """A row of each model of the admin about this stream, which is scheduled and becomes active."""
    return {model: make_row(model, stream) for model in admin.site._registry}


# The models of the rows whose ids a page takes that belongs to no model, by the name that its route gives to the id.
ROWS_OF = {
    "ban_id": "bans.livestreamban",
    "note_id": "accounts.personnote",
    "person_id": "accounts.user",
    "stream_id": "livestreams.livestream",
}


def ids_of_rows(stream: LiveStream) -> Mapping[str, str]:
    """An id for each variable in the routes of the admin, about this scheduled stream.

    Ids of rows of models are found by `app.model`, the others by the name of the variable.
    """
    now, creator = timezone.now(), stream.creator
    found = {model._meta.label_lower: str(row.pk) for model, row in make_rows(stream).items()}
    found["accounts.personnote"] = add_note(creator.pk, "Was warned.", by=make_user("author"), now=now).pk
    batch = ban_many(stream.pk, [make_user(name).pk for name in ("mia", "noa")], by=creator, now=now)
    return found | {variable: found[label] for variable, label in ROWS_OF.items()} | {"batch_id": str(batch.id)}
