"""GET /api/v1/live-stream/reminders"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders.models import Reminder
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import MINE, notified_of_start, remind, reminder_url
from tests.streams import make_stream, stream_url
from tests.test_statements import statements


def reminded_streams(creator: User, viewer: User, count: int, now: datetime, **fields: Any) -> list[LiveStream]:
    """So many streams, each with a reminder of `viewer` that is one second newer than the one before."""
    made = [make_stream(creator, title=f"stream {number}", **fields) for number in range(count)]
    for seconds, stream in enumerate(made):
        remind(viewer, stream, now=now + timedelta(seconds=seconds - count))
    return made


def titles(data: dict[str, Any]) -> list[str]:
    return [reminder["stream"]["title"] for reminder in data["list"]]


def test_each_reminder_contains_its_stream(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    remind(viewer, stream)
    client = api(viewer)

    (reminder,) = data_of(client.get(MINE))["list"]

    assert list(reminder) == ["streamId", "minute", "mode", "scheduledFor", "status", "id", "stream"]
    assert reminder["id"] == Reminder.objects.get().pk
    assert reminder["stream"] == data_of(client.get(stream_url(stream)))
    alone = data_of(client.get(reminder_url(stream)))
    assert {name: reminder[name] for name in alone} == alone


def test_without_reminders_the_list_is_empty(api: Api, creator: User, viewer: User) -> None:
    remind(creator, make_stream(creator))

    assert data_of(api(viewer).get(MINE)) == {
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


def test_the_newest_is_first_and_replacing_does_not_change_the_order(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    oldest, *_rest = reminded_streams(creator, viewer, 3, now)
    client = api(viewer)
    data_of(client.post(reminder_url(oldest), {"minute": 1}))

    data = data_of(client.get(MINE))

    assert titles(data) == ["stream 2", "stream 1", "stream 0"]
    assert [reminder["minute"] for reminder in data["list"]] == [15, 15, 1]


def test_equal_ones_stand_by_id(api: Api, creator: User, viewer: User, now: datetime) -> None:
    for number in range(5):
        remind(viewer, make_stream(creator, title=f"stream {number}"), now=now)

    ids = [reminder["id"] for reminder in data_of(api(viewer).get(MINE))["list"]]

    assert ids == sorted(ids, reverse=True)


def test_the_list_is_read_by_page_and_by_keyset(api: Api, creator: User, viewer: User, now: datetime) -> None:
    reminded_streams(creator, viewer, 5, now)
    client = api(viewer)

    second = data_of(client.get(f"{MINE}?limit=2&page=2"))
    assert titles(second) == ["stream 2", "stream 1"]
    assert second["pagination"] == {
        "currentPage": 2,
        "totalPages": 3,
        "totalItems": 5,
        "itemsPerPage": 2,
        "hasNextPage": True,
        "hasPrevPage": True,
    }
    after = data_of(client.get(f"{MINE}?limit=2&after={second['list'][-1]['id']}"))
    assert titles(after) == ["stream 0"]
    beyond = data_of(client.get(f"{MINE}?page=9"))
    assert (beyond["list"], beyond["pagination"]["totalItems"]) == ([], 5)


def test_each_reminder_has_its_status(api: Api, creator: User, stranger: User, viewer: User, now: datetime) -> None:
    made = reminded_streams(creator, viewer, 4, now)
    armed = make_stream(creator, "preparing", title="armed")
    remind(viewer, armed, minute=0, now=now)
    notified_of_start(viewer, made[0], now)
    streams.cancel_stream(made[1].pk, by=creator, now=now)
    make_ban(viewer, made[2])

    data = data_of(api(viewer).get(MINE))

    assert {reminder["stream"]["title"]: reminder["status"] for reminder in data["list"]} == {
        "stream 0": "SENT",
        "stream 1": "CANCELLED",
        "stream 2": "CANCELLED",
        "stream 3": "SCHEDULED",
        "armed": "ARMED_ON_START",
    }


def test_reminders_on_deleted_streams_are_hidden_until_they_are_restored(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    gone, _kept = reminded_streams(creator, viewer, 2, now)
    client = api(viewer)
    streams.delete_stream(gone.pk, by=creator, now=now)

    data = data_of(client.get(MINE))
    assert (titles(data), data["pagination"]["totalItems"]) == (["stream 1"], 1)

    streams.restore_stream(gone.pk, by=creator, now=now)
    assert titles(data_of(client.get(MINE))) == ["stream 1", "stream 0"]


BAD = {
    "limit=0": "limit: must be between 1 and 100",
    "limit=101": "limit: must be between 1 and 100",
    "page=0": "page: must be between 1 and 2147483647",
    "after=x": "after: must be 24 lower-case hexadecimal characters, or the X-Next-Cursor of a page",
    f"after={'0' * 24}": "after: there is nothing with this id",
}


@pytest.mark.parametrize(("query", "reason"), BAD.items(), ids=BAD.keys())
def test_an_invalid_page_is_refused_with_its_rule(query: str, reason: str, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(f"{MINE}?{query}"), 400, "validation_failed", reason)


def test_listing_needs_a_login(api: Api) -> None:
    assert_refused(api().get(MINE), 401, "authentication_required")


def test_the_number_of_statements_does_not_depend_on_the_number_of_reminders(
    api: Api, creator: User, guest: User, viewer: User, now: datetime
) -> None:
    client = api(viewer)
    counts = []
    for more in (1, 49):
        reminded_streams(creator, viewer, more, now, guest=guest)
        counts.append(len(statements(lambda: data_of(client.get(f"{MINE}?limit=100")))))
    assert len(data_of(client.get(f"{MINE}?limit=100"))["list"]) == 50
    assert counts == [2, 2]
