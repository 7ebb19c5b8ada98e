"""Texts about streams: the state, the duration, and what distinguishes streams with the same title."""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from common.models import AuditEntry
from common.times import written
from livestreams.models import LiveStream, Status
from livestreams.services import purge_at

STATE_COLOURS: dict[str, str] = {
    Status.SCHEDULED: "info",
    Status.PREPARING: "warning",
    Status.ACTIVE: "success",
    Status.CANCELLED_BY_HOST: "danger",
    Status.CANCELLED_BY_GUEST: "danger",
    # Without a colour, Unfold shows the untranslated value.
    Status.ENDED: "default",
    Status.EXPIRED: "default",
    "deleted": "danger",
}


def shown_state(stream: LiveStream) -> str:
    """The status, or that the stream is deleted."""
    return pgettext("state", "deleted") if stream.is_deleted else stream.get_status_display()


def state_in_words(stream: LiveStream) -> str:
    """The status; of a cancelled stream with the name of the actor, whom the API does not name."""
    status: str = stream.get_status_display()
    if stream.status not in {Status.CANCELLED_BY_HOST, Status.CANCELLED_BY_GUEST}:
        return status
    cancelled = AuditEntry.objects.filter(target_type="livestream", target_id=stream.pk, action="cancel_stream")
    entry = cancelled.order_by("-id").first()
    if entry is None:
        return status
    if entry.actor_id in {stream.creator_id, stream.guest_id}:
        return f"{status} ({entry.actor_name})"
    if entry.actor_id is None:
        return _("cancelled by the system")
    return _("cancelled by moderator %(name)s") % {"name": entry.actor_name}


def described_stream(stream: LiveStream) -> str:
    """Creator, time and state, which distinguish streams with the same title."""
    begins_at = stream.started_at or stream.planned_start_at or stream.created_at
    return f"{stream.creator.username} · {written(begins_at)} · {shown_state(stream)}"


def how_long(stream: LiveStream, now: datetime) -> str:
    """A duration in words, which depends on the state: since the start, until the start, of the whole stream, etc."""
    if stream.deleted_at is not None:
        return _("purged in %(minutes)s") % {"minutes": _minutes(purge_at(stream.deleted_at) - now)}
    match stream.status:
        case Status.ACTIVE if stream.started_at:
            return _("live for %(minutes)s") % {"minutes": _minutes(now - stream.started_at)}
        case Status.ENDED if stream.started_at and stream.ended_at:
            return _("lasted %(minutes)s") % {"minutes": _minutes(stream.ended_at - stream.started_at)}
        case Status.SCHEDULED if stream.planned_start_at and stream.planned_start_at > now:
            return _("starts in %(minutes)s") % {"minutes": _minutes(stream.planned_start_at - now)}
        case Status.SCHEDULED if stream.planned_start_at:
            return _("late by %(minutes)s") % {"minutes": _minutes(now - stream.planned_start_at)}
    return _("created %(minutes)s ago") % {"minutes": _minutes(now - stream.created_at)}


def _minutes(time: timedelta) -> str:
    """Up to two hours in minutes, then in hours, then in days."""
    minutes = max(0, int(time.total_seconds() // 60))
    if minutes == 0:
        return _("less than a minute")
    if minutes < 120:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    return ngettext("%(count)d day", "%(count)d days", hours // 24) % {"count": hours // 24}
