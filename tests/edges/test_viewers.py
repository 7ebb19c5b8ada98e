"""GET /api/v1/live-stream/{id}/viewers and /viewer-count"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from bans.services import ban_user
from common.times import wire_time
from edges.models import Participant, StreamStatistics
from edges.services import STATISTICS, admit, leave, record_revocations, statistics
from livestreams import services
from livestreams.models import LiveStream, Status, role_of
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream, stream_url

SECOND = timedelta(seconds=1)


@pytest.fixture
def stream(creator: User, guest: User) -> LiveStream:
    return make_stream(creator, Status.ACTIVE, guest=guest)


def seen(stream: LiveStream, user: User, *, first: datetime, last: datetime | None = None) -> None:
    for now in (first, last or first):
        role = role_of(user.pk, stream.creator_id, stream.guest_id, stream.guest_status) or ""
        admit(user, stream.pk, status=stream.status, role=role, restriction=None, now=now)


def names(api: Api, caller: User, stream: LiveStream, **query: Any) -> list[str]:
    data = data_of(api(caller).get(stream_url(stream, "viewers"), query))
    return [user["username"] for user in data["list"]]


def test_viewers_are_user_summaries_in_a_page(api: Api, stream: LiveStream, viewer: User, now: datetime) -> None:
    seen(stream, viewer, first=now)

    data = data_of(api(viewer).get(stream_url(stream, "viewers")))

    assert data["list"] == [
        {
            "_id": viewer.pk,
            "username": "viewer",
            "name": "Viewer",
            "surname": "",
            "profilePhoto": None,
            "availabilityStatus": "offline",
            "joinedAt": wire_time(now),
        }
    ]
    assert data["pagination"]["totalItems"] == data["participantAudienceTotal"] == 1
    assert list(data) == ["list", "pagination", "participantAudienceTotal"]


def test_a_viewer_has_the_time_of_the_first_join(api: Api, stream: LiveStream, viewer: User, now: datetime) -> None:
    seen(stream, viewer, first=now - 60 * SECOND, last=now)
    leave(stream.pk, by=viewer, now=now)
    seen(stream, viewer, first=now + SECOND)

    (item,) = data_of(api(viewer).get(stream_url(stream, "viewers")))["list"]

    assert item["joinedAt"] == wire_time(now - 60 * SECOND)


def test_the_audience_is_everybody_who_ever_joined_as_audience(
    api: Api, stream: LiveStream, creator: User, guest: User, viewer: User, stranger: User, now: datetime
) -> None:
    for user in (creator, guest, viewer, viewer):
        seen(stream, user, first=now)
    seen(stream, stranger, first=now - timedelta(hours=1))
    seen(stream, make_user("fan"), first=now)
    leave(stream.pk, by=viewer, now=now)
    url, client = stream_url(stream, "viewers"), api(creator)

    for query in ({}, {"search": "fan"}, {"search": "nobody"}, {"page": 9}):
        data = data_of(client.get(url, query))
        assert data["participantAudienceTotal"] == 3, "viewer and stranger are no longer there"
    assert data_of(client.get(url))["pagination"]["totalItems"] == 1


def test_the_audience_of_many_is_the_number_that_was_counted_last(
    api: Api, stream: LiveStream, viewer: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "COUNTED_EACH_TIME", 2)
    client, url = api(viewer), stream_url(stream, "viewers")

    def audience() -> int:
        total: int = data_of(client.get(url))["participantAudienceTotal"]
        return total

    for number in range(4):
        seen(stream, make_user(f"fan{number}"), first=now)
    assert audience() == 4, "it is not less than what was counted, although no worker has counted"
    STATISTICS.finish_pass(now)
    StreamStatistics.objects.update(audience=7)
    assert audience() == 7
    Participant.objects.filter(user__username__in=("fan0", "fan1")).delete()
    assert audience() == 2


def test_broadcasters_are_not_viewers(
    api: Api, stream: LiveStream, creator: User, guest: User, viewer: User, now: datetime
) -> None:
    for user in (creator, guest, viewer):
        seen(stream, user, first=now)

    assert names(api, creator, stream) == ["viewer"]


def test_a_solo_stream_without_guest_has_viewers(api: Api, creator: User, viewer: User, now: datetime) -> None:
    solo = make_stream(creator, Status.ACTIVE)
    seen(solo, viewer, first=now)

    assert names(api, creator, solo) == ["viewer"]
    assert data_of(api(creator).get(stream_url(solo, "viewer-count")))["viewerCount"] == 1


def test_a_user_not_seen_for_two_token_lifetimes_is_no_viewer(
    api: Api, stream: LiveStream, viewer: User, stranger: User, now: datetime
) -> None:
    long_ago = now - 2 * settings.JOIN_TOKEN_LIFETIME
    seen(stream, viewer, first=long_ago - SECOND)
    seen(stream, stranger, first=long_ago - SECOND, last=long_ago + 30 * SECOND)

    assert names(api, viewer, stream) == ["stranger"]
    assert data_of(api(viewer).get(stream_url(stream, "viewer-count")))["viewerCount"] == 1


def test_viewers_are_in_descending_order_of_their_first_join(
    api: Api, stream: LiveStream, viewer: User, stranger: User, now: datetime
) -> None:
    seen(stream, viewer, first=now - 60 * SECOND, last=now)
    seen(stream, stranger, first=now - 30 * SECOND)

    assert names(api, viewer, stream) == ["stranger", "viewer"]


def test_keyset_pages_give_each_viewer_once(api: Api, stream: LiveStream, viewer: User, now: datetime) -> None:
    for number in range(7):
        # Two joins at each time, so that the id decides the order.
        seen(stream, make_user(f"fan{number}"), first=now - number // 2 * SECOND)
    client = api(viewer)
    read: list[str] = []
    after: dict[str, str] = {}
    while True:
        data = data_of(client.get(stream_url(stream, "viewers"), {"limit": "2"} | after))
        read += [user["username"] for user in data["list"]]
        if not data["pagination"]["hasNextPage"]:
            break
        after = {"after": data["list"][-1]["_id"]}

    assert sorted(read) == [f"fan{number}" for number in range(7)]
    assert read == names(api, viewer, stream, limit=100)


def test_a_keyset_page_can_begin_after_a_viewer_who_left(
    api: Api, stream: LiveStream, viewer: User, stranger: User, now: datetime
) -> None:
    seen(stream, viewer, first=now - 60 * SECOND)
    seen(stream, stranger, first=now - 30 * SECOND)
    Participant.objects.filter(user=stranger).update(last_seen_at=now - timedelta(days=1))

    assert names(api, viewer, stream, after=stranger.pk) == ["viewer"]


def test_a_keyset_page_after_an_unknown_id_is_refused(api: Api, stream: LiveStream, viewer: User) -> None:
    response = api(viewer).get(stream_url(stream, "viewers"), {"after": "0" * 24})

    assert_refused(response, 400, "validation_failed", "after: there is nothing with this id")


def test_joins_of_other_streams_do_not_change_the_order(
    api: Api, stream: LiveStream, viewer: User, stranger: User, moderator: User, now: datetime
) -> None:
    other = make_stream(moderator, Status.ACTIVE)
    seen(other, viewer, first=now)
    seen(stream, viewer, first=now - 60 * SECOND)
    seen(stream, stranger, first=now - 30 * SECOND)

    assert names(api, viewer, stream) == ["stranger", "viewer"]
    assert names(api, viewer, stream, after=stranger.pk) == ["viewer"]


@pytest.mark.parametrize("search", ["ISIK", "ışık", "isik", "oz", "Özg", "gul_", "zgur isik"])
def test_a_search_finds_parts_of_all_three_names_with_and_without_accents(
    search: str, api: Api, stream: LiveStream, viewer: User, now: datetime
) -> None:
    seen(stream, make_user("gul_42", name="Özgür", surname="IŞIK"), first=now)
    seen(stream, viewer, first=now)

    assert names(api, viewer, stream, search=search) == ["gul_42"]


@pytest.mark.parametrize("search", ["%", "_", "nobody", "\\"])
def test_a_search_has_no_wildcards(search: str, api: Api, stream: LiveStream, viewer: User, now: datetime) -> None:
    seen(stream, viewer, first=now)

    assert names(api, viewer, stream, search=search) == []


def test_the_count_equals_the_total_of_the_list(api: Api, stream: LiveStream, viewer: User, now: datetime) -> None:
    for number in range(12):
        seen(stream, make_user(f"fan{number}"), first=now)

    counted = data_of(api(viewer).get(stream_url(stream, "viewer-count")))

    assert counted == {"streamId": stream.pk, "viewerCount": 12}
    page = data_of(api(viewer).get(stream_url(stream, "viewers")))["pagination"]
    assert (page["totalItems"], page["totalPages"]) == (12, 2)


def test_a_stream_that_nobody_joined_has_no_viewers(api: Api, creator: User) -> None:
    stream = make_stream(creator)

    assert names(api, creator, stream) == []
    assert data_of(api(creator).get(stream_url(stream, "viewer-count")))["viewerCount"] == 0


@pytest.mark.parametrize("action", ["", "viewers", "viewer-count"])
def test_a_blocked_user_is_refused_by_each_endpoint(
    action: str, api: Api, stream: LiveStream, creator: User, viewer: User, stranger: User
) -> None:
    ban_user(viewer.pk, stream.pk, by=creator, now=timezone.now(), reason="spam")

    reason = "you are banned from this stream until a moderator lifts it: spam"
    assert_refused(api(viewer).get(stream_url(stream, action)), 403, "banned", reason)
    data_of(api(stranger).get(stream_url(stream, action)))


@pytest.mark.parametrize("action", ["", "viewers", "viewer-count"])
def test_a_chat_only_ban_does_not_forbid_reading(
    action: str, api: Api, stream: LiveStream, creator: User, viewer: User
) -> None:
    ban_user(viewer.pk, stream.pk, by=creator, now=timezone.now(), action_type="CHAT_ONLY")

    data_of(api(viewer).get(stream_url(stream, action)))


def test_an_expired_ban_does_not_block(api: Api, stream: LiveStream, creator: User, viewer: User) -> None:
    began = timezone.now() - timedelta(hours=1)
    ban_user(viewer.pk, stream.pk, by=creator, now=began, expires_at=timezone.now() - timedelta(milliseconds=1))

    data_of(api(viewer).get(stream_url(stream)))


def test_the_refusal_is_translated(api: Api, stream: LiveStream, creator: User, viewer: User) -> None:
    ban_user(viewer.pk, stream.pk, by=creator, now=timezone.now(), reason="spam")

    response = api(viewer).get(stream_url(stream), headers={"X-Language": "tr"})

    assert_refused(response, 403, "banned", "bir moderatör kaldırana kadar bu yayından banlandınız: spam")


@pytest.mark.parametrize("action", ["viewers", "viewer-count"])
def test_an_unknown_stream_has_no_viewers(action: str, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(f"{STREAMS}/{'0' * 24}/{action}"), 404, "stream_not_found")


def test_purging_a_stream_removes_its_participants(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    seen(stream, viewer, first=now)
    record_revocations(stream.pk, [(viewer.pk, "BLOCK", None)], now=now)
    services.end_stream(stream.pk, by=creator, now=now)
    services.delete_stream(stream.pk, by=creator, now=now)

    assert services.purge_stream(stream.pk, now=now + settings.DELETED_RETENTION) == ""
    assert not Participant.objects.exists()
