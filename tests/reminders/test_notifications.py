"""GET /api/v2/notifications"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Notification
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import NOTIFICATIONS, notified_of_start, read_url, remind
from tests.reminders.working import work
from tests.streams import make_stream
from tests.test_statements import statements

MINUTE = timedelta(minutes=1)


def kinds(data: dict[str, Any]) -> list[str]:
    return [notice["metadata"]["kind"] for notice in data["list"]]


def notified_before(user: User, stream: LiveStream, minute: int) -> datetime:
    """Notify `user` so many minutes before the planned start, and return that time."""
    assert stream.planned_start_at
    due = stream.planned_start_at - minute * MINUTE
    remind(user, stream, minute=minute, now=due - MINUTE)
    work(due)
    return due


def cancelled(creator: User, viewer: User, count: int, now: datetime) -> list[Notification]:
    """So many notifications of `viewer`, one second apart, the newest first."""
    for seconds in range(count):
        stream = make_stream(creator, title=f"stream {seconds}", now=now)
        remind(viewer, stream, minute=None, now=now)
        at = now + timedelta(seconds=seconds)
        streams.cancel_stream(stream.pk, by=creator, now=at)
        work(at)
    found = list(Notification.objects.filter(user=viewer).order_by("-created_at"))
    assert len(found) >= count
    return found


def test_a_notification_has_the_documented_fields(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    due = notified_before(viewer, stream, 15)

    (notice,) = data_of(api(viewer).get(NOTIFICATIONS))["list"]

    assert stream.planned_start_at
    assert notice == {
        "id": Notification.objects.get().pk,
        "userId": viewer.pk,
        "type": "system",
        "category": "live_stream",
        "title": "Starting soon",
        "message": "“Evening talk” starts in 15 minutes.",
        "metadata": {
            "streamId": stream.pk,
            "kind": "reminder",
            "plannedStartDate": wire_time(stream.planned_start_at),
            "banId": None,
        },
        "read": False,
        "createdAt": wire_time(due),
        "updatedAt": wire_time(due),
    }
    assert list(notice) == [
        "id", "userId", "type", "category", "title", "message", "metadata", "read", "createdAt", "updatedAt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("minute", "message"),
    [
        (1, "“Evening talk” starts in 1 minute."),
        (59, "“Evening talk” starts in 59 minutes."),
        (60, "“Evening talk” starts in 1 hour."),
        (90, "“Evening talk” starts in 90 minutes."),
        (1440, "“Evening talk” starts in 1 day."),
        (2160, "“Evening talk” starts in 36 hours."),
        (10080, "“Evening talk” starts in 7 days."),
    ],
)
def test_the_lead_time_is_in_the_largest_whole_unit(
    minute: int, message: str, api: Api, creator: User, viewer: User, now: datetime
) -> None:
    notified_before(viewer, make_stream(creator, planned_start_at=now + timedelta(days=8)), minute)

    assert data_of(api(viewer).get(NOTIFICATIONS))["list"][0]["message"] == message


def test_a_late_notification_has_the_real_time_until_the_start(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now)
    remind(viewer, stream, minute=15, now=now)
    work(now + 52 * MINUTE)

    (notice,) = data_of(api(viewer).get(NOTIFICATIONS))["list"]

    assert notice["message"] == "“Evening talk” starts in 8 minutes."


@pytest.mark.parametrize(
    ("kind", "english", "turkish"),
    [
        (
            "reminder",
            ("Starting soon", "“Akşam sohbeti” starts in 15 minutes."),
            ("Birazdan başlıyor", "“Akşam sohbeti” 15 dakika sonra başlıyor."),
        ),
        (
            "live",
            ("Live now", "“Akşam sohbeti” has started."),
            ("Şimdi canlı", "“Akşam sohbeti” başladı."),
        ),
        (
            "cancelled",
            ("Cancelled", "“Akşam sohbeti” has been cancelled."),
            ("İptal edildi", "“Akşam sohbeti” iptal edildi."),
        ),
    ],
)
def test_texts_are_in_the_language_of_the_reader(
    kind: str,
    english: tuple[str, str],
    turkish: tuple[str, str],
    api: Api,
    creator: User,
    viewer: User,
    now: datetime,
) -> None:
    stream = make_stream(creator, now=now, title="Akşam sohbeti")
    match kind:
        case "reminder":
            notified_before(viewer, stream, 15)
        case "live":
            notified_of_start(viewer, stream, now)
        case "cancelled":
            remind(viewer, stream, now=now)
            streams.cancel_stream(stream.pk, by=creator, now=now)
            work(now)
    client: Any = api(viewer)

    for headers, (title, message) in (
        ({}, english),
        ({"HTTP_X_LANGUAGE": "tr"}, turkish),
        ({"HTTP_ACCEPT_LANGUAGE": "tr-TR,en;q=0.5"}, turkish),
        ({"HTTP_X_LANGUAGE": "en", "HTTP_ACCEPT_LANGUAGE": "tr"}, english),
    ):
        (notice,) = data_of(client.get(NOTIFICATIONS, **headers))["list"]
        assert (notice["metadata"]["kind"], notice["title"], notice["message"]) == (kind, title, message)


def test_without_a_planned_start_the_notification_has_none(api: Api, creator: User, viewer: User) -> None:
    notified_of_start(viewer, make_stream(creator, "preparing"))

    (notice,) = data_of(api(viewer).get(NOTIFICATIONS))["list"]

    assert notice["metadata"]["plannedStartDate"] is None


def test_a_moved_start_does_not_change_earlier_notifications(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now)
    due = notified_before(viewer, stream, 15)
    planned = stream.planned_start_at
    assert planned
    streams.edit_stream(stream.pk, by=creator, now=due, changes={"planned_start_at": planned + timedelta(hours=1)})
    work(due)
    work(planned + 45 * MINUTE)

    notices = data_of(api(viewer).get(NOTIFICATIONS))["list"]

    assert [notice["metadata"]["plannedStartDate"] for notice in notices] == [
        wire_time(planned + timedelta(hours=1)),
        wire_time(planned),
    ]


def test_callers_see_their_own_notifications_the_newest_first(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    notified_of_start(stranger, make_stream(creator, now=now), now)
    first = make_stream(creator, now=now)
    notified_before(viewer, first, 15)
    streams.cancel_stream(first.pk, by=creator, now=now + timedelta(hours=1))
    work(now + timedelta(hours=1))

    data = data_of(api(viewer).get(NOTIFICATIONS))

    assert kinds(data) == ["cancelled", "reminder"]
    assert {notice["userId"] for notice in data["list"]} == {viewer.pk}


def test_notifications_of_a_deleted_stream_are_hidden_until_it_is_restored(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now)
    due = notified_before(viewer, stream, 15)
    notification = Notification.objects.get(user=viewer)
    streams.delete_stream(stream.pk, by=creator, now=due)

    assert data_of(api(viewer).get(NOTIFICATIONS))["list"] == []
    refused = api(viewer).patch(read_url(notification), {"isRead": True})
    assert_refused(refused, 404, "notification_not_found")
    notification.refresh_from_db()
    assert notification.read_at is None

    streams.restore_stream(stream.pk, by=creator, now=due)
    assert kinds(data_of(api(viewer).get(NOTIFICATIONS))) == ["reminder"]


def test_the_list_is_read_by_page_and_by_keyset(api: Api, creator: User, viewer: User, now: datetime) -> None:
    ids = [notice.pk for notice in cancelled(creator, viewer, 5, now)]
    client = api(viewer)

    second = data_of(client.get(f"{NOTIFICATIONS}?limit=2&page=2"))
    assert [notice["id"] for notice in second["list"]] == ids[2:4]
    assert (second["pagination"]["totalItems"], second["pagination"]["totalPages"]) == (5, 3)
    after = data_of(client.get(f"{NOTIFICATIONS}?limit=2&after={ids[2]}"))
    assert [notice["id"] for notice in after["list"]] == ids[3:]


# --- filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2]),
        ("read=true", [1]),
        ("read=false", [0, 2]),
        ("category=live_stream", [0, 1, 2]),
        ("category=live_stream&read=true", [1]),
    ],
)
def test_filters(query: str, expected: list[int], api: Api, creator: User, viewer: User, now: datetime) -> None:
    notices = cancelled(creator, viewer, 3, now)
    services.mark_notification(notices[1].pk, by=viewer, now=now, read=True)

    data = data_of(api(viewer).get(f"{NOTIFICATIONS}?{query}"))

    assert [notice["id"] for notice in data["list"]] == [notices[at].pk for at in expected]
    assert data["pagination"]["totalItems"] == len(expected)


def test_filters_apply_to_keyset_pages(api: Api, creator: User, viewer: User, now: datetime) -> None:
    notices = cancelled(creator, viewer, 4, now)
    services.mark_notification(notices[2].pk, by=viewer, now=now, read=True)

    data = data_of(api(viewer).get(f"{NOTIFICATIONS}?read=false&after={notices[0].pk}"))

    assert [notice["id"] for notice in data["list"]] == [notices[1].pk, notices[3].pk]


BAD = {
    "category=chat": "category: must be one of live_stream",
    "category=": "category: must be one of live_stream",
    "read=yes": "read: must be true or false",
    "read=1": "read: must be true or false",
    "read=True": "read: must be true or false",
    "read=": "read: must be true or false",
    "limit=0": "limit: must be between 1 and 100",
    f"after={'0' * 24}": "after: there is nothing with this id",
}


@pytest.mark.parametrize(("query", "reason"), BAD.items(), ids=BAD.keys())
def test_an_invalid_filter_is_refused_with_its_rule(query: str, reason: str, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(f"{NOTIFICATIONS}?{query}"), 400, "validation_failed", reason)


def test_listing_needs_a_login(api: Api) -> None:
    assert_refused(api().get(NOTIFICATIONS), 401, "authentication_required")


def test_the_number_of_statements_does_not_depend_on_the_number_of_notifications(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    client = api(viewer)
    counts = []
    for more in (1, 19):
        cancelled(creator, viewer, more, now)
        counts.append(len(statements(lambda: data_of(client.get(f"{NOTIFICATIONS}?limit=100")))))
    assert counts == [2, 2]
