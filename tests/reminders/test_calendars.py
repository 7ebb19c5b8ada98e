"""GET /api/v1/live-stream/{id}/calendar.ics, and what both calendars have in common"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from ical.calendar_stream import IcsCalendarStream

from accounts.models import User
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream, Status
from tests.bans.people import lapsed_ban, make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.calendar_readers import (
    HOUR,
    STATUSES,
    Shown,
    calendar_in,
    events_in,
    events_of,
    feed_url,
    one_url,
    remind,
)
from tests.streams import make_stream, stream_url
from tests.test_statements import statements

# --- one stream -----------------------------------------------------------------------------------


def test_the_event_of_a_planned_stream_has_its_planned_start_and_end(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now, title="Akşam sohbeti", motivation="Şarkılar", duration_goal=45)

    response = api().get(one_url(stream))

    begin = (now + HOUR).replace(microsecond=0)
    end = begin + timedelta(minutes=45)
    assert events_in(response) == [
        Shown(f"{stream.pk}@kumanda.invalid", begin, end, "Akşam sohbeti", "Şarkılar", "CONFIRMED", 0, [], None)
    ]
    assert response.headers["Content-Disposition"] == f'inline; filename="{stream.channel_name}.ics"'


def test_without_a_duration_goal_the_event_has_no_end(api: Api, creator: User) -> None:
    (event,) = events_in(api().get(one_url(make_stream(creator))))

    assert event.end is None


def test_the_event_has_the_actual_start_and_end_once_they_are_known(api: Api, creator: User, now: datetime) -> None:
    active = make_stream(creator, now=now, duration_goal=60)
    streams.start_stream(active.pk, by=creator, now=now + 5 * HOUR)
    (running,) = events_in(api().get(one_url(active)))
    streams.end_stream(active.pk, by=creator, now=now + 7 * HOUR)
    (over,) = events_in(api().get(one_url(active)))

    began = (now + 5 * HOUR).replace(microsecond=0)
    assert (running.begin, running.end) == (began, began + HOUR)
    assert (over.begin, over.end) == (began, began + 2 * HOUR)


def test_a_stream_that_ended_within_a_second_has_no_end(api: Api, creator: User) -> None:
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    stream = make_stream(creator, Status.ACTIVE, now=now)
    streams.end_stream(stream.pk, by=creator, now=now + timedelta(milliseconds=900))

    (event,) = events_in(api().get(one_url(stream)))
    assert (event.begin, event.end) == (now, None)


@pytest.mark.parametrize(("status", "shown"), STATUSES.items(), ids=STATUSES.keys())
def test_the_status_of_the_event_follows_the_stream(status: Status, shown: str, api: Api, creator: User) -> None:
    (event,) = events_in(api().get(one_url(make_stream(creator, status))))

    assert event.status == shown


def test_the_uid_is_constant_and_the_sequence_increases_with_each_change(
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


def test_the_sequence_increases_with_the_motivation(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    streams.edit_stream(stream.pk, by=creator, now=now, changes={"motivation": "New songs"})

    (event,) = events_in(api().get(one_url(stream)))
    assert (event.sequence, event.description) == (1, "New songs")


def test_created_and_last_modified_are_those_of_the_stream(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    streams.edit_stream(stream.pk, by=creator, now=now + HOUR, changes={"title": "Moved"})

    (event,) = IcsCalendarStream.calendar_from_ics(calendar_in(api().get(one_url(stream)))).events

    changed = (now + HOUR).replace(microsecond=0)
    assert (event.created, event.last_modified, event.dtstamp) == (now.replace(microsecond=0), changed, changed)


def test_an_event_has_no_email_address_and_is_transparent(api: Api, creator: User) -> None:
    creator.email = "ayse@example.com"
    creator.save()
    stream = make_stream(creator)

    text = calendar_in(api().get(one_url(stream)))

    assert "mailto" not in text.lower()
    assert "@example.com" not in text
    assert "TRANSP:TRANSPARENT" in text
    assert "METHOD" not in text


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
def test_titles_are_parsed_unchanged(title: str, api: Api, creator: User) -> None:
    stream = make_stream(creator, title=title, motivation=title * 3)

    response = api().get(one_url(stream))

    (event,) = events_in(response)
    assert (event.title, event.description) == (title, title * 3)
    assert max(map(len, response.content.split(b"\r\n"))) <= 75


@pytest.mark.parametrize("sign", "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
def test_characters_that_some_parsers_take_as_line_breaks_become_line_breaks(
    sign: str, api: Api, creator: User
) -> None:
    stream = make_stream(creator, title=f"one{sign}two\x07\x1b")

    (event,) = events_in(api().get(one_url(stream)))

    assert event.title == "one\ntwo"


# --- time zones -----------------------------------------------------------------------------------

# The last minute before each change, in UTC, and the local time then and a minute later.
CHANGES = [
    ("Europe/Berlin", "2026-10-25T00:59", "02:59 +0200", "02:00 +0100"),
    ("Europe/Berlin", "2027-03-28T00:59", "01:59 +0100", "03:00 +0200"),
    ("America/New_York", "2026-11-01T05:59", "01:59 -0400", "01:00 -0500"),
    ("America/New_York", "2027-03-14T06:59", "01:59 -0500", "03:00 -0400"),
    # A change of half an hour, in the southern hemisphere.
    ("Australia/Lord_Howe", "2026-10-03T15:29", "01:59 +1030", "02:30 +1100"),
    ("Australia/Lord_Howe", "2027-04-03T14:59", "01:59 +1100", "01:30 +1030"),
    # No change since 2016. Outdated time zone data has one, on the same day as Berlin.
    ("Europe/Istanbul", "2026-10-25T00:59", "03:59 +0300", "04:00 +0300"),
    ("Europe/Istanbul", "2027-03-28T00:59", "03:59 +0300", "04:00 +0300"),
]


@pytest.mark.parametrize(("zone", "minute", "before", "after"), CHANGES, ids=str)
def test_starts_around_a_clock_change_are_unambiguous(
    zone: str, minute: str, before: str, after: str, api: Api, creator: User
) -> None:
    last = datetime.fromisoformat(minute).replace(tzinfo=UTC)
    for begin, local in ((last, before), (last + timedelta(minutes=1), after)):
        # The time with the local UTC offset, as the device of the creator sends it.
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


# --- callers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minute", "after"), [(15, -15), (1440, -1440), (10_080, -10_080), (None, 0), (0, 0)])
def test_the_alarm_is_the_reminder_of_the_caller_only(
    minute: int | None, after: int, api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now, planned_start_at=now + timedelta(days=8))
    remind(viewer, stream, minute)

    for url in (one_url(stream), feed_url(creator)):
        assert [event.alarms for event in events_in(api(viewer).get(url))] == [[after]]
        for other in (None, stranger, creator):
            assert [event.alarms for event in events_in(api(other).get(url))] == [[]]


def test_a_cancelled_stream_has_no_alarm(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    remind(viewer, stream, 15)
    streams.cancel_stream(stream.pk, by=creator, now=now)

    assert [event.alarms for event in events_in(api(viewer).get(one_url(stream)))] == [[]]


def test_a_blocked_caller_is_refused_the_stream_but_sees_it_in_the_feed(
    api: Api, creator: User, viewer: User, stranger: User
) -> None:
    stream, other = make_stream(creator), make_stream(creator)
    make_ban(viewer, stream)
    lapsed_ban(viewer, other)

    assert_refused(api(viewer).get(one_url(stream)), 403, "banned")
    for caller in (None, stranger):
        assert len(events_in(api(caller).get(one_url(stream)))) == 1
    for caller in (None, stranger, viewer):
        assert set(events_of(api, creator, caller)) == {stream.pk, other.pk}


def test_a_chat_only_ban_does_not_prevent_reading(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    make_ban(viewer, stream, action_type="CHAT_ONLY")

    assert len(events_in(api(viewer).get(one_url(stream)))) == 1
    assert set(events_of(api, creator, viewer)) == {stream.pk}


# --- refusals and ETags ---------------------------------------------------------------------------


def test_an_unknown_id_is_missing(api: Api) -> None:
    assert_refused(api().get(one_url("0" * 24)), 404, "stream_not_found")
    assert_refused(api().get(feed_url("0" * 24)), 404, "user_not_found")


def test_a_malformed_id_is_refused(api: Api) -> None:
    rule = "must be 24 lower-case hexadecimal characters"
    assert_refused(api().get(one_url("X")), 400, "validation_failed", f"id: {rule}")
    assert_refused(api().get(feed_url("X")), 400, "validation_failed", f"userId: {rule}")


def test_an_invalid_token_is_refused_although_none_is_needed(api: Api, creator: User) -> None:
    for url in (one_url(make_stream(creator)), feed_url(creator)):
        assert_refused(api().get(url, HTTP_AUTHORIZATION="Bearer x"), 401, "token_invalid")


def test_the_feed_of_a_user_without_streams_is_empty(api: Api, creator: User) -> None:
    assert events_in(api().get(feed_url(creator))) == []


@pytest.mark.parametrize("url", [one_url, lambda stream: feed_url(stream.creator)], ids=["one", "feed"])
def test_a_known_etag_is_answered_with_304_until_something_changes(
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
def test_the_number_of_statements_does_not_depend_on_the_number_of_streams(
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

    # The session of the caller, the owner of the feed, and the streams.
    assert len(statements(read_fifty)) == one == 2 + known
