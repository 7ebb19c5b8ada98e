"""GET /api/v1/live-stream/user/{userId}/calendar.ics"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import Status
from reminders import reads
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.reminders.calendar_readers import (
    HOUR,
    STATUSES,
    calendar_in,
    events_of,
    feed_url,
    one_url,
    remind,
)
from tests.streams import STREAMS, make_stream

# --- the feed -------------------------------------------------------------------------------------


def test_a_feed_has_the_name_of_its_user_and_a_refresh_interval(api: Api, creator: User) -> None:
    make_stream(creator)

    response = api().get(feed_url(creator))

    text = calendar_in(response)
    assert "\r\nX-WR-CALNAME:Ayşe Yılmaz\r\n" in text
    assert "\r\nREFRESH-INTERVAL;VALUE=DURATION:PT15M\r\n" in text
    assert response.headers["Content-Disposition"] == 'inline; filename="creator.ics"'


def test_both_refresh_properties_are_durations(api: Api, creator: User) -> None:
    lines = calendar_in(api().get(feed_url(creator))).splitlines()
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT15M" in lines
    assert "X-PUBLISHED-TTL:PT15M" in lines


def test_the_feed_of_a_user_without_a_name_has_the_username(api: Api) -> None:
    assert "\r\nX-WR-CALNAME:nameless\r\n" in calendar_in(api().get(feed_url(make_user("nameless", name=""))))


def test_a_feed_has_the_streams_of_its_user_as_creator_and_as_guest(
    api: Api, creator: User, guest: User, stranger: User
) -> None:
    make_stream(creator, title="with guest", guest=guest, answer="accepted")
    make_stream(guest, title="own")
    make_stream(stranger, title="foreign")

    assert {event.title for event in events_of(api, guest).values()} == {"with guest", "own"}


def test_cancelled_streams_stay_in_the_feed_and_deleted_ones_do_not(api: Api, creator: User, now: datetime) -> None:
    kept, deleted = make_stream(creator, now=now), make_stream(creator, now=now)
    streams.cancel_stream(kept.pk, by=creator, now=now)
    streams.delete_stream(deleted.pk, by=creator, now=now)

    assert {stream: event.status for stream, event in events_of(api, creator).items()} == {kept.pk: "CANCELLED"}
    assert_refused(api().get(one_url(deleted)), 404, "stream_not_found")


def test_an_event_of_the_feed_equals_that_of_the_stream(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, duration_goal=30)
    remind(viewer, stream, 15)
    event = re.compile("BEGIN:VEVENT.*END:VEVENT", re.DOTALL)

    alone, fed = (event.search(calendar_in(api(viewer).get(url))) for url in (one_url(stream), feed_url(creator)))

    assert alone
    assert fed
    assert alone[0] == fed[0]


def test_a_stream_without_a_planned_start_is_not_in_the_feed(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    streams.edit_stream(stream.pk, by=creator, now=now, changes={"planned_start_at": None})

    assert events_of(api, creator) == {}
    assert_refused(
        api().get(one_url(stream)),
        409,
        "stream_without_plan",
        "the stream has no planned start, so there is nothing to enter into a calendar",
    )


def test_a_feed_is_ordered_by_start_and_covers_the_last_90_days(api: Api, creator: User, now: datetime) -> None:
    for days in (3, -89, -91, 400, 1):
        planned = now + timedelta(days=days)
        make_stream(creator, now=planned - HOUR, planned_start_at=planned, title=f"{days}")

    assert [event.title for event in events_of(api, creator).values()] == ["-89", "1", "3", "400"]


def test_of_too_many_streams_the_nearest_are_kept(
    api: Api, creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "LONGEST_FEED", 3)
    for hours in (-200, -3, 2, 9, 400):
        planned = now + hours * HOUR
        make_stream(creator, now=planned - HOUR, planned_start_at=planned, title=f"{hours}")

    assert [event.title for event in events_of(api, creator).values()] == ["-3", "2", "9"]


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
    """Rolls back what is created in the block, so that examples do not affect each other."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.slow
@given(made=MADE)
@example(made=[(Status.SCHEDULED, r"\N \n \\n ,;", 5, False)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_api_and_the_feed_agree_on_random_streams(
    made: list[tuple[Status, str, int, bool]], api: Api, creator: User, guest: User, now: datetime
) -> None:
    with undone():
        # A user has one active stream at a time, so it is created last.
        for status, title, minutes, is_deleted in sorted(made, key=lambda each: each[0] == Status.ACTIVE):
            planned = now + timedelta(minutes=minutes)
            with_plan: dict[str, Any] = {} if status == Status.PREPARING else {"planned_start_at": planned}
            made_at = planned + timedelta(hours=2) if status == Status.EXPIRED else planned - HOUR
            of_guest = guest if status == Status.CANCELLED_BY_GUEST else None
            stream = make_stream(creator, status, now=made_at, title=title, guest=of_guest, **with_plan)
            if is_deleted and status != Status.ACTIVE:
                streams.delete_stream(stream.pk, by=creator, now=made_at)
        client = api(creator)
        listed = data_of(client.get(STREAMS, {"limit": 100}))["list"]
        upcoming = data_of(client.get(f"{STREAMS}/user/{creator.pk}/upcoming-live-streams", {"limit": 100}))["list"]
        fed = events_of(api, creator)

    by_stream = {
        stream: (wire_time(event.begin.astimezone(UTC))[:19], event.title, event.status)
        for stream, event in fed.items()
    }
    assert by_stream == {listed_one["id"]: event_of(listed_one) for listed_one in listed if event_of(listed_one)[0]}
    with_a_moment = [stream for stream in upcoming if event_of(stream)[0]]
    assert [event_of(stream) for stream in with_a_moment] == [by_stream[stream["id"]] for stream in with_a_moment]


def event_of(stream: dict[str, Any]) -> tuple[str, str, str]:
    """Start in seconds, title and event status of a stream of the API."""
    begin = stream["startedAt"] or stream["plannedStartDate"] or ""
    return begin[:19], stream["title"], STATUSES.get(stream["status"], "CONFIRMED")
