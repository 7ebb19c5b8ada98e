"""GET my-active-stream, my-past-streams, user/{userId}/past-streams, guest-streams"""

from datetime import datetime, timedelta

from accounts.models import User
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream

ACTIVE = f"{STREAMS}/my-active-stream"
MY_PAST = f"{STREAMS}/my-past-streams"
GUEST = f"{STREAMS}/guest-streams"


def past_url(user: User | str) -> str:
    return f"{STREAMS}/user/{user if isinstance(user, str) else user.pk}/past-streams"


def test_my_active_stream_is_my_own(api: Api, creator: User, stranger: User) -> None:
    make_stream(creator)
    make_stream(stranger, "active")
    active = make_stream(creator, "active")

    assert data_of(api(creator).get(ACTIVE))["id"] == active.pk


def test_without_an_active_stream_it_is_null(api: Api, creator: User) -> None:
    make_stream(creator)

    assert data_of(api(creator).get(ACTIVE)) is None


def test_past_streams_are_the_ended_ones_in_descending_order_of_their_end(
    api: Api, creator: User, stranger: User, now: datetime
) -> None:
    for days in (3, 1, 2):
        make_stream(creator, "ended", title=f"{days} days ago", now=now - timedelta(days=days))
    make_stream(creator)
    make_stream(creator, "cancelled_by_host")
    make_stream(stranger, "ended")

    data = data_of(api(creator).get(MY_PAST, {"limit": 2}))

    assert [stream["title"] for stream in data["list"]] == ["1 days ago", "2 days ago"]
    assert data["pagination"]["totalItems"] == 3


def test_past_streams_of_a_user_are_public(api: Api, creator: User, viewer: User) -> None:
    make_stream(creator, "ended")

    anonymous = data_of(api().get(past_url(creator)))["list"]
    known = data_of(api(viewer).get(past_url(creator)))["list"]

    assert [stream["role"] for stream in anonymous] == [None]
    assert [stream["role"] for stream in known] == ["audience"]


def test_a_user_without_past_streams_has_an_empty_list_and_an_unknown_user_is_a_404(api: Api, creator: User) -> None:
    assert data_of(api().get(past_url(creator)))["list"] == []
    assert_refused(api().get(past_url("0" * 24)), 404, "user_not_found", "there is no user with this id")
    assert_refused(
        api().get(past_url("me")),
        400,
        "validation_failed",
        "userId: must be 24 lower-case hexadecimal characters",
    )


def test_an_invalid_token_is_refused_where_none_is_needed(api: Api, creator: User) -> None:
    assert_refused(api().get(past_url(creator), HTTP_AUTHORIZATION="Bearer no.such.token"), 401, "token_invalid")


def test_guest_streams_are_those_with_me_as_guest(api: Api, creator: User, guest: User) -> None:
    make_stream(creator)
    make_stream(guest)
    first = make_stream(creator, guest=guest)
    second = make_stream(creator, "ended", guest=guest)

    everything = data_of(api(guest).get(GUEST, {"sortOrder": "asc"}))
    ended = data_of(api(guest).get(GUEST, {"status": "ended"}))

    assert [stream["id"] for stream in everything["list"]] == [first.pk, second.pk]
    assert [stream["role"] for stream in everything["list"]] == ["guest", "guest"]
    assert [stream["id"] for stream in ended["list"]] == [second.pk]


def test_personal_lists_need_a_token(api: Api) -> None:
    for url in (MY_PAST, GUEST):
        assert_refused(api().get(url), 401, "authentication_required")
