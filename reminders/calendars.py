"""Streams as calendars read them: iCalendar (RFC 5545), each stream one event."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from icalendar import Calendar
from icalendar.prop import vDuration, vText

from livestreams.models import Status, planned_end

PRODUCER = "-//Kumanda//Live streams//EN"
REFRESH = timedelta(minutes=15)  # how often a program that follows a feed shall look again
CALLED_OFF = (Status.CANCELLED_BY_HOST, Status.CANCELLED_BY_GUEST, Status.EXPIRED)
AWAITED = (Status.SCHEDULED, Status.PREPARING)

# Of what people write, TEXT may hold line breaks and no other control characters (RFC 5545, section 3.3.11); some
# readers end a line at any of these.
_LINE_BREAK = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
LONGEST_LINE = 75  # bytes
# The backslash first: the others are escaped with it.
_ESCAPED = (("\\", r"\\"), (";", r"\;"), (",", r"\,"), ("\n", r"\n"))


class Entry(NamedTuple):
    """What a calendar shows of a stream: its columns, and the reader's reminder.

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
        """When it really started, or else shall start. Calendars count in whole seconds."""
        begin = self.started_at or self.planned_start_at
        return begin and begin.replace(microsecond=0)

    @property
    def end(self) -> datetime | None:
        """When it ended or, by its goal, will; None when nobody knows."""
        end = self.ended_at or planned_end(self.begin, self.duration_goal)
        return end and end.replace(microsecond=0)


def calendar_of(entry: Entry) -> bytes:
    """A calendar with this stream alone."""
    return _with_events(_calendar(), [entry])


def feed_of(name: str, entries: Iterable[Entry]) -> bytes:
    """A calendar called `name` that programs may follow."""
    calendar = _calendar()
    # The first is the standard's (RFC 7986), the second what most programs look for.
    calendar["NAME"] = calendar["X-WR-CALNAME"] = _Text(name)
    calendar.add("REFRESH-INTERVAL", REFRESH, {"VALUE": "DURATION"})
    calendar["X-PUBLISHED-TTL"] = vDuration(REFRESH)
    return _with_events(calendar, entries)


class _Text(vText):
    """The library's own takes a backslash before an N for a line break; people may write one."""

    def to_ical(self) -> bytes:
        return _escaped(self).encode()


def _calendar() -> Calendar:
    # No METHOD: with one, mail programs take the file for an invitation that wants an answer.
    calendar = Calendar()
    calendar["VERSION"] = vText("2.0")
    calendar["PRODID"] = vText(PRODUCER)
    return calendar


# --- events: written here, since the library takes 0.3 ms for one, about ten times as long ---------


def _with_events(calendar: Calendar, entries: Iterable[Entry]) -> bytes:
    before, end, after = calendar.to_ical().rpartition(b"END:VCALENDAR")
    return b"".join((before, *(_event(entry) for entry in entries), end, after))


def _event(entry: Entry) -> bytes:
    begin, end = entry.begin, entry.end
    assert begin is not None, "a stream without a moment has no place in a calendar"  # noqa: S101 - callers look
    title, changed = _escaped(entry.title), _moment(entry.updated_at)
    lines = [
        "BEGIN:VEVENT",
        # Programs recognize the event by it, so nothing that may change is part of it (RFC 7986, section 5.3).
        f"UID:{entry.id}@{settings.CALENDAR_DOMAIN}",
        # Without a METHOD, when what is shown was changed last (RFC 5545, section 3.8.7.2).
        f"DTSTAMP:{changed}",
        f"LAST-MODIFIED:{changed}",
        f"CREATED:{_moment(entry.created_at)}",
        f"SEQUENCE:{entry.revision}",
        f"DTSTART:{_moment(begin)}",
        f"SUMMARY:{title}",
        f"STATUS:{'CANCELLED' if entry.status in CALLED_OFF else 'CONFIRMED'}",
        # Somebody else's stream makes nobody busy.
        "TRANSP:TRANSPARENT",
    ]
    # Where nobody knows the end there is none: the event is a moment, which programs show at its hour. It must lie
    # after the start.
    if end is not None and end > begin:
        lines.append(f"DTEND:{_moment(end)}")
    if settings.STREAM_PAGE_URL:
        lines.append(f"URL:{_page_of(entry)}")
    if entry.motivation:
        lines.append(f"DESCRIPTION:{_escaped(entry.motivation)}")
    if entry.lead is not None and entry.status in AWAITED:
        # In minutes: a day has 23 hours where the clock is put forward.
        trigger = f"-PT{entry.lead}M" if entry.lead else "PT0M"
        lines += ["BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{title}", f"TRIGGER:{trigger}", "END:VALARM"]
    lines.append("END:VEVENT")
    return b"".join(map(_folded, lines))


def _page_of(entry: Entry) -> str:
    """Where people watch the stream. Both values consist of letters, digits and hyphens, so they need no encoding."""
    page: str = settings.STREAM_PAGE_URL
    return page.replace("{id}", entry.id).replace("{channelName}", entry.channel_name)


def _moment(moment: datetime) -> str:
    """In UTC, as PostgreSQL's driver gives it."""
    return moment.isoformat(timespec="seconds")[:19].replace("-", "").replace(":", "") + "Z"


def _escaped(text: str) -> str:
    text = _CONTROL.sub("", _LINE_BREAK.sub("\n", text))
    for sign, escaped in _ESCAPED:
        text = text.replace(sign, escaped)
    return text


def _folded(line: str) -> bytes:
    """The line in pieces of at most 75 bytes, none of which ends within a character or an escape (section 3.1)."""
    whole = line.encode()
    if len(whole) <= LONGEST_LINE:
        return whole + b"\r\n"
    pieces, start, room = [], 0, LONGEST_LINE
    while len(whole) - start > room:
        cut = start + room
        while whole[cut] & 0b1100_0000 == 0b1000_0000:  # not the first byte of a character
            cut -= 1
        piece = whole[start:cut]
        # The last of an odd number of backslashes escapes what follows.
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece = piece[:-1]
        pieces.append(piece)
        start += len(piece)
        room = LONGEST_LINE - 1  # the space counts
    return b"\r\n ".join((*pieces, whole[start:])) + b"\r\n"
