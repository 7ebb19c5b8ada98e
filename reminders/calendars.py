"""Streams as calendars read them: iCalendar (RFC 5545), each stream one event."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from icalendar import Alarm, Calendar, Event
from icalendar.prop import vDatetime, vDuration, vInline, vInt, vText, vUri

from livestreams.models import Status, planned_end

PRODUCER = "-//Kumanda//Live streams//EN"
REFRESH = timedelta(minutes=15)  # how often a program that follows a feed shall look again
CALLED_OFF = (Status.CANCELLED_BY_HOST, Status.CANCELLED_BY_GUEST, Status.EXPIRED)
AWAITED = (Status.SCHEDULED, Status.PREPARING)

# Of what people write, TEXT may hold line breaks and no other control characters (RFC 5545, section 3.3.11); some
# readers end a line at any of these.
_LINE_BREAK = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_ESCAPED = str.maketrans({"\\": r"\\", ";": r"\;", ",": r"\,", "\n": r"\n"})


class Entry(NamedTuple):
    """What a calendar shows of a stream: its columns, and the reader's reminder.

    `lead` is in minutes before the start, 0 at it, None without a reminder.
    """

    id: str
    title: str
    motivation: str | None
    status: str
    planned_start_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_goal: int | None
    revision: int
    created_at: datetime
    updated_at: datetime
    lead: int | None

    @property
    def begin(self) -> datetime | None:
        """When it really started, or else shall start. Calendars count in whole seconds."""
        begin = self.started_at or self.planned_start_at
        return begin and begin.replace(microsecond=0)

    @property
    def end(self) -> datetime | None:
        """When it ended or, by its goal, will; None when nobody knows."""
        end = self.ended_at or planned_end(self.begin, self.duration_goal)
        return end and end.replace(microsecond=0)


class _Text(vText):
    """The library's own takes a backslash before an N for a line break; people may write one."""

    def to_ical(self) -> bytes:
        return _CONTROL.sub("", _LINE_BREAK.sub("\n", self)).translate(_ESCAPED).encode()


def calendar_of(entry: Entry) -> bytes:
    """A calendar with this stream alone."""
    return _calendar([entry]).to_ical()


def feed_of(name: str, entries: Iterable[Entry]) -> bytes:
    """A calendar called `name` that programs may follow."""
    calendar = _calendar(entries)
    # The first is the standard's (RFC 7986), the second what most programs look for.
    calendar["NAME"] = calendar["X-WR-CALNAME"] = _Text(name)
    calendar.add("REFRESH-INTERVAL", REFRESH, {"VALUE": "DURATION"})
    calendar["X-PUBLISHED-TTL"] = vDuration(REFRESH)
    return calendar.to_ical()


def _calendar(entries: Iterable[Entry]) -> Calendar:
    # No METHOD: with one, mail programs take the file for an invitation that wants an answer.
    calendar = Calendar()
    calendar["VERSION"] = vText("2.0")
    calendar["PRODID"] = vText(PRODUCER)
    host = urlsplit(settings.PUBLIC_URL).hostname
    for entry in entries:
        calendar.add_component(_event(entry, host or "localhost"))
    return calendar


def _event(entry: Entry, host: str) -> Event:
    begin, end = entry.begin, entry.end
    assert begin is not None, "a stream without a moment has no place in a calendar"  # noqa: S101 - callers look
    event = Event()  # set property by property: its `new` takes twice as long
    event["UID"] = vText(f"{entry.id}@{host}")
    # Without a METHOD, when what is shown was changed last (RFC 5545, section 3.8.7.2).
    event["DTSTAMP"] = event["LAST-MODIFIED"] = vDatetime(entry.updated_at)
    event["CREATED"] = vDatetime(entry.created_at)
    event["SEQUENCE"] = vInt(entry.revision)
    event["DTSTART"] = vDatetime(begin)
    # Where nobody knows the end there is none: the event is a moment, which programs show at its hour. It must lie
    # after the start.
    if end is not None and end > begin:
        event["DTEND"] = vDatetime(end)
    event["SUMMARY"] = _Text(entry.title)
    if entry.motivation:
        event["DESCRIPTION"] = _Text(entry.motivation)
    # Where a newer version of this very event is to be had (RFC 5545, section 3.8.4.6).
    event["URL"] = vUri(f"{settings.PUBLIC_URL}/api/v1/live-stream/{entry.id}/calendar.ics")
    event["STATUS"] = vText("CANCELLED" if entry.status in CALLED_OFF else "CONFIRMED")
    # Somebody else's stream makes nobody busy.
    event["TRANSP"] = vText("TRANSPARENT")
    if entry.lead is not None and entry.status in AWAITED:
        event.add_component(_alarm(entry.title, entry.lead))
    return event


def _alarm(title: str, lead: int) -> Alarm:
    alarm = Alarm()
    alarm["ACTION"] = vText("DISPLAY")
    alarm["DESCRIPTION"] = _Text(title)
    # The library would write 1440 minutes as a day, which has 23 hours where the clock is put forward.
    alarm["TRIGGER"] = vInline(f"-PT{lead}M" if lead else "PT0M")
    return alarm
