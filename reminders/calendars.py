"""Streams in iCalendar format (RFC 5545), one event each."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from icalendar import Calendar
from icalendar.prop import vDuration, vText

from livestreams.models import Status, planned_end

PRODUCER = "-//Kumanda//Live streams//EN"
REFRESH = timedelta(minutes=15)  # how often calendar programs should fetch a feed
CALLED_OFF = (Status.CANCELLED_BY_HOST, Status.CANCELLED_BY_GUEST, Status.EXPIRED)
AWAITED = (Status.SCHEDULED, Status.PREPARING)

# TEXT may contain line breaks and no other control characters (RFC 5545, section 3.3.11). Some parsers treat each of
# these as a line break.
_LINE_BREAK = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
LONGEST_LINE = 75  # bytes
# The backslash first, because the escapes of the others contain it.
_ESCAPED = (("\\", r"\\"), (";", r"\;"), (",", r"\,"), ("\n", r"\n"))


class Entry(NamedTuple):
    """What an event shows: columns of the stream, and the reminder of the user who reads the calendar.

    `lead` is in minutes before the start, 0 at it, None without a reminder.
    """

    id: str
    channel_name: str
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
        """The actual or else the planned start, in whole seconds as iCalendar has them."""
        begin = self.started_at or self.planned_start_at
        return begin and begin.replace(microsecond=0)

    @property
    def end(self) -> datetime | None:
        """The actual end, or else the start plus the duration goal; None without either."""
        end = self.ended_at or planned_end(self.begin, self.duration_goal)
        return end and end.replace(microsecond=0)


def calendar_of(entry: Entry) -> bytes:
    """A calendar with one event."""
    return _with_events(_calendar(), [entry])


def feed_of(name: str, entries: Iterable[Entry]) -> bytes:
    """A calendar called `name` for programs that subscribe to it."""
    calendar = _calendar()
    # The first is standard (RFC 7986), the second is what most programs read.
    calendar["NAME"] = calendar["X-WR-CALNAME"] = _Text(name)
    calendar.add("REFRESH-INTERVAL", REFRESH, {"VALUE": "DURATION"})
    calendar["X-PUBLISHED-TTL"] = vDuration(REFRESH)
    return _with_events(calendar, entries)


class _Text(vText):
    """The library's class reads a backslash before an N as a line break, but titles may contain one literally."""

    def to_ical(self) -> bytes:
        return _escaped(self).encode()


def _calendar() -> Calendar:
    # No METHOD: with one, mail programs treat the file as an invitation to be answered.
    calendar = Calendar()
    calendar["VERSION"] = vText("2.0")
    calendar["PRODID"] = vText(PRODUCER)
    return calendar


# --- events: formatted here, as the library takes 0.3 ms for each, ten times as long --------------


def _with_events(calendar: Calendar, entries: Iterable[Entry]) -> bytes:
    before, end, after = calendar.to_ical().rpartition(b"END:VCALENDAR")
    return b"".join((before, *(_event(entry) for entry in entries), end, after))


def _event(entry: Entry) -> bytes:
    begin, end = entry.begin, entry.end
    assert begin is not None, "a stream without a start cannot be an event"  # noqa: S101 - callers check
    title, changed = _escaped(entry.title), _moment(entry.updated_at)
    lines = [
        "BEGIN:VEVENT",
        # The identity of the event, so it contains nothing that may change (RFC 7986, section 5.3).
        f"UID:{entry.id}@{settings.CALENDAR_DOMAIN}",
        # Without a METHOD, the time of the last change (RFC 5545, section 3.8.7.2).
        f"DTSTAMP:{changed}",
        f"LAST-MODIFIED:{changed}",
        f"CREATED:{_moment(entry.created_at)}",
        f"SEQUENCE:{entry.revision}",
        f"DTSTART:{_moment(begin)}",
        f"SUMMARY:{title}",
        f"STATUS:{'CANCELLED' if entry.status in CALLED_OFF else 'CONFIRMED'}",
        # Does not block the time of the user who reads the calendar.
        "TRANSP:TRANSPARENT",
    ]
    # Without a known end there is no DTEND, and the event has no duration. DTEND must be later than DTSTART.
    if end is not None and end > begin:
        lines.append(f"DTEND:{_moment(end)}")
    if settings.STREAM_PAGE_URL:
        lines.append(f"URL:{_page_of(entry)}")
    if entry.motivation:
        lines.append(f"DESCRIPTION:{_escaped(entry.motivation)}")
    if entry.lead is not None and entry.status in AWAITED:
        # In minutes, because a day has 23 hours when daylight saving time begins.
        trigger = f"-PT{entry.lead}M" if entry.lead else "PT0M"
        lines += ["BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{title}", f"TRIGGER:{trigger}", "END:VALARM"]
    lines.append("END:VEVENT")
    return b"".join(map(_folded, lines))


def _page_of(entry: Entry) -> str:
    """The URL where the stream is watched. Both values are letters, digits and hyphens, so they need no encoding."""
    page: str = settings.STREAM_PAGE_URL
    return page.replace("{id}", entry.id).replace("{channelName}", entry.channel_name)


def _moment(moment: datetime) -> str:
    """`moment` is in UTC, as the database driver returns it."""
    return moment.isoformat(timespec="seconds")[:19].replace("-", "").replace(":", "") + "Z"


def _escaped(text: str) -> str:
    text = _CONTROL.sub("", _LINE_BREAK.sub("\n", text))
    for sign, escaped in _ESCAPED:
        text = text.replace(sign, escaped)
    return text


def _folded(line: str) -> bytes:
    """Fold into lines of at most 75 bytes, never inside a character or an escape (RFC 5545, section 3.1)."""
    whole = line.encode()
    if len(whole) <= LONGEST_LINE:
        return whole + b"\r\n"
    pieces, start, room = [], 0, LONGEST_LINE
    while len(whole) - start > room:
        cut = start + room
        while whole[cut] & 0b1100_0000 == 0b1000_0000:  # not the first byte of a character
            cut -= 1
        piece = whole[start:cut]
        # The last one of an odd number of backslashes escapes the next character.
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece = piece[:-1]
        pieces.append(piece)
        start += len(piece)
        room = LONGEST_LINE - 1  # the leading space counts
    return b"\r\n ".join((*pieces, whole[start:])) + b"\r\n"
