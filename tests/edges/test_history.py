"""GET /api/v1/live-stream/my-broadcasted-streams and /my-watched-streams"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from edges.models import Participant
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.edges.test_live import join
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream

BROADCASTED = f"{STREAMS}/my-broadcasted-streams"
WATCHED = f"{STREAMS}/my-watched-streams"


def listed(api: Api, user: User, address: str, **query: Any) -> list[tuple[str, str]]:
    return [(item["id"], item["role"]) for item in data_of(api(user).get(address, query))["list"]]


def ended(stream: LiveStream) -> LiveStream:
    return services.end_stream(stream.pk, by=stream.creator, now=timezone.now())


@pytest.mark.parametrize("address", [BROADCASTED, WATCHED])
def test_the_lists_need_a_login_and_take_a_page(address: str, api: Api, viewer: User) -> None:
    assert_refused(api().get(address), 401, "authentication_required")
    assert_refused(api(viewer).get(address, {"limit": 101}), 400, "validation_failed")
    assert data_of(api(viewer).get(address)) == {
        "list": [],
        "pagination": {
            "currentPage": 1,
            "totalPages": 0,
            "totalItems": 0,
            "itemsPerPage": 10,
            "hasNextPage": False,
            "hasPrevPage": False,
        },
    }


def test_a_stream_is_in_one_list_of_each_person_with_the_role_of_the_join(
    api: Api, creator: User, guest: User, viewer: User, stranger: User
) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest)
    for user in (creator, guest, viewer, viewer):
        data_of(api(user).post(f"{STREAMS}/join", {"liveStreamId": stream.pk}))
    for user in (creator, guest, viewer):
        assert listed(api, user, BROADCASTED) == listed(api, user, WATCHED) == [], "it has not ended"
    ended(stream)

    for user, broadcasted, watched in (
        (creator, [(stream.pk, "host")], []),
        (guest, [(stream.pk, "guest")], []),
        (viewer, [], [(stream.pk, "audience")]),
        (stranger, [], []),
    ):
        assert listed(api, user, BROADCASTED) == broadcasted, user
        assert listed(api, user, WATCHED) == watched, user


def test_a_guest_who_left_has_broadcasted_and_one_who_declined_before_has_watched(
    api: Api, creator: User, guest: User, stranger: User
) -> None:
    left = make_stream(creator, Status.ACTIVE, guest=guest)
    declined = make_stream(stranger, Status.ACTIVE, guest=guest, answer="declined")
    client = api(guest)
    for stream in (left, declined):
        data_of(client.post(f"{STREAMS}/join", {"liveStreamId": stream.pk}))
    services.decline_guest(left.pk, by=guest, now=timezone.now())
    data_of(client.post(f"{STREAMS}/join", {"liveStreamId": left.pk}))
    for stream in (left, declined):
        ended(stream)

    assert listed(api, guest, BROADCASTED) == [(left.pk, "guest")]
    assert listed(api, guest, WATCHED) == [(declined.pk, "audience")]


def test_a_creator_has_broadcasted_without_joining_and_a_guest_who_never_answered_has_not(
    api: Api, creator: User, guest: User
) -> None:
    stream = make_stream(creator, Status.ENDED, guest=guest)

    assert listed(api, creator, BROADCASTED) == [(stream.pk, "host")]
    assert listed(api, guest, BROADCASTED) == listed(api, guest, WATCHED) == []


@pytest.mark.parametrize(("person", "watched"), [("creator", False), ("guest", False), ("viewer", True)])
def test_joins_from_before_roles_were_stored_count_by_the_role_of_now(
    person: str, watched: bool, api: Api, creator: User, guest: User, viewer: User
) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer="accepted")
    user = {"creator": creator, "guest": guest, "viewer": viewer}[person]
    join(user, stream)
    Participant.objects.update(role=None)
    ended(stream)

    assert listed(api, user, WATCHED) == [(stream.pk, "audience")] * watched


def test_deleted_streams_are_not_listed_and_streams_of_a_ban_are(api: Api, creator: User, viewer: User) -> None:
    streams = []
    for _ in range(2):
        stream = make_stream(creator, Status.ACTIVE)
        join(viewer, stream)
        make_ban(viewer, stream)
        streams.append(ended(stream))
    deleted, kept = streams
    services.delete_stream(deleted.pk, by=creator, now=timezone.now())

    assert listed(api, creator, BROADCASTED) == [(kept.pk, "host")]
    assert listed(api, viewer, WATCHED) == [(kept.pk, "audience")]


def test_watched_streams_are_in_the_order_of_the_first_join_and_paged(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    begin = now - timedelta(hours=3)
    streams = [make_stream(creator, Status.ENDED, now=begin) for _ in range(3)]
    for number, stream in enumerate(streams):
        join(stranger, stream, now=begin + timedelta(minutes=20 - number))
        join(viewer, stream, now=begin + timedelta(minutes=number))
    join(viewer, streams[0], now=begin + timedelta(minutes=9))  # renewed
    client: Any = api(viewer)

    first = client.get(WATCHED, {"limit": 2})
    after = client.get(WATCHED, {"limit": 2, "after": first.headers["X-Next-Cursor"]})
    after_id = client.get(WATCHED, {"limit": 2, "after": streams[1].pk})

    assert [item["id"] for item in data_of(first)["list"]] == [streams[2].pk, streams[1].pk]
    assert data_of(first)["pagination"]["totalItems"] == 3
    for rest in (after, after_id):
        assert [item["id"] for item in data_of(rest)["list"]] == [streams[0].pk]


def test_broadcasted_streams_are_in_the_order_of_their_end(api: Api, creator: User, now: datetime) -> None:
    older, newer = (make_stream(creator, Status.ENDED, now=now - timedelta(hours=hours)) for hours in (5, 2))

    assert listed(api, creator, BROADCASTED) == [(newer.pk, "host"), (older.pk, "host")]
