"""Bans on a deleted stream and their appeals are missing from all answers until the stream is restored."""

from datetime import datetime

import pytest

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import appeal_ban
from common.models import AuditEntry
from livestreams import services as streams
from tests.bans.people import BANS, ban_url, make_ban, permitted
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream


@pytest.fixture
def ban(creator: User, viewer: User, now: datetime) -> LiveStreamBan:
    """A ban with an appeal, from a stream that was deleted afterwards."""
    stream = make_stream(creator)
    ban = make_ban(viewer, stream)
    appeal_ban(ban.pk, by=viewer, now=now, text="It was not me.")
    streams.delete_stream(stream.pk, by=creator, now=now)
    return ban


@pytest.mark.parametrize(
    ("method", "part", "body"),
    [
        ("get", "", None),
        ("patch", "", {"actionType": "CHAT_ONLY"}),
        ("delete", "", None),
        ("get", "/appeal", None),
        ("post", "/appeal", {"text": "Once more."}),
        ("delete", "/appeal", None),
    ],
)
def test_a_ban_from_a_deleted_stream_is_missing(
    method: str, part: str, body: object, api: Api, ban: LiveStreamBan, creator: User, viewer: User
) -> None:
    before = LiveStreamBan.all_objects.values().get(pk=ban.pk), AuditEntry.objects.count()

    for caller in (creator, viewer, permitted("mod", "moderate")):
        answer = getattr(api(caller), method)(f"{ban_url(ban)}{part}", body)
        assert_refused(answer, 404, "ban_not_found")

    assert (LiveStreamBan.all_objects.values().get(pk=ban.pk), AuditEntry.objects.count()) == before


def test_lists_omit_the_ban_until_the_stream_is_restored(
    api: Api, ban: LiveStreamBan, creator: User, viewer: User, now: datetime
) -> None:
    lists = [
        (api(creator), BANS),
        (api(permitted("mod", "moderate")), f"{BANS}?targetUserId={viewer.pk}"),
        (api(viewer), f"{BANS}/mine"),
    ]
    empty = [data_of(client.get(address)) for client, address in lists]
    assert [(page["list"], page["pagination"]["totalItems"]) for page in empty] == [([], 0)] * 3

    streams.restore_stream(ban.stream_id, by=creator, now=now)

    for client, address in lists:
        assert [each["_id"] for each in data_of(client.get(address))["list"]] == [ban.pk]
