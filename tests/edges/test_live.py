"""GET /api/v1/live-stream/featured, /whats-live-now and /catch-streamers"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from common.times import wire_time
from edges.models import ViewerCount
from edges.services import LIVE, admit
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.bans.people import make_ban
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream, stream_url

FEATURED = f"{STREAMS}/featured"
WHATS_LIVE = f"{STREAMS}/whats-live-now"
CATCH = f"{STREAMS}/catch-streamers"


def live(number: int, *, viewers: int = 0, now: datetime | None = None) -> LiveStream:
    """An active stream of a new creator, which so many users have joined."""
    stream = make_stream(make_user(f"host{number}"), Status.ACTIVE, title=f"Talk {number}", now=now)
    for each in range(viewers):
        join(make_user(f"fan{number}-{each}"), stream)
    return stream


def join(user: User, stream: LiveStream, *, role: str = "audience", now: datetime | None = None) -> None:
    admit(user, stream.pk, status="active", role=role, restriction=None, now=now or timezone.now())


def counted(items: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(item["title"], item["viewerCount"]) for item in items]


# --- featured -------------------------------------------------------------------------------------


def test_the_ten_streams_with_most_viewers_are_featured_for_everybody(api: Api, db: None) -> None:
    for number in range(12):
        live(number, viewers={3: 2, 7: 3, 11: 1}.get(number, 0))
    make_stream(make_user("planner"), "scheduled")

    featured = data_of(api().get(FEATURED))

    assert counted(featured)[:3] == [("Talk 7", 3), ("Talk 3", 2), ("Talk 11", 1)]
    assert len(featured) == 10
    assert {item["status"] for item in featured} == {"active"}
    assert {item["role"] for item in featured} == {None}


def test_a_featured_stream_has_the_keys_of_a_stream_and_the_number(api: Api, creator: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)

    (featured,) = data_of(api().get(FEATURED))
    read = data_of(api(creator).get(stream_url(stream)))

    assert featured == read | {"role": None, "viewerCount": 0}


def test_without_active_streams_nothing_is_featured(api: Api, db: None) -> None:
    assert data_of(api().get(FEATURED)) == []
    assert data_of(api().get(CATCH)) == []


@pytest.mark.parametrize("path", [FEATURED, CATCH])
def test_a_token_is_not_needed_and_not_read(path: str, api: Api, creator: User) -> None:
    make_stream(creator, Status.ACTIVE)
    client: Any = api()

    assert len(data_of(client.get(path, HTTP_AUTHORIZATION="Bearer garbage"))) == 1


def test_featured_takes_no_query(api: Api, db: None) -> None:
    assert_refused(api().get(FEATURED, {"limit": 5}), 400, "validation_failed", "limit: unknown")


def test_the_broadcasters_are_no_viewers_and_a_guest_who_left_is_one(api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest)
    join(creator, stream, role="host")
    join(guest, stream, role="guest")
    assert counted(data_of(api().get(FEATURED))) == [("Evening talk", 0)]

    services.decline_guest(stream.pk, by=guest, now=timezone.now())
    LIVE.finish_pass(timezone.now() + timedelta(minutes=1))

    assert counted(data_of(api().get(FEATURED))) == [("Evening talk", 1)]


def test_viewers_who_left_are_not_counted(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    join(viewer, stream, now=now - 2 * settings.JOIN_TOKEN_LIFETIME)

    assert counted(data_of(api().get(FEATURED))) == [("Evening talk", 0)]


@pytest.mark.parametrize("path", [FEATURED, CATCH])
def test_a_stream_appears_when_it_starts_and_is_gone_when_it_ends(path: str, api: Api, creator: User) -> None:
    client = api()
    stream = make_stream(creator, "scheduled")
    assert data_of(client.get(path)) == []

    services.start_stream(stream.pk, by=creator, now=timezone.now())
    assert len(data_of(client.get(path))) == 1

    services.end_stream(stream.pk, by=creator, now=timezone.now())
    assert data_of(client.get(path)) == []
    assert not ViewerCount.objects.exists()


# --- what is live now -----------------------------------------------------------------------------


def test_whats_live_now_is_sorted_by_viewers_and_paged(api: Api, viewer: User) -> None:
    for number, viewers in enumerate([1, 3, 0, 2]):
        live(number, viewers=viewers)
    client: Any = api(viewer)

    first = client.get(WHATS_LIVE, {"limit": 3})
    second = client.get(WHATS_LIVE, {"limit": 3, "page": 2})
    after = client.get(WHATS_LIVE, {"limit": 3, "after": first.headers["X-Next-Cursor"]})

    assert counted(data_of(first)["list"]) == [("Talk 1", 3), ("Talk 3", 2), ("Talk 0", 1)]
    assert data_of(first)["pagination"]["totalItems"] == 4
    assert {item["role"] for item in data_of(first)["list"]} == {"audience"}
    for rest in (second, after):
        assert counted(data_of(rest)["list"]) == [("Talk 2", 0)]


def test_whats_live_now_is_sorted_by_start(api: Api, viewer: User, now: datetime) -> None:
    for number, minutes in enumerate([5, 1, 3]):
        live(number, viewers=number, now=now - timedelta(minutes=minutes))

    items = data_of(api(viewer).get(WHATS_LIVE, {"sortBy": "newest"}))["list"]

    assert counted(items) == [("Talk 1", 1), ("Talk 2", 2), ("Talk 0", 0)]


def test_a_cursor_of_one_order_is_refused_in_the_other(api: Api, viewer: User) -> None:
    for number in range(2):
        live(number)
    client = api(viewer)
    cursor = client.get(WHATS_LIVE, {"limit": 1}).headers["X-Next-Cursor"]

    response = client.get(WHATS_LIVE, {"sortBy": "newest", "after": cursor})

    assert_refused(response, 400, "validation_failed", "after: this cursor belongs to another list or order")


def test_whats_live_now_refuses_other_orders_and_anonymous_callers(api: Api, viewer: User) -> None:
    refused = api(viewer).get(WHATS_LIVE, {"sortBy": "title"})
    assert_refused(refused, 400, "validation_failed", "sortBy: must be one of viewers, newest")
    assert_refused(api().get(WHATS_LIVE), 401, "authentication_required")


def test_lists_of_live_streams_show_a_banned_user_the_public_facts(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    make_ban(viewer, stream)

    assert len(data_of(api(viewer).get(WHATS_LIVE))["list"]) == 1


# --- catch streamers ------------------------------------------------------------------------------


def test_streamers_are_those_whose_streams_started_last(api: Api, now: datetime) -> None:
    for number, minutes in enumerate([5, 1, 3]):
        live(number, now=now - timedelta(minutes=minutes))

    caught = data_of(api().get(CATCH, {"limit": 2}))

    assert [set(each) for each in caught] == [{"creator", "activeLiveStream"}] * 2
    assert [each["activeLiveStream"]["title"] for each in caught] == ["Talk 1", "Talk 2"]
    assert [each["creator"]["username"] for each in caught] == ["host1", "host2"]
    assert caught[0]["activeLiveStream"]["creator"] == caught[0]["creator"]
    assert caught[0]["activeLiveStream"]["startedAt"] == wire_time(now - timedelta(minutes=1))


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_a_limit_out_of_bounds_is_refused(limit: str, api: Api, db: None) -> None:
    assert_refused(api().get(CATCH, {"limit": limit}), 400, "validation_failed")
