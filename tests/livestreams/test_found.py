"""GET /api/v1/live-stream/by-channel/{channelName}, /user/{userId}/active-stream, /my-active-stream and /my-upcoming"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from livestreams import services
from livestreams.models import Status
from livestreams.names import CHANNEL_NAME, new_channel_name
from tests.api.operations import document
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import remind
from tests.streams import STREAMS, make_stream, stream_url

MY_ACTIVE = f"{STREAMS}/my-active-stream"
MY_UPCOMING = f"{STREAMS}/my-upcoming"


def channel_url(name: str) -> str:
    return f"{STREAMS}/by-channel/{name}"


def active_url(user_id: str) -> str:
    return f"{STREAMS}/user/{user_id}/active-stream"


# --- by channel name ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_a_stream_is_found_by_its_channel_name(status: Status, api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, status)
    client = api(viewer)

    assert data_of(client.get(channel_url(stream.channel_name))) == data_of(client.get(stream_url(stream)))


def test_an_unknown_channel_name_and_that_of_a_deleted_stream_are_not_found(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    services.delete_stream(stream.pk, by=creator, now=timezone.now())

    for name in (stream.channel_name, "talk-of-nobody-x7k2"):
        assert_refused(api(creator).get(channel_url(name)), 404, "stream_not_found")


@pytest.mark.parametrize("name", ["UPPER-x7k2", "x7k2", "talk--x7k2", "talk-x7k2%00", "talk_x7k2", "ş-x7k2", "a-b%0A"])
def test_a_malformed_channel_name_is_refused(name: str, api: Api, viewer: User) -> None:
    rule = "channelName: must be lower-case letters and digits with hyphens between them"
    assert_refused(api(viewer).get(channel_url(name)), 400, "validation_failed", rule)


def test_the_document_has_the_pattern_of_channel_names() -> None:
    (name, *_headers) = document()["paths"][channel_url("{channelName}")]["get"]["parameters"]

    assert name["schema"]["pattern"] == f"^{CHANNEL_NAME.pattern}$"


@pytest.mark.parametrize("title", ["Akşam sohbeti", "日本", "!", "a" * 140, "--x--", "İŞ 2"])
def test_every_channel_name_is_well_formed(title: str) -> None:
    assert CHANNEL_NAME.fullmatch(new_channel_name(title))


def test_a_blocked_user_cannot_read_by_channel_name_and_one_without_chat_can(
    api: Api, creator: User, viewer: User, stranger: User
) -> None:
    stream = make_stream(creator)
    make_ban(viewer, stream)
    make_ban(stranger, stream, action_type="CHAT_ONLY")

    assert_refused(api(viewer).get(channel_url(stream.channel_name)), 403, "banned")
    assert data_of(api(stranger).get(channel_url(stream.channel_name)))["role"] == "audience"
    assert_refused(api().get(channel_url(stream.channel_name)), 401, "authentication_required")


# --- the active stream of a user ------------------------------------------------------------------


def test_the_active_stream_of_a_user_is_public(api: Api, creator: User, viewer: User) -> None:
    make_stream(creator, "scheduled")
    assert data_of(api().get(active_url(creator.pk))) is None
    stream = make_stream(creator, Status.ACTIVE)

    for caller, role in ((None, None), (viewer, "audience"), (creator, "host")):
        data = data_of(api(caller).get(active_url(creator.pk)))
        assert (data["id"], data["role"]) == (stream.pk, role)


def test_the_active_stream_of_a_user_is_refused_for_the_blocked(api: Api, creator: User, viewer: User) -> None:
    make_ban(viewer, make_stream(creator, Status.ACTIVE))

    assert_refused(api(viewer).get(active_url(creator.pk)), 403, "banned")


def test_an_unknown_user_and_a_token_that_is_not_valid_are_refused(api: Api, creator: User) -> None:
    client: Any = api()
    assert_refused(client.get(active_url("f" * 24)), 404, "user_not_found")
    assert_refused(client.get(active_url("UPPER")), 400, "validation_failed")
    for path in (active_url(creator.pk), MY_ACTIVE):
        assert_refused(client.get(path, HTTP_AUTHORIZATION="Bearer garbage"), 401, "token_invalid")


def test_an_anonymous_caller_has_no_active_stream(api: Api, creator: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)

    assert data_of(api().get(MY_ACTIVE)) is None
    assert data_of(api(creator).get(MY_ACTIVE))["id"] == stream.pk


# --- my upcoming ----------------------------------------------------------------------------------


def test_my_upcoming_streams_are_those_of_the_creator_and_of_the_accepted_guest(
    api: Api, creator: User, guest: User, stranger: User
) -> None:
    now = timezone.now()
    later = make_stream(creator, now=now, planned_start_at=now + timedelta(days=400))
    sooner = make_stream(creator, now=now, guest=guest, answer="accepted", planned_start_at=now + timedelta(days=2))
    preparing = make_stream(creator, Status.PREPARING, now=now)
    for status in (Status.ENDED, Status.CANCELLED_BY_HOST, Status.EXPIRED):
        make_stream(creator, status, now=now - timedelta(hours=2))
    active = make_stream(creator, Status.ACTIVE, now=now - timedelta(minutes=5))
    for answer in ("invited", "declined"):
        make_stream(creator, guest=guest, answer=answer, planned_start_at=now + timedelta(days=5))
    gone = make_stream(creator)
    services.delete_stream(gone.pk, by=creator, now=now)

    mine = [item["id"] for item in data_of(api(creator).get(MY_UPCOMING))["list"]]
    as_guest = data_of(api(guest).get(MY_UPCOMING))["list"]

    assert mine[:3] == [active.pk, preparing.pk, sooner.pk]
    assert mine[-1] == later.pk
    assert len(mine) == 6
    assert [(item["id"], item["role"]) for item in as_guest] == [(sooner.pk, "guest")]
    assert data_of(api(stranger).get(MY_UPCOMING))["list"] == []
    assert_refused(api().get(MY_UPCOMING), 401, "authentication_required")


def test_my_upcoming_streams_show_whether_a_reminder_waits(api: Api, creator: User) -> None:
    remind(creator, make_stream(creator), minute=5)
    make_stream(creator, planned_start_at=timezone.now() + timedelta(hours=2))

    items = data_of(api(creator).get(MY_UPCOMING, {"limit": 1}))
    assert [item["isReminderActive"] for item in items["list"]] == [True]
    assert items["pagination"]["totalItems"] == 2
