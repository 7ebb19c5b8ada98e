"""What is read from a replica, and what from the primary. The servers are real, and the replica is paused at will."""

from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from bans.models import LiveStreamBan
from common import cursors
from common.models import LastWrite
from common.replica import last_writes
from common.replica.last_writes import ALL
from common.replica.state import STATE
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from reminders.services import create_calendar_address
from tests.conftest import client_of
from tests.envelope import data_of
from tests.reminders.asking import MINE, remind
from tests.replica.pair import Pair
from tests.replica.standing import checked, paused, person
from tests.streams import STREAMS, make_stream, stream_url

PLAN = {"title": "Seen by its creator"}


def ids(client: APIClient, address: str = STREAMS, **query: Any) -> list[str]:
    return [each.get("id") or each["_id"] for each in data_of(client.get(address, query))["list"]]


def created(client: APIClient) -> str:
    stream_id: str = data_of(client.post(f"{STREAMS}/create", PLAN), 201)["id"]
    return stream_id


def test_lists_are_read_from_the_replica_with_the_same_result(on_pair: Pair, replica_reads: list[str]) -> None:
    creator = person()
    streams = [make_stream(creator).pk for _ in range(3)]
    from_primary = ids(client_of(creator), f"{STREAMS}/my-upcoming")
    assert replica_reads == []
    on_pair.wait_for_replay()
    checked()

    assert ids(client_of(creator), f"{STREAMS}/my-upcoming") == from_primary
    assert len(replica_reads) == 1
    assert set(from_primary) == set(streams)


def test_the_writer_sees_each_write_and_others_see_what_the_replica_has(on_pair: Pair) -> None:
    writer, other = client_of(person()), client_of(person())
    before = created(writer)
    paused(on_pair)
    after = created(writer)

    assert after in ids(writer)
    assert before in ids(other)
    assert after not in ids(other)
    on_pair.replay()
    on_pair.wait_for_replay()
    checked()
    assert after in ids(other)


def test_after_the_replica_has_caught_up_the_writer_reads_it_again(on_pair: Pair, replica_reads: list[str]) -> None:
    checked()
    writer = client_of(person())
    created(writer)
    ids(writer)
    assert replica_reads == []
    on_pair.wait_for_replay()
    checked()

    ids(writer)
    assert replica_reads


def test_a_creator_does_not_find_a_stream_that_a_moderator_has_just_deleted(on_pair: Pair) -> None:
    creator = person()
    stream = make_stream(creator)
    paused(on_pair)
    delete_stream(stream.pk, by=person("moderator"), now=timezone.now())

    assert stream.pk not in ids(client_of(creator))
    assert stream.pk in ids(client_of(creator), f"{STREAMS}/deleted")
    assert stream.pk in ids(client_of(person()))


def blocked(stream: LiveStream, target: User) -> None:
    """The creator of the stream blocks `target` from it."""
    ban = {"targetUserId": target.pk, "liveStreamId": stream.pk, "actionType": "BLOCK"}
    data_of(client_of(stream.creator).post("/api/v1/live-stream-ban", ban), 201)


def test_a_person_who_was_just_blocked_gets_nothing_that_the_ban_hides(on_pair: Pair) -> None:
    target, stream = person(), make_stream(person())
    remind(target, stream)
    own_calendar = f"/calendar/{create_calendar_address(by=target, now=timezone.now()).secret}.ics"
    client = client_of(target)
    paused(on_pair)
    assert stream.pk.encode() in client.get(own_calendar).content
    blocked(stream, target)

    assert stream.pk.encode() not in client.get(own_calendar).content
    feed = client.get(f"{STREAMS}/user/{stream.creator_id}/calendar.ics").content
    assert b"VALARM" not in feed
    (reminder,) = data_of(client.get(MINE))["list"]
    assert reminder["status"] == "CANCELLED"
    upcoming = data_of(client.get(f"{STREAMS}/user/{stream.creator_id}/upcoming-live-streams"))["list"]
    assert [each["isReminderActive"] for each in upcoming] == [False]
    assert client.get(stream_url(stream, "calendar.ics")).status_code == 403
    assert client.get(stream_url(stream, "viewers")).status_code == 403


def test_bans_are_never_read_from_the_replica(on_pair: Pair, replica_reads: list[str]) -> None:
    target, stream = person(), make_stream(person())
    paused(on_pair)
    blocked(stream, target)
    (ban,) = LiveStreamBan.objects.filter(stream=stream)

    assert ids(client_of(target), "/api/v1/live-stream-ban/mine") == [ban.pk]
    assert ids(client_of(stream.creator), "/api/v1/live-stream-ban") == [ban.pk]
    assert replica_reads == []


def test_a_call_whose_token_is_not_read_may_be_that_of_the_writer(on_pair: Pair, replica_reads: list[str]) -> None:
    checked()
    client_of(person()).get(f"{STREAMS}/catch-streamers")
    assert replica_reads == []
    client_of().get(f"{STREAMS}/catch-streamers")
    assert len(replica_reads) == 1


# --- walks ----------------------------------------------------------------------------------------


def page(client: APIClient, **query: Any) -> tuple[list[str], str]:
    """The ids of a page, and its cursor."""
    response = client.get(f"{STREAMS}/my-upcoming", {"limit": 2, **query})
    return [each["id"] for each in data_of(response)["list"]], response.headers.get("X-Next-Cursor", "")


def version_of(cursor: str) -> int:
    return urlsafe_b64decode(cursor)[0]


def test_a_walk_that_began_on_the_primary_stays_there_and_misses_nothing(
    on_pair: Pair, replica_reads: list[str]
) -> None:
    creator = person()
    client = client_of(creator)
    wanted = [make_stream(creator, planned_start_at=timezone.now() + timedelta(hours=hour)).pk for hour in range(1, 4)]
    paused(on_pair)
    data_of(client.post(f"{STREAMS}/create", PLAN | {"plannedStartDate": "2040-01-01T20:00:00Z"}), 201)
    first, cursor = page(client)
    assert version_of(cursor) == cursors.VERSION
    # As if the replica had all that the caller has written, but not what others have.
    LastWrite.objects.filter(pk=creator.pk).delete()

    second, end = page(client, after=cursor)
    assert [*first, *second][:3] == wanted
    assert len(second) == 2
    assert end == ""
    assert replica_reads == []


def test_a_walk_on_the_replica_may_go_on_there_or_on_the_primary(on_pair: Pair, replica_reads: list[str]) -> None:
    creator = person()
    client = client_of(creator)
    wanted = [make_stream(creator, planned_start_at=timezone.now() + timedelta(hours=hour)).pk for hour in range(1, 6)]
    on_pair.wait_for_replay()
    checked()

    first, cursor = page(client)
    assert version_of(cursor) == cursors.VERSION_OF_REPLICA
    second, further = page(client, after=cursor)
    assert len(replica_reads) == 2
    assert version_of(further) == cursors.VERSION_OF_REPLICA
    STATE.leave_out("a test")
    third, _ = page(client, after=further)
    assert len(replica_reads) == 2
    assert [*first, *second, *third] == wanted


def test_an_id_as_place_is_found_although_the_replica_lacks_it(on_pair: Pair) -> None:
    creator = person()
    paused(on_pair)
    late = make_stream(creator).pk
    LastWrite.objects.filter(pk=creator.pk).delete()

    assert late not in ids(client_of(creator), STREAMS, after=late)


# --- the table of last writes ----------------------------------------------------------------------


def test_after_a_crash_of_the_primary_nobody_is_answered_with_an_older_state(on_pair: Pair) -> None:
    """The crash empties the table, which is unlogged."""
    writer = client_of(person())
    paused(on_pair)
    after = created(writer)
    on_pair.primary.kill()
    on_pair.primary.start()

    assert after in ids(writer)
    assert LastWrite.objects.count() == 0
    on_pair.replay()
    on_pair.wait_for_replay()
    checked()
    assert LastWrite.objects.filter(pk=ALL).exists()
    assert after in ids(writer)


@pytest.mark.parametrize("status", [200, 404])
def test_only_changes_are_noted(status: int, on_pair: Pair) -> None:
    caller = person()
    stream = make_stream(caller)
    path = stream_url(stream) if status == 200 else f"{STREAMS}/{'0' * 24}"

    assert client_of(caller).patch(path, {"title": "New"}).status_code == status
    client_of(caller).get(STREAMS)
    assert LastWrite.objects.filter(pk=caller.pk).exists() is (status == 200)


def test_a_change_is_answered_although_it_could_not_be_noted(
    on_pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(last_writes, "_NOTE", "SELECT pg_terminate_backend(pg_backend_pid()), %s::bytea[]")

    assert created(client_of(person()))
    assert "was not noted" in caplog.text


def test_the_admin_notes_changes_of_its_users(on_pair: Pair) -> None:
    user = User.objects.create_superuser(f"root{timezone.now().timestamp()}", password="x")
    client = APIClient()
    client.force_login(user)
    client.get("/admin/")
    assert not LastWrite.objects.filter(pk=user.pk).exists()
    client.post(f"/admin/accounts/user/{user.pk}/change/", {})
    assert LastWrite.objects.filter(pk=user.pk).exists()
