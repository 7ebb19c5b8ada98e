"""Calendars over HTTP: one stream, and the streams of one user."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpResponse, HttpResponseNotModified
from django.utils import timezone
from django.utils.http import content_disposition_header
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from accounts.services import UserMissing
from common.etags import etag_of, is_known
from common.refusals import Refusal
from common.views import ApiViewSet
from livestreams.services import Banned, StreamMissing
from reminders import reads
from reminders.calendars import calendar_of, feed_of

ICALENDAR = "text/calendar"
FORM = 2  # part of the ETag; raise it when the same streams are rendered differently

CALENDAR = {
    "type": "string",
    "description": "An iCalendar object (RFC 5545).",
    "pattern": "^BEGIN:VCALENDAR\r\n",
}
DOCUMENTED = {
    (200, ICALENDAR): CALENDAR,
    304: OpenApiResponse(description="Nothing has changed since the answer with the `ETag` that was sent along."),
}


class CalendarViewSet(ApiViewSet):
    """Streams in iCalendar format."""

    # Users append `?t=1` to make a calendar program bypass its cache, and programs that share links append parameters.
    ignores_query = True

    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "retrieve": [StreamMissing, Banned, reads.StreamWithoutDates],
        "of_user": [UserMissing],
    }

    @extend_schema(
        operation_id="getLiveStreamByIdCalendarIcsV1",
        summary="Get Live Stream as iCalendar",
        tags=["Live Stream Calendars"],
        responses=DOCUMENTED,
    )
    def retrieve(self, request: Request, id: str) -> HttpResponse:
        """One stream as an iCalendar file (RFC 5545), to be imported into a calendar.

        The UID of the event never changes. Its SEQUENCE increases with each change of what is shown. Its URL, if it
        has one, is the page where the stream is watched. The event begins at the planned start, and after the stream
        has started at the actual start. It ends when the stream ended; before that, after the `durationGoal`; without
        one it has no end. A cancelled or expired stream is `STATUS:CANCELLED`. With a token, your reminder is the
        event's alarm. A stream with neither a planned nor an actual start is refused with 409. Send the `ETag` back
        as `If-None-Match` to get an empty 304 while nothing has changed.
        """
        entry = reads.calendar_entry(id, caller=self.caller, now=timezone.now())
        return calendar_answer(request.META, lambda: calendar_of(entry), entry.channel_name, made_of=entry)

    @extend_schema(
        operation_id="getLiveStreamUserByUseridCalendarIcsV1",
        summary="Get the live streams of a user as iCalendar",
        tags=["Live Stream Calendars"],
        responses=DOCUMENTED,
    )
    def of_user(self, request: Request, userId: str) -> HttpResponse:
        """The streams of a user, as creator or accepted guest, as an iCalendar feed to subscribe to.

        Each event is the one of the stream's own calendar. The events are ordered by their begin: the streams of the
        last 90 days and all planned ones, at most the 200 nearest to now. A cancelled stream stays, as
        `STATUS:CANCELLED`. A deleted stream is left out, and so is one without a planned start. All callers get the
        same streams, also callers whom a ban keeps from one of them. With a token, your reminders are alarms, except
        on streams that a ban keeps you from. Send the `ETag` back as `If-None-Match` to get an empty 304 while
        nothing has changed.
        """
        feed = reads.calendar_feed(userId, caller=self.caller, now=timezone.now())
        named = (feed.name, feed.entries)
        return calendar_answer(request.META, lambda: feed_of(*named), feed.username, made_of=named)


def calendar_answer(meta: Mapping[str, Any], write: Callable[[], bytes], name: str, *, made_of: object) -> HttpResponse:
    """304 when the caller has this version. `write` renders it from `made_of` and the settings alone."""
    written_with = (FORM, settings.CALENDAR_DOMAIN, settings.STREAM_PAGE_URL, made_of)
    etag = etag_of(repr(written_with).encode())
    # Private and always revalidated, because the alarms depend on the token.
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if is_known(meta.get("HTTP_IF_NONE_MATCH", ""), etag):
        return HttpResponseNotModified(headers=headers)
    disposition = content_disposition_header(as_attachment=False, filename=f"{name}.ics")
    return HttpResponse(
        write(),
        content_type=f"{ICALENDAR}; charset=utf-8",
        headers=headers | {"Content-Disposition": disposition or "inline"},
    )
