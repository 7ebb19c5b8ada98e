"""The number of SQL statements of each endpoint. It is fixed, and equal for one row and for fifty.

Not counted: the statement of the rate limits, which every change runs once (tests/api/test_rate_limits.py), and that
which each process runs once in ten minutes for searches (common/word_samples.py).
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import tokens
from accounts.models import User
from common.times import wire_time
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from reminders.models import Notification
from tests.conftest import Api, make_user, session_of
from tests.envelope import data_of
from tests.reminders.asking import (
    MINE,
    NOTIFICATIONS,
    notified_of_start,
    read_url,
    remind,
    reminder_url,
)
from tests.streams import STREAMS, make_stream, stream_url

AUTH = "/api/v1/auth"
USERS = "/api/v1/users"
NOTIFICATIONS_V1 = "/api/v1/notifications"
NOT_COUNTED = re.compile(
    r"(SAVEPOINT|RELEASE|ROLLBACK|BEGIN|COMMIT)\b|\s*INSERT INTO common_ratecounter\b|\s*SELECT pg_class\.reltuples\b"
)

type Call = Callable[[APIClient, LiveStream], Any]


def statements(call: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        call()
    return [query["sql"] for query in captured if not NOT_COUNTED.match(query["sql"])]


_refresh_tokens: dict[str, str] = {}
_notices: dict[str, Notification] = {}


def refresh_token(stream: LiveStream) -> dict[str, str]:
    return {"refreshToken": _refresh_tokens[stream.pk]}


def stream_that_is(status: str, creator: User) -> LiveStream:
    """A stream with this status, or in one of four other situations.

    "deleted": by its creator. "awaited": scheduled, with a reminder of its creator. "notified": started, and the
    creator was notified. "guested": of another creator, with this user as guest.
    """
    if status == "guested":
        return make_stream(make_user("host"), guest=creator)
    stream = make_stream(creator, "scheduled" if status in {"awaited", "notified", "deleted"} else status)
    if status == "deleted":
        delete_stream(stream.pk, by=creator, now=timezone.now())
    if status == "awaited":
        remind(creator, stream)
    if status == "notified":
        _notices[stream.pk] = notified_of_start(creator, stream)
    return stream


# Each call authenticates with one statement. A change also checks the permission, takes the advisory lock, locks the
# Each call authenticates with one statement. A change also checks the permission, takes the advisory lock, locks the
# row, and writes it with its audit row. A change of plan or status also queries whether the stream has reminders. If so
# it inserts the round with its audit row and its job. Starting a stream inserts its number of viewers, and ending it
# deletes the number.
PINNED: dict[str, tuple[int, str, Call]] = {
    "read": (2, "scheduled", lambda client, stream: client.get(stream_url(stream))),
    "list": (2, "scheduled", lambda client, stream: client.get(STREAMS)),
    "filtered list": (
        3,
        "scheduled",
        lambda client, stream: client.get(f"{STREAMS}?status=scheduled&search=a"),
    ),
    "list by keyset": (4, "scheduled", lambda client, stream: client.get(f"{STREAMS}?after={stream.pk}")),
    "active": (2, "active", lambda client, stream: client.get(f"{STREAMS}/my-active-stream")),
    "my upcoming": (2, "scheduled", lambda client, stream: client.get(f"{STREAMS}/my-upcoming")),
    "deleted": (2, "deleted", lambda client, stream: client.get(f"{STREAMS}/deleted")),
    "restore": (6, "deleted", lambda client, stream: client.post(stream_url(stream, "restore"))),
    "by channel": (2, "scheduled", lambda client, stream: client.get(f"{STREAMS}/by-channel/{stream.channel_name}")),
    "active of a user": (
        2,
        "active",
        lambda client, stream: client.get(f"{STREAMS}/user/{stream.creator_id}/active-stream"),
    ),
    "past": (2, "ended", lambda client, stream: client.get(f"{STREAMS}/my-past-streams")),
    "past of a user": (
        2,
        "ended",
        lambda client, stream: client.get(f"{STREAMS}/user/{stream.creator_id}/past-streams"),
    ),
    "guest": (2, "scheduled", lambda client, stream: client.get(f"{STREAMS}/guest-streams")),
    "upcoming": (2, "scheduled", lambda client, stream: client.get(f"{STREAMS}/upcoming")),
    "create": (4, "scheduled", lambda client, stream: client.post(f"{STREAMS}/create", {"title": "New"})),
    "move": (
        6,
        "scheduled",
        lambda client, stream: client.patch(stream_url(stream), {"plannedStartDate": "2040-01-01T20:00:00Z"}),
    ),
    "edit": (5, "scheduled", lambda client, stream: client.patch(stream_url(stream), {"title": "New"})),
    "start": (7, "scheduled", lambda client, stream: client.post(stream_url(stream, "start"))),
    "awaited start": (10, "awaited", lambda client, stream: client.post(stream_url(stream, "start"))),
    "awaited cancel": (9, "awaited", lambda client, stream: client.post(stream_url(stream, "cancel"))),
    "awaited move": (
        7,
        "awaited",
        lambda client, stream: client.patch(stream_url(stream), {"plannedStartDate": "2040-01-01T20:00:00Z"}),
    ),
    "end": (6, "active", lambda client, stream: client.post(stream_url(stream, "end"))),
    "cancel": (6, "scheduled", lambda client, stream: client.post(stream_url(stream, "cancel"))),
    "accept as guest": (6, "guested", lambda client, stream: client.post(stream_url(stream, "guest/accept"))),
    "decline as guest": (6, "guested", lambda client, stream: client.post(stream_url(stream, "guest/decline"))),
    "set a reminder": (5, "scheduled", lambda client, stream: client.post(reminder_url(stream), {"minute": 15})),
    "read a reminder": (2, "awaited", lambda client, stream: client.get(reminder_url(stream))),
    "remove a reminder": (5, "awaited", lambda client, stream: client.delete(reminder_url(stream))),
    "my reminders": (2, "awaited", lambda client, stream: client.get(MINE)),
    "notifications": (2, "notified", lambda client, stream: client.get(NOTIFICATIONS)),
    "unread notifications": (2, "notified", lambda client, stream: client.get(f"{NOTIFICATIONS_V1}/unread-count")),
    # Beside authentication: the lock of the user, the update, the audit row, and whether there are more.
    "mark all notifications": (5, "notified", lambda client, stream: client.patch(f"{NOTIFICATIONS_V1}/read-all")),
    # The locks of the user, the token and the rows; then the row and the audit row.
    "register a device": (
        6,
        "scheduled",
        lambda client, stream: client.post(f"{NOTIFICATIONS_V1}/device-token", {"token": "x", "platform": "ios"}),
    ),
    # The lock of the user, the address before, the row and the audit row.
    "make a calendar address": (5, "scheduled", lambda client, stream: client.post(f"{STREAMS}/my-calendar")),
    "mark a notification": (
        5,
        "notified",
        lambda client, stream: client.patch(read_url(_notices[stream.pk]), {"isRead": True}),
    ),
    "calendar": (2, "awaited", lambda client, stream: client.get(stream_url(stream, "calendar.ics"))),
    "calendar of a user": (
        3,
        "awaited",
        lambda client, stream: client.get(f"{STREAMS}/user/{stream.creator_id}/calendar.ics"),
    ),
    "channels": (2, "scheduled", lambda client, stream: client.get("/api/v1/notifications/channels")),
    "choose channels": (
        3,
        "scheduled",
        lambda client, stream: client.patch("/api/v1/notifications/channels", {"inbox": True}),
    ),
    "profile": (2, "scheduled", lambda client, stream: client.get(f"{USERS}/profile/{stream.creator_id}")),
    "profile by username": (2, "scheduled", lambda client, stream: client.get(f"{USERS}/profile/username/creator")),
    "users": (3, "scheduled", lambda client, stream: client.get(f"{USERS}/search?q=creator")),
    "me": (2, "scheduled", lambda client, stream: client.get(f"{USERS}/me")),
    "refresh": (5, "scheduled", lambda client, stream: client.post(f"{AUTH}/refresh", refresh_token(stream))),
    "revoke": (4, "scheduled", lambda client, stream: client.post(f"{AUTH}/revoke-token", refresh_token(stream))),
    "logout": (6, "scheduled", lambda client, stream: client.post(f"{AUTH}/logout")),
    "delete": (5, "scheduled", lambda client, stream: client.delete(stream_url(stream))),
}


@pytest.mark.parametrize(("count", "status", "call"), PINNED.values(), ids=PINNED.keys())
def test_an_endpoint_runs_the_expected_number_of_statements(
    count: int, status: str, call: Call, api: Api, creator: User
) -> None:
    stream = stream_that_is(status, creator)
    client = api(creator)
    _refresh_tokens[stream.pk] = str(tokens.RefreshToken.of(session_of(creator), now=timezone.now()))

    run = statements(lambda: call(client, stream))

    assert len(run) == count, "\n".join(run)


LISTS = {
    "all": (STREAMS, "scheduled"),
    "past": (f"{STREAMS}/my-past-streams", "ended"),
    "guest": (f"{STREAMS}/guest-streams", "scheduled"),
    "upcoming": (f"{STREAMS}/upcoming", "scheduled"),
    "my upcoming": (f"{STREAMS}/my-upcoming", "scheduled"),
    "my broadcasted": (f"{STREAMS}/my-broadcasted-streams", "ended"),
}


@pytest.mark.parametrize(("address", "status"), LISTS.values(), ids=LISTS.keys())
def test_a_list_runs_the_same_statements_for_one_row_as_for_fifty(
    address: str, status: str, api: Api, creator: User, guest: User, stranger: User
) -> None:
    caller = guest if "guest" in address else creator
    client = api(caller)
    make_stream(creator, status, guest=guest)
    one = len(statements(lambda: data_of(client.get(address, {"limit": 100}))))
    start = timezone.now()
    for number in range(49):
        make_stream(creator, status, guest=guest, now=start + timedelta(seconds=number))

    def read_fifty() -> None:
        data = data_of(client.get(address, {"limit": 100}))
        assert len(data["list"]) == 50
        assert data["list"][0]["createdAt"] >= wire_time(start - timedelta(days=1))

    assert len(statements(read_fifty)) == one
