"""GET /api/v1/live-stream-ban"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from bans import services
from common.times import wire_time
from tests.bans.people import BANS, lapsed_ban, make_ban, permitted
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream
from tests.test_statements import statements


def targets(data: dict[str, Any]) -> list[str]:
    return [ban["targetUser"]["username"] for ban in data["list"]]


def test_a_creator_lists_the_holding_bans_on_own_streams_newest_first(
    api: Api, creator: User, viewer: User, guest: User, stranger: User, now: datetime
) -> None:
    stream = make_stream(creator)
    make_ban(viewer, stream, now=now - timedelta(minutes=2))
    make_ban(guest, stream, now=now - timedelta(minutes=1))
    lapsed_ban(stranger, stream)
    services.lift_ban(make_ban(make_user("lifted"), stream).pk, by=creator, now=now)
    make_ban(viewer, make_stream(stranger))

    data = data_of(api(creator).get(BANS))

    assert targets(data) == ["guest", "viewer"]
    assert data["pagination"]["totalItems"] == 2


def test_a_moderator_lists_all_bans(api: Api, creator: User, viewer: User, stranger: User) -> None:
    make_ban(viewer, make_stream(creator))
    make_ban(viewer, make_stream(stranger))

    assert data_of(api(permitted("mod", "moderate")).get(BANS))["pagination"]["totalItems"] == 2
    assert data_of(api(viewer).get(BANS))["list"] == []


def test_each_filter_selects_the_matching_bans(
    api: Api, creator: User, viewer: User, guest: User, now: datetime
) -> None:
    one, two = make_stream(creator), make_stream(creator)
    make_ban(viewer, one, action_type="CHAT_ONLY", now=now - timedelta(hours=2))
    make_ban(guest, two, now=now - timedelta(hours=1))
    client = api(creator)
    filters = [
        {"targetUserId": viewer.pk},
        {"targetUser": viewer.pk},
        {"targetUser": "VIEWER"},
        {"liveStreamId": one.pk},
        {"actionType": "CHAT_ONLY"},
        {"endDate": wire_time(now - timedelta(minutes=90))},
    ]

    for chosen in filters:
        assert targets(data_of(client.get(BANS, chosen))) == ["viewer"], chosen
    assert targets(data_of(client.get(BANS, {"startDate": wire_time(now - timedelta(minutes=90))}))) == ["guest"]
    assert targets(data_of(client.get(BANS, {"targetUser": "nobody"}))) == []


def test_pages_and_keyset_agree(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    for number in range(5):
        make_ban(make_user(f"viewer{number}"), stream)
    client = api(creator)
    everything = [ban["_id"] for ban in data_of(client.get(BANS))["list"]]

    paged = [ban["_id"] for page in (1, 2, 3) for ban in data_of(client.get(BANS, {"page": page, "limit": 2}))["list"]]
    after = [ban["_id"] for ban in data_of(client.get(BANS, {"after": everything[1]}))["list"]]

    assert paged == everything
    assert after == everything[2:]


def test_the_number_of_statements_is_the_same_for_one_as_for_fifty(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    make_ban(make_user("viewer"), stream)
    client = api(creator)
    one = len(statements(lambda: client.get(BANS, {"limit": 100})))
    for number in range(49):
        make_ban(make_user(f"viewer{number}"), stream)

    assert len(statements(lambda: client.get(BANS, {"limit": 100}))) == one == 3
    assert len(data_of(client.get(BANS, {"limit": 100}))["list"]) == 50


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("targetUserId=x", "targetUserId: must be 24 lower-case hexadecimal characters"),
        ("actionType=block", "actionType: must be one of BLOCK, CHAT_ONLY"),
        ("limit=101", "limit: must be between 1 and 100"),
    ],
)
def test_a_bad_query_is_refused(query: str, reason: str, api: Api, creator: User) -> None:
    assert_refused(api(creator).get(f"{BANS}?{query}"), 400, "validation_failed", reason)
