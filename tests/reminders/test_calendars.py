"""GET {id}/calendar.ics and user/{userId}/calendar.ics, read by two parsers that are not ours"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
import vobject
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ical.calendar_stream import IcsCalendarStream

from accounts.models import User
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream, Status
from reminders import services
from reminders.views import calendars
from tests.bans.people import lapsed_ban, make_ban
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream, stream_url
from tests.test_statements import statements

HOUR = timedelta(hours=1)


class Shown(NamedTuple):
    """An event as a reader of calendars understands it. Alarms are in minutes after the start."""

    uid: str
    begin: datetime
    end: datetime | None
    title: str
    description: str | None
    status: str
    sequence: int
    alarms: list[float]


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
    """What both readers make of it, which is the same."""
    text = calendar_in(response)
    by_each = [read(text) for read in READERS.values()]
    assert all(shown == by_each[0] for shown in by_each)
    return by_each[0]


def remind(user: User, stream: LiveStream, minute: int | None) -> None:
    services.set_reminder(stream.pk, by=user, now=stream.created_at, minute=minute, language="en")


# --- one stream -----------------------------------------------------------------------------------


def test_a_planned_stream_is_an_event_from_its_planned_start_to_its_planned_end(
    api: Api, creator: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now, title="Akşam sohbeti", motivation="Şarkılar", duration_goal=45)

    response = api().get(one_url(stream))

    begin = (now + HOUR).replace(microsecond=0)
    end = begin + timedelta(minutes=45)
    assert events_in(response) == [
        Shown(f"{stream.pk}@localhost", begin, end, "Akşam sohbeti", "Şarkılar", "CONFIRMED", 0, [])
    ]
    assert response.headers["Content-Disposition"] == f'inline; filename="{stream.channel_name}.ics"'


def test_a_stream_without_a_goal_has_no_end(api: Api, creator: User) -> None:
    (event,) = events_in(api().get(one_url(make_stream(creator))))

    assert event.end is None


def test_a_started_stream_stands_where_it_really_began_and_an_ended_one_where_it_really_ended(
    api: Api, creator: User, now: datetime
) -> None:
    active = make_stream(creator, now=now, duration_goal=60)
    streams.start_stream(active.pk, by=creator, now=now + 5 * HOUR)
    (running,) = events_in(api().get(one_url(active)))
    streams.end_stream(active.pk, by=creator, now=now + 7 * HOUR)
    (over,) = events_in(api().get(one_url(active)))

    began = (now + 5 * HOUR).replace(microsecond=0)
    assert (running.begin, running.end) == (began, began + HOUR)
    assert (over.begin, over.end) == (began, began + 2 * HOUR)


def test_a_stream_that_ended_in_the_second_in_which_it_began_is_a_moment(api: Api, creator: User) -> None:
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    stream = make_stream(creator, Status.ACTIVE, now=now)
    streams.end_stream(stream.pk, by=creator, now=now + timedelta(milliseconds=900))

    (event,) = events_in(api().get(one_url(stream)))
    assert (event.begin, event.end) == (now, None)


STATUSES = {
    Status.SCHEDULED: "CONFIRMED",
    Status.ACTIVE: "CONFIRMED",
    Status.ENDED: "CONFIRMED",
    Status.CANCELLED_BY_HOST: "CANCELLED",
    Status.CANCELLED_BY_GUEST: "CANCELLED",
    Status.EXPIRED: "CANCELLED",
}


@pytest.mark.parametrize(("status", "shown"), STATUSES.items(), ids=STATUSES.keys())
def test_what_will_not_take_place_is_cancelled(status: Status, shown: str, api: Api, creator: User) -> None:
    (event,) = events_in(api().get(one_url(make_stream(creator, status))))

    assert event.status == shown


def test_the_uid_stays_and_the_sequence_rises_with_each_move_and_with_the_cancel(
    api: Api, creator: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now)

    def move(hours: int) -> None:
        planned = {"planned_start_at": now + hours * HOUR}
        streams.edit_stream(stream.pk, by=creator, now=now, changes=planned)

    seen = events_in(api().get(one_url(stream)))
    for hours in (2, 3, 1):
        move(hours)
        seen += events_in(api().get(one_url(stream)))
    move(1)
    assert events_in(api().get(one_url(stream)))[0].sequence == seen[-1].sequence, "nothing has changed"
    streams.cancel_stream(stream.pk, by=creator, now=now)
    seen += events_in(api().get(one_url(stream)))

    assert len({event.uid for event in seen}) == 1
    assert [event.sequence for event in seen] == [0, 1, 2, 3, 4]
    assert [(event.begin - seen[0].begin) / HOUR for event in seen] == [0, 1, 2, 0, 0]
    assert [event.status for event in seen] == ["CONFIRMED"] * 4 + ["CANCELLED"]


def test_the_sequence_rises_with_the_motivation_which_is_shown_too(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    streams.edit_stream(stream.pk, by=creator, now=now, changes={"motivation": "New songs"})

    (event,) = events_in(api().get(one_url(stream)))
    assert (event.sequence, event.description) == (1, "New songs")


def test_the_times_of_the_change_are_those_of_the_stream(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    streams.edit_stream(stream.pk, by=creator, now=now + HOUR, changes={"title": "Moved"})

    (event,) = IcsCalendarStream.calendar_from_ics(calendar_in(api().get(one_url(stream)))).events

    changed = (now + HOUR).replace(microsecond=0)
    assert (event.created, event.last_modified, event.dtstamp) == (now.replace(microsecond=0), changed, changed)


def test_an_event_names_nobodys_address_makes_nobody_busy_and_says_where_it_is_kept(api: Api, creator: User) -> None:
    creator.email = "ayse@example.com"
    creator.save()
    stream = make_stream(creator)

    text = calendar_in(api().get(one_url(stream)))

    assert "mailto" not in text.lower()
    assert "@example.com" not in text
    assert "TRANSP:TRANSPARENT" in text
    assert "METHOD" not in text
    unfolded = text.replace("\r\n ", "")
    assert f"URL:http://localhost:8000{one_url(stream)}" in unfolded


# --- texts ----------------------------------------------------------------------------------------

TITLES = {
    "signs": "a, b; c: d \\ e \"f\" 'g' ^n",
    "a backslash before an N": r"C:\New \n \, \;",
    "lines": "one\ntwo\n\nthree",
    "Turkish": "Çığ, İstanbul'da şöyle böyle; ĞÜŞİÖÇ ğüşıöç",
    "emoji": "🎤🎸 live 👩‍👩‍👧‍👦 🇹🇷",
    "like iCalendar": "END:VEVENT\nBEGIN:VEVENT",
    "long": "ş😀" * 70,
    "spaces": "a" + " " * 130 + "b",
}


@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES.keys())
def test_a_title_is_read_as_it_was_written(title: str, api: Api, creator: User) -> None:
    stream = make_stream(creator, title=title, motivation=title * 3)

    response = api().get(one_url(stream))

    (event,) = events_in(response)
    assert (event.title, event.description) == (title, title * 3)
    assert max(map(len, response.content.split(b"\r\n"))) <= 75


@pytest.mark.parametrize("sign", "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
def test_whatever_ends_a_line_somewhere_is_a_line_break(sign: str, api: Api, creator: User) -> None:
    stream = make_stream(creator, title=f"one{sign}two\x07\x1b")

    (event,) = events_in(api().get(one_url(stream)))

    assert event.title == "one\ntwo"


# --- clocks ---------------------------------------------------------------------------------------

# The last minute before each change and the first one after it, in UTC, with what clocks there show.
CHANGES = [
    ("Europe/Berlin", "2026-10-25T00:59", "02:59 +0200", "02:00 +0100"),
    ("Europe/Berlin", "2027-03-28T00:59", "01:59 +0100", "03:00 +0200"),
    ("America/New_York", "2026-11-01T05:59", "01:59 -0400", "01:00 -0500"),
    ("America/New_York", "2027-03-14T06:59", "01:59 -0500", "03:00 -0400"),
    # Half an hour, in the other half of the world.
    ("Australia/Lord_Howe", "2026-10-03T15:29", "01:59 +1030", "02:30 +1100"),
    ("Australia/Lord_Howe", "2027-04-03T14:59", "01:59 +1100", "01:30 +1030"),
    # None since 2016: an old table of zones would change here with Berlin.
    ("Europe/Istanbul", "2026-10-25T00:59", "03:59 +0300", "04:00 +0300"),
    ("Europe/Istanbul", "2027-03-28T00:59", "03:59 +0300", "04:00 +0300"),
]


@pytest.mark.parametrize(("zone", "minute", "before", "after"), CHANGES, ids=str)
def test_a_start_beside_a_clock_change_is_the_same_moment_for_all(
    zone: str, minute: str, before: str, after: str, api: Api, creator: User
) -> None:
    last = datetime.fromisoformat(minute).replace(tzinfo=UTC)
    for begin, local in ((last, before), (last + timedelta(minutes=1), after)):
        # As its creator's device says it, with the offset that holds there.
        said = begin.astimezone(ZoneInfo(zone)).isoformat()
        stream = make_stream(
            creator, now=begin - 48 * HOUR, planned_start_at=datetime.fromisoformat(said), duration_goal=90
        )
        wire = data_of(api(creator).get(stream_url(stream)))

        for event in (*events_in(api().get(one_url(stream))), events_of(api, creator)[stream.pk]):
            assert wire_time(event.begin.astimezone(UTC)) == wire["plannedStartDate"]
            assert event.end is not None
            assert wire_time(event.end.astimezone(UTC)) == wire["plannedEndDate"]
            assert f"{event.begin.astimezone(ZoneInfo(zone)):%H:%M %z}" == local


def events_of(api: Api, user: User, caller: User | None = None) -> dict[str, Shown]:
    """The events of a user's feed, by the id of their stream."""
    return {event.uid.partition("@")[0]: event for event in events_in(api(caller).get(feed_url(user)))}


# --- the feed -------------------------------------------------------------------------------------


def test_a_feed_is_named_after_its_person_and_asks_to_be_read_again(api: Api, creator: User) -> None:
    make_stream(creator)

    response = api().get(feed_url(creator))

    text = calendar_in(response)
    assert "\r\nX-WR-CALNAME:Ayşe Yılmaz\r\n" in text
    assert "\r\nREFRESH-INTERVAL;VALUE=DURATION:PT15M\r\n" in text
    assert response.headers["Content-Disposition"] == 'inline; filename="creator.ics"'


def test_who_has_no_name_goes_by_the_username(api: Api) -> None:
    assert "\r\nX-WR-CALNAME:nameless\r\n" in calendar_in(api().get(feed_url(make_user("nameless", name=""))))


def test_a_feed_has_the_streams_of_its_person_as_creator_and_as_guest(
    api: Api, creator: User, guest: User, stranger: User
) -> None:
    make_stream(creator, title="with guest", guest=guest)
    make_stream(guest, title="own")
    make_stream(stranger, title="foreign")

    assert {event.title for event in events_of(api, guest).values()} == {"with guest", "own"}


def test_a_cancelled_stream_stays_in_the_feed_as_cancelled_and_a_deleted_one_vanishes(
    api: Api, creator: User, now: datetime
) -> None:
    kept, deleted = make_stream(creator, now=now), make_stream(creator, now=now)
    streams.cancel_stream(kept.pk, by=creator, now=now)
    streams.delete_stream(deleted.pk, by=creator, now=now)

    assert {stream: event.status for stream, event in events_of(api, creator).items()} == {kept.pk: "CANCELLED"}
    assert_refused(api().get(one_url(deleted)), 404, "stream_not_found")


def test_an_event_of_the_feed_is_the_one_of_the_stream(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, duration_goal=30)
    remind(viewer, stream, 15)
    event = re.compile("BEGIN:VEVENT.*END:VEVENT", re.DOTALL)

    alone, fed = (event.search(calendar_in(api(viewer).get(url))) for url in (one_url(stream), feed_url(creator)))

    assert alone
    assert fed
    assert alone[0] == fed[0]


def test_a_stream_whose_plan_was_taken_back_leaves_the_feed(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    streams.edit_stream(stream.pk, by=creator, now=now, changes={"planned_start_at": None})

    assert events_of(api, creator) == {}
    assert_refused(
        api().get(one_url(stream)),
        409,
        "stream_without_plan",
        "the stream has no planned start, so there is nothing to enter into a calendar",
    )


def test_a_feed_stands_in_the_order_of_the_begin_and_forgets_after_90_days(
    api: Api, creator: User, now: datetime
) -> None:
    for days in (3, -89, -91, 400, 1):
        planned = now + timedelta(days=days)
        make_stream(creator, now=planned - HOUR, planned_start_at=planned, title=f"{days}")

    assert [event.title for event in events_of(api, creator).values()] == ["-89", "1", "3", "400"]


def test_of_too_many_the_nearest_are_kept(
    api: Api, creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendars, "MOST", 3)
    for hours in (-200, -3, 2, 9, 400):
        planned = now + hours * HOUR
        make_stream(creator, now=planned - HOUR, planned_start_at=planned, title=f"{hours}")

    assert [event.title for event in events_of(api, creator).values()] == ["-3", "2", "9"]


# --- who asks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minute", "after"), [(15, -15), (1440, -1440), (10_080, -10_080), (None, 0), (0, 0)])
def test_the_callers_reminder_is_the_alarm_and_nobody_elses(
    minute: int | None, after: int, api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now, planned_start_at=now + timedelta(days=8))
    remind(viewer, stream, minute)

    for url in (one_url(stream), feed_url(creator)):
        assert [event.alarms for event in events_in(api(viewer).get(url))] == [[after]]
        for other in (None, stranger, creator):
            assert [event.alarms for event in events_in(api(other).get(url))] == [[]]


def test_nothing_rings_for_what_does_not_come_any_more(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    remind(viewer, stream, 15)
    streams.cancel_stream(stream.pk, by=creator, now=now)

    assert [event.alarms for event in events_in(api(viewer).get(one_url(stream)))] == [[]]


def test_a_blocked_person_is_refused_the_stream_and_does_not_find_it_in_the_feed(
    api: Api, creator: User, viewer: User, stranger: User
) -> None:
    stream, other = make_stream(creator), make_stream(creator)
    make_ban(viewer, stream)
    lapsed_ban(viewer, other)

    assert_refused(api(viewer).get(one_url(stream)), 403, "banned")
    assert set(events_of(api, creator, viewer)) == {other.pk}
    for caller in (None, stranger):
        assert len(events_in(api(caller).get(one_url(stream)))) == 1
        assert set(events_of(api, creator, caller)) == {stream.pk, other.pk}


def test_who_may_not_write_still_reads_the_calendar(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    make_ban(viewer, stream, action_type="CHAT_ONLY")

    assert len(events_in(api(viewer).get(one_url(stream)))) == 1
    assert set(events_of(api, creator, viewer)) == {stream.pk}


# --- refusals and repeats -------------------------------------------------------------------------


def test_what_is_unknown_is_missing(api: Api) -> None:
    assert_refused(api().get(one_url("0" * 24)), 404, "stream_not_found")
    assert_refused(api().get(feed_url("0" * 24)), 404, "user_not_found")


def test_a_malformed_id_is_refused(api: Api) -> None:
    rule = "must be 24 lower-case hexadecimal characters"
    assert_refused(api().get(one_url("X")), 400, "validation_failed", f"id: {rule}")
    assert_refused(api().get(feed_url("X")), 400, "validation_failed", f"userId: {rule}")


def test_a_bad_token_is_refused_where_none_is_needed(api: Api, creator: User) -> None:
    for url in (one_url(make_stream(creator)), feed_url(creator)):
        assert_refused(api().get(url, HTTP_AUTHORIZATION="Bearer x"), 401, "token_invalid")


def test_somebody_without_streams_has_an_empty_feed(api: Api, creator: User) -> None:
    assert events_in(api().get(feed_url(creator))) == []


@pytest.mark.parametrize("url", [one_url, lambda stream: feed_url(stream.creator)], ids=["one", "feed"])
def test_who_has_the_newest_is_sent_nothing_until_something_changes(
    url: Callable[[LiveStream], str], api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now)
    client = api(viewer)
    etag = client.get(url(stream)).headers["ETag"]

    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        unchanged = client.get(url(stream), HTTP_IF_NONE_MATCH=known)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["ETag"] == etag
    remind(viewer, stream, 15)

    changed = client.get(url(stream), HTTP_IF_NONE_MATCH=etag)
    assert [event.alarms for event in events_in(changed)] == [[-15]]


@pytest.mark.parametrize("known", [False, True], ids=["nobody", "somebody"])
def test_a_feed_of_fifty_takes_as_many_statements_as_one_of_one(
    known: bool, api: Api, creator: User, viewer: User, now: datetime
) -> None:
    client = api(viewer if known else None)
    feed = feed_url(creator)
    remind(viewer, make_stream(creator, now=now), 15)
    one = len(statements(lambda: calendar_in(client.get(feed))))
    for _ in range(49):
        remind(viewer, make_stream(creator, now=now), 15)

    def read_fifty() -> None:
        assert calendar_in(client.get(feed)).count("BEGIN:VEVENT") == 50

    # Who asks, whose feed it is, and its streams.
    assert len(statements(read_fifty)) == one == 2 + known


# --- the API and the feed -------------------------------------------------------------------------

WORDS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], include_characters="\n"), min_size=1, max_size=60
)
MINUTES = st.integers(min_value=-20 * 60, max_value=20 * 60)  # from now to the start
STATES = st.lists(st.sampled_from(Status), max_size=6).filter(lambda states: states.count(Status.ACTIVE) <= 1)
MADE = STATES.flatmap(
    lambda states: st.tuples(*(st.tuples(st.just(state), WORDS, MINUTES, st.booleans()) for state in states))
)


@contextmanager
def undone() -> Iterator[None]:
    """What is made in this block is gone after it, so that each example starts with nothing."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@given(made=MADE)
@example(made=[(Status.SCHEDULED, r"\N \n \\n ,;", 5, False)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_api_and_the_feed_say_the_same_of_any_streams(
    made: list[tuple[Status, str, int, bool]], api: Api, creator: User, guest: User, now: datetime
) -> None:
    with undone():
        # Nothing else of somebody can end while one of theirs is active.
        for status, title, minutes, is_deleted in sorted(made, key=lambda each: each[0] == Status.ACTIVE):
            planned = now + timedelta(minutes=minutes)
            with_plan = {} if status == Status.PREPARING else {"planned_start_at": planned}
            made_at = planned + timedelta(hours=2) if status == Status.EXPIRED else planned - HOUR
            of_guest = guest if status == Status.CANCELLED_BY_GUEST else None
            stream = make_stream(creator, status, now=made_at, title=title, guest=of_guest, **with_plan)
            if is_deleted and status != Status.ACTIVE:
                streams.delete_stream(stream.pk, by=creator, now=made_at)
        client = api(creator)
        listed = data_of(client.get(STREAMS, {"limit": 100}))["list"]
        upcoming = data_of(client.get(f"{STREAMS}/user/{creator.pk}/upcoming-live-streams", {"limit": 100}))["list"]
        fed = events_of(api, creator)

    told = {
        stream: (wire_time(event.begin.astimezone(UTC))[:19], event.title, event.status)
        for stream, event in fed.items()
    }
    assert told == {listed_one["id"]: said(listed_one) for listed_one in listed if said(listed_one)[0]}
    with_a_moment = [stream for stream in upcoming if said(stream)[0]]
    assert [said(stream) for stream in with_a_moment] == [told[stream["id"]] for stream in with_a_moment]


def said(stream: dict[str, Any]) -> tuple[str, str, str]:
    """Start to the second, title and status, as the API says them."""
    begin = stream["startedAt"] or stream["plannedStartDate"] or ""
    return begin[:19], stream["title"], STATUSES.get(stream["status"], "CONFIRMED")
