"""Reads calendars with two independent libraries, which must agree."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import vobject
from ical.calendar_stream import IcsCalendarStream

from accounts.models import User
from livestreams.models import LiveStream, Status
from reminders import services
from tests.conftest import Api
from tests.streams import STREAMS, stream_url

HOUR = timedelta(hours=1)
STATUSES = {
    Status.SCHEDULED: "CONFIRMED",
    Status.ACTIVE: "CONFIRMED",
    Status.ENDED: "CONFIRMED",
    Status.CANCELLED_BY_HOST: "CANCELLED",
    Status.CANCELLED_BY_GUEST: "CANCELLED",
    Status.EXPIRED: "CANCELLED",
}


class Shown(NamedTuple):
    """An event as a library parsed it. Alarms are in minutes after the start."""

    uid: str
    begin: datetime
    end: datetime | None
    title: str
    description: str | None
    status: str
    sequence: int
    alarms: list[float]
    url: str | None


def read_by_ical(text: str) -> list[Shown]:
    def shown(event: Any) -> Shown:
        return Shown(
            event.uid,
            event.dtstart,
            event.dtend,
            event.summary,
            event.description,
            str(event.status.value),
            event.sequence,
            [alarm.trigger / timedelta(minutes=1) for alarm in event.alarm],
            None if event.url is None else str(event.url),
        )

    return [shown(event) for event in IcsCalendarStream.calendar_from_ics(text).events]


def read_by_vobject(text: str) -> list[Shown]:
    def value(event: Any, name: str) -> Any:
        return getattr(event, name).value if hasattr(event, name) else None

    def shown(event: Any) -> Shown:
        return Shown(
            event.uid.value,
            event.dtstart.value,
            value(event, "dtend"),
            event.summary.value,
            value(event, "description"),
            event.status.value,
            int(event.sequence.value),
            [alarm.trigger.value / timedelta(minutes=1) for alarm in event.contents.get("valarm", [])],
            value(event, "url"),
        )

    return [shown(event) for event in vobject.readOne(text).contents.get("vevent", [])]


READERS: dict[str, Callable[[str], list[Shown]]] = {"ical": read_by_ical, "vobject": read_by_vobject}


def one_url(stream: LiveStream | str) -> str:
    return f"{STREAMS}/{stream}/calendar.ics" if isinstance(stream, str) else stream_url(stream, "calendar.ics")


def feed_url(user: User | str) -> str:
    return f"{STREAMS}/user/{user if isinstance(user, str) else user.pk}/calendar.ics"


def calendar_in(response: Any) -> str:
    assert response.status_code == 200, response.content
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    text: str = response.content.decode()
    return text


def events_in(response: Any) -> list[Shown]:
    """The events of the calendar, which both libraries must parse alike."""
    text = calendar_in(response)
    by_each = [read(text) for read in READERS.values()]
    assert all(shown == by_each[0] for shown in by_each)
    return by_each[0]


def remind(user: User, stream: LiveStream, minute: int | None) -> None:
    services.set_reminder(stream.pk, by=user, now=stream.created_at, minute=minute, language="en")


def events_of(api: Api, user: User, caller: User | None = None) -> dict[str, Shown]:
    """The events of a user's feed, by the id of their stream."""
    return {event.uid.partition("@")[0]: event for event in events_in(api(caller).get(feed_url(user)))}
