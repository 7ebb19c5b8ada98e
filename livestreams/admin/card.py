"""The card of a stream: picture, state, people, times, and when a deleted one is purged. And its audit trail."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.files.storage import default_storage
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from accounts.models import User
from common.admin import CardPart, Fact, Head, Notice, Panel, add_card, add_card_part, add_panel, page_of
from common.admin.audit_trail import tab_of
from common.admin.columns import columns_for, values_of
from common.models import AuditEntry
from common.times import written
from livestreams.admin.words import STATE_COLOURS, how_long, state_in_words
from livestreams.models import Hold, LiveStream
from livestreams.services import purge_at

TRAIL = "trail"
DEFAULT_PICTURE = "livestreams/default-thumbnail.webp"


def head_of(stream: LiveStream) -> Head:
    picture = default_storage.url(stream.thumbnail) if stream.thumbnail else static(DEFAULT_PICTURE)
    return Head(stream.title, _subtitle(stream), picture)


def _subtitle(stream: LiveStream) -> str:
    parts = [str(stream.get_type_display())]
    if not (stream.is_deleted and _hold(stream)):  # it is not purged
        parts.append(how_long(stream, timezone.now()))
    return " · ".join([*parts, stream.interest] if stream.interest else parts)


def state_of(request: HttpRequest, stream: LiveStream, now: datetime) -> CardPart:
    """One statement for a hold, one for a cancelled stream, and one for each app that adds columns."""
    labels: list[tuple[Any, str]] = [(state_in_words(stream), STATE_COLOURS.get(stream.status, "default"))]
    notices = []
    if stream.deleted_at is not None:
        labels.append((pgettext("state", "deleted"), "danger"))
        names = {"time": written(stream.deleted_at), "purged": written(purge_at(stream.deleted_at))}
        deleted = _("Deleted on %(time)s.") if _hold(stream) else _("Deleted on %(time)s. It is purged on %(purged)s.")
        notices.append(Notice(deleted % names, variant="danger"))
    if hold := _hold(stream):
        notices.append(Notice(_("Kept from being removed since %(time)s.") % {"time": written(hold.since)}))
    return CardPart(
        labels=labels,
        notices=notices,
        facts=[*_people(request, stream), *_added(request, stream), *_times(stream), *_price(stream)],
    )


def _hold(stream: LiveStream) -> Hold | None:
    return getattr(stream, "hold", None)  # the error of a missing row is an AttributeError


def _people(request: HttpRequest, stream: LiveStream) -> Iterator[Fact]:
    yield _person(request, _("host"), stream.creator)
    if stream.guest is not None:
        yield _person(request, _("guest"), stream.guest, note=f" ({stream.get_guest_status_display()})")


def _person(request: HttpRequest, label: str, person: User, note: str = "") -> Fact:
    address = page_of(person) if request.user.has_perm("accounts.view_user") else ""
    return Fact(label, f"{person.username}{note}", address)


def _added(request: HttpRequest, stream: LiveStream) -> Iterator[Fact]:
    columns = columns_for(request, LiveStream)
    values = values_of(columns, [stream.pk])[stream.pk]
    for one in columns:
        for name, title in one.titles.items():
            yield Fact(title, values.get(name, "–"))


def _times(stream: LiveStream) -> Iterator[Fact]:
    times = {
        _("planned start"): stream.planned_start_at,
        _("started"): stream.started_at,
        _("ended"): stream.ended_at,
        _("created"): stream.created_at,
    }
    for label, moment in times.items():
        if moment is not None:
            yield Fact(label, written(moment))


def _price(stream: LiveStream) -> Iterator[Fact]:
    yield Fact(_("price"), str(stream.price) if stream.price else str(LiveStream.AccessType.FREE.label))


def trail_of(request: HttpRequest, stream: LiveStream) -> dict[str, Any]:
    entries = AuditEntry.objects.filter(target_type="livestream", target_id=stream.pk)
    return tab_of(request, entries, tab=TRAIL)


add_card(LiveStream, head_of)
add_card_part(LiveStream, state_of, permission="livestreams.view_livestream")
add_panel(LiveStream, Panel(TRAIL, gettext_lazy("Audit trail"), "common.view_auditentry", trail_of, place=60))
