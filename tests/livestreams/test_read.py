"""GET /api/v1/live-stream/{id}"""

import pytest

from accounts.models import User
from livestreams import services
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream, stream_url


def test_a_stream_is_read_with_creator_guests_and_broadcasters(
    api: Api, creator: User, guest: User, viewer: User
) -> None:
    stream = make_stream(creator, guest=guest, title="Duo", duration_goal=60)

    data = data_of(api(viewer).get(stream_url(stream)))

    assert data["id"] == stream.pk
    assert data["creator"]["username"] == "creator"
    assert [user["username"] for user in data["guests"]] == ["guest"]
    assert [(part["user"]["username"], part["role"]) for part in data["broadcasters"]] == [
        ("creator", "host"),
        ("guest", "guest"),
    ]
    assert (data["deletedAt"], data["deletedBy"]) == (None, None)


def test_each_caller_gets_their_own_role(api: Api, creator: User, guest: User, viewer: User) -> None:
    stream = make_stream(creator, guest=guest)

    roles = [data_of(api(caller).get(stream_url(stream)))["role"] for caller in (creator, guest, viewer)]

    assert roles == ["host", "guest", "audience"]


def test_a_deleted_stream_is_missing(api: Api, creator: User, now: object) -> None:
    stream = make_stream(creator)
    services.delete_stream(stream.pk, by=creator, now=stream.created_at)

    assert_refused(api(creator).get(stream_url(stream)), 404, "stream_not_found", "there is no stream with this id")


def test_an_unknown_stream_is_missing(api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(f"{STREAMS}/{'0' * 24}"), 404, "stream_not_found")


@pytest.mark.parametrize("bad", ["x", "0" * 23, "0" * 25, "A" * 24, "g" * 24, "%00" * 8, "null", "0" * 23 + "%0A"])
def test_a_malformed_id_is_a_bad_request(bad: str, api: Api, viewer: User) -> None:
    assert_refused(
        api(viewer).get(f"{STREAMS}/{bad}"),
        400,
        "validation_failed",
        "id: must be 24 lower-case hexadecimal characters",
    )


def test_reading_needs_a_token(api: Api, creator: User) -> None:
    assert_refused(api().get(stream_url(make_stream(creator))), 401, "authentication_required")
