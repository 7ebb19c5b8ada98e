"""GET /api/v1/live-stream-ban/mine"""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from bans import services
from common.times import wire_time
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from tests.bans.people import BANS, ban_url, lapsed_ban, make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream
from tests.test_statements import statements

MINE = f"{BANS}/mine"


def test_the_banned_person_reads_the_reason_and_the_end(api: Api, creator: User, viewer: User, now: datetime) -> None:
    end = now + timedelta(hours=1)
    ban = make_ban(viewer, make_stream(creator), reason="Spam", expires_at=end, action_type="CHAT_ONLY")

    (mine,) = data_of(api(viewer).get(MINE))["list"]

    assert mine == data_of(api(viewer).get(ban_url(ban))) | {"state": "active", "verdictMessage": None, "appeal": None}
    assert (mine["reason"], mine["expiresAt"], mine["actionType"]) == ("Spam", wire_time(end), "CHAT_ONLY")


def test_the_list_names_only_the_id_of_who_made_the_ban(api: Api, creator: User, viewer: User) -> None:
    make_ban(viewer, make_stream(creator))

    response = api(viewer).get(MINE)

    assert data_of(response)["list"][0]["createdBy"] == creator.pk
    assert creator.username not in response.content.decode()
    assert creator.surname not in response.content.decode()


def in_every_state(creator: User, viewer: User, now: datetime) -> dict[str, str]:
    """The ids of bans of `viewer` by the state that they have at `now`, the newest first."""
    active = make_ban(viewer, make_stream(creator), now=now - timedelta(minutes=1), expires_at=now + timedelta(hours=1))
    lifted = make_ban(viewer, make_stream(creator), now=now - timedelta(minutes=2))
    services.lift_ban(lifted.pk, by=creator, now=now)
    return {"active": active.pk, "lifted": lifted.pk, "lapsed": lapsed_ban(viewer, make_stream(creator)).pk}


def test_the_callers_own_bans_are_listed_newest_first_with_their_state(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    made = in_every_state(creator, viewer, now)
    make_ban(stranger, make_stream(creator))

    data = data_of(api(viewer).get(MINE))

    assert [(ban["state"], ban["_id"]) for ban in data["list"]] == list(made.items())
    assert data["pagination"]["totalItems"] == 3
    lifted = data["list"][1]
    assert (lifted["deletedAt"], lifted["deletedBy"]) == (wire_time(now), creator.pk)


@pytest.mark.parametrize("state", ["active", "lapsed", "lifted"])
def test_the_list_is_filtered_by_state(state: str, api: Api, creator: User, viewer: User, now: datetime) -> None:
    made = in_every_state(creator, viewer, now)

    data = data_of(api(viewer).get(f"{MINE}?state={state}"))

    assert [ban["_id"] for ban in data["list"]] == [made[state]]
    assert data["pagination"]["totalItems"] == 1


def test_a_ban_that_was_lifted_after_its_end_is_lifted(api: Api, creator: User, viewer: User, now: datetime) -> None:
    services.lift_ban(lapsed_ban(viewer, make_stream(creator)).pk, by=creator, now=now)
    assert [ban["state"] for ban in data_of(api(viewer).get(MINE))["list"]] == ["lifted"]


def test_a_ban_has_the_appeal_against_it(api: Api, creator: User, viewer: User, now: datetime) -> None:
    ban = make_ban(viewer, make_stream(creator))
    client = api(viewer)
    appeal = data_of(client.post(f"{ban_url(ban)}/appeal", {"text": "It was not me."}), 201)
    assert [each["appeal"] for each in data_of(client.get(MINE))["list"]] == [appeal]

    services.lift_ban(ban.pk, by=creator, now=now)
    (mine,) = data_of(client.get(MINE))["list"]
    assert (mine["state"], mine["appeal"]["status"]) == ("lifted", "approved")
    assert mine["appeal"] == data_of(client.get(f"{ban_url(ban)}/appeal"))


def test_bans_on_deleted_streams_are_hidden_in_every_state(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    in_every_state(creator, viewer, now)
    for stream in LiveStream.objects.all():
        delete_stream(stream.pk, by=creator, now=now)

    for query in ("", "?state=active", "?state=lapsed", "?state=lifted"):
        assert data_of(api(viewer).get(MINE + query))["list"] == []


def test_bans_on_the_callers_own_streams_are_not_listed(api: Api, creator: User, viewer: User) -> None:
    make_ban(viewer, make_stream(creator))
    assert data_of(api(creator).get(MINE))["list"] == []


def test_the_list_is_read_by_page_and_by_keyset(api: Api, creator: User, viewer: User, now: datetime) -> None:
    bans = [make_ban(viewer, make_stream(creator), now=now + timedelta(seconds=at - 10)).pk for at in range(5)][::-1]
    client = api(viewer)

    second = data_of(client.get(f"{MINE}?limit=2&page=2"))
    assert [ban["_id"] for ban in second["list"]] == bans[2:4]
    assert second["pagination"]["totalPages"] == 3
    after = data_of(client.get(f"{MINE}?limit=2&after={bans[2]}"))
    assert [ban["_id"] for ban in after["list"]] == bans[3:]


def test_a_bad_query_is_refused(api: Api, viewer: User) -> None:
    response = api(viewer).get(f"{MINE}?limit=0")
    assert_refused(response, 400, "validation_failed", "limit: must be between 1 and 100")
    response = api(viewer).get(f"{MINE}?state=expired")
    assert_refused(response, 400, "validation_failed", "state: must be one of active, lapsed, lifted")


def test_the_list_needs_a_token(api: Api) -> None:
    assert_refused(api().get(MINE), 401, "authentication_required")


def test_the_number_of_statements_is_the_same_for_one_as_for_twenty(api: Api, creator: User, viewer: User) -> None:
    client = api(viewer)
    counts = []
    for more in (1, 19):
        for _ in range(more):
            make_ban(viewer, make_stream(creator))
        counts.append(len(statements(lambda: data_of(client.get(f"{MINE}?limit=100")))))
    assert counts == [2, 2]
