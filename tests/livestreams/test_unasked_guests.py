"""Others see a guest only after the guest has accepted: every operation about a user."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from livestreams.models import GuestStatus, Status
from tests.api.operations import Operation, operations
from tests.conftest import Api
from tests.envelope import data_of
from tests.streams import STREAMS, make_stream

# Operations with a user in their path.
ABOUT_A_USER = [each for each in operations() if each.method == "GET" and "{userId}" in each.path]
# Those that show streams with the user as guest. The others show only streams of the user.
SHOWS_GUESTS = {
    "getLiveStreamUserByUseridUpcomingLiveStreamsV1",
    "getLiveStreamUserByUseridUpcomingLiveStreamsV2",
    "getLiveStreamUserByUseridCalendarIcsV1",
}
OWN = f"{STREAMS}/guest-streams"


def test_the_operations_about_a_user_are_complete() -> None:
    found = {str(operation) for operation in ABOUT_A_USER}
    assert found > SHOWS_GUESTS
    assert "getLiveStreamUserByUseridPastStreamsV1" in found


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.ACTIVE, Status.ENDED, Status.CANCELLED_BY_HOST])
@pytest.mark.parametrize("answer", GuestStatus)
@pytest.mark.parametrize("operation", ABOUT_A_USER, ids=str)
def test_others_see_a_guest_only_after_accepting(
    operation: Operation, answer: str, status: Status, api: Api, creator: User, guest: User, stranger: User
) -> None:
    stream = make_stream(creator, status, guest=guest, answer=answer)
    address = operation.path.format(userId=guest.pk)
    is_upcoming = status in (Status.SCHEDULED, Status.ACTIVE)
    shows = str(operation) in SHOWS_GUESTS and (is_upcoming or "Calendar" in str(operation))

    needs_token = operation.needs_token
    for caller in (guest, creator, stranger) if needs_token else (None, guest, creator, stranger):
        response = api(caller).get(address)
        assert response.status_code == 200
        assert (stream.pk in response.content.decode()) == (shows and answer == "accepted"), caller


@pytest.mark.parametrize("answer", GuestStatus)
def test_the_list_of_the_guest_has_every_stream_with_the_answer(
    answer: str, api: Api, creator: User, guest: User, stranger: User
) -> None:
    stream = make_stream(creator, guest=guest, answer=answer)

    (shown,) = data_of(api(guest).get(OWN))["list"]

    assert (shown["id"], shown["guestStatus"]) == (stream.pk, answer)
    assert shown["role"] == ("audience" if answer == "declined" else "guest")
    assert data_of(api(stranger).get(OWN))["list"] == []


def test_lists_of_the_creator_have_the_stream_whatever_the_guest_answers(api: Api, creator: User, guest: User) -> None:
    streams = {make_stream(creator, guest=guest, answer=answer).pk for answer in GuestStatus}

    shown = data_of(api().get(f"{STREAMS}/user/{creator.pk}/upcoming-live-streams"))["list"]

    assert {stream["id"] for stream in shown} == streams


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_dead_rows")
def test_public_lists_read_no_rows_of_a_hundred_thousand_invitations(api: Api, creator: User, guest: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO livestreams_livestream (id, created_at, updated_at, title, title_folded, type, channel_name,
                creator_id, guest_id, guest_status, thumbnail, status, planned_start_at)
            SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), now(), now(), 't', 't', 'duoself', 'c' || n, %s, %s,
                'invited', '', 'scheduled', now()
            FROM generate_series(1, 100000) AS n
            """,
            [bytes.fromhex(creator.pk), bytes.fromhex(guest.pk)],
        )
        cursor.execute("ANALYZE livestreams_livestream")
    accepted = make_stream(creator, guest=guest, answer="accepted")

    for address in (f"{STREAMS}/user/{guest.pk}/upcoming-live-streams", f"{STREAMS}/user/{guest.pk}/calendar.ics"):
        with CaptureQueriesContext(connection) as captured:
            response = api().get(address)
        assert accepted.pk in response.content.decode()
        asked = [query["sql"] for query in captured if "livestreams_livestream" in query["sql"]]
        assert asked
        assert max(rows_read(statement) for statement in asked) < 100


def rows_read(statement: str) -> int:
    """The most rows that any node of the plan reads, including rows removed by filters."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (plan,) = cursor.fetchone()
    steps, most = [plan[0]["Plan"]], 0
    while steps:
        step = steps.pop()
        steps += step.get("Plans", [])
        dropped = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
        most = max(most, int(step["Actual Rows"] + dropped))
    return most
