"""GET /api/v1/notifications, GET /api/v1/notifications/unread-count, PATCH /api/v1/notifications/read-all"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from common import list_statements
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services, tasks
from reminders.models import Kind, Notification
from reminders.services import notifications
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.reminders.asking import NOTIFICATIONS
from tests.streams import make_stream
from tests.test_statements import statements

V1 = "/api/v1/notifications"
UNREAD = f"{V1}/unread-count"
READ_ALL = f"{V1}/read-all"
SECOND = timedelta(seconds=1)


def notified(user: User, stream: LiveStream, number: int, now: datetime) -> list[Notification]:
    """So many unread notifications of one stream, a second apart, the oldest first and none later than `now`."""
    return Notification.objects.bulk_create(
        Notification(
            user=user,
            stream=stream,
            kind=Kind.REMINDER,
            minute=15,
            planned_start_at=now + at * SECOND,
            created_at=now + (at + 1 - number) * SECOND,
        )
        for at in range(number)
    )


def unread(api: Api, user: User) -> int:
    count: int = data_of(api(user).get(UNREAD))["unreadCount"]
    return count


def jobs() -> list[dict[str, Any]]:
    return list(ProcrastinateJob.objects.filter(task_name=notifications.MARK_REST).values_list("args", flat=True))


# --- the list of v1 -------------------------------------------------------------------------------


def test_the_list_is_the_same_in_v1_and_v2(api: Api, creator: User, viewer: User, now: datetime) -> None:
    notices = notified(viewer, make_stream(creator), 5, now)
    services.mark_notification(notices[2].pk, by=viewer, now=now, read=True)
    client = api(viewer)

    for query in ("", "?limit=2&page=2", f"?after={notices[3].pk}", "?read=false", "?category=live_stream&read=true"):
        assert data_of(client.get(V1 + query)) == data_of(client.get(NOTIFICATIONS + query)), query
    assert_refused(client.get(f"{V1}?read=1"), 400, "validation_failed", "read: must be true or false")


def test_a_cursor_of_one_version_is_valid_in_the_other(api: Api, creator: User, viewer: User, now: datetime) -> None:
    notified(viewer, make_stream(creator), 3, now)
    client = api(viewer)

    cursor = client.get(f"{V1}?limit=2").headers["X-Next-Cursor"]

    assert len(data_of(client.get(f"{NOTIFICATIONS}?after={cursor}"))["list"]) == 1


# --- the number of unread ones --------------------------------------------------------------------


def test_only_ones_own_unread_notifications_of_living_streams_are_counted(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    kept, deleted = make_stream(creator), make_stream(creator)
    first, *_ = notified(viewer, kept, 3, now)
    notified(viewer, deleted, 2, now)
    notified(stranger, kept, 4, now)
    assert unread(api, viewer) == 5

    services.mark_notification(first.pk, by=viewer, now=now, read=True)
    streams.delete_stream(deleted.pk, by=creator, now=now)
    assert (unread(api, viewer), unread(api, stranger), unread(api, creator)) == (2, 4, 0)

    streams.restore_stream(deleted.pk, by=creator, now=now)
    assert unread(api, viewer) == 4


def test_counting_stops_at_ten_thousand(
    api: Api, creator: User, viewer: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_statements.EXACT_UP_TO == 10_000
    stream = make_stream(creator)
    notified(viewer, stream, 10_000, now)

    exact = api(viewer).get(UNREAD)
    Notification.objects.create(user=viewer, stream=stream, kind=Kind.LIVE, created_at=now)
    more = api(viewer).get(UNREAD)

    assert data_of(exact) == data_of(more) == {"unreadCount": 10_000}
    assert "X-Total-Count" not in exact.headers
    assert more.headers["X-Total-Count"] == "at-least"


def test_counting_and_marking_need_a_token(api: Api) -> None:
    assert_refused(api().get(UNREAD), 401, "authentication_required")
    assert_refused(api().patch(READ_ALL), 401, "authentication_required")
    assert_refused(api().get(V1), 401, "authentication_required")


# --- marking all ----------------------------------------------------------------------------------


def test_all_become_read_with_one_audit_row(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    stream, deleted = make_stream(creator), make_stream(creator)
    first, *_ = notified(viewer, stream, 4, now)
    notified(viewer, deleted, 2, now)
    notified(stranger, stream, 1, now)
    services.mark_notification(first.pk, by=viewer, now=now - SECOND, read=True)
    streams.delete_stream(deleted.pk, by=creator, now=now)

    response = api(viewer).patch(READ_ALL)

    assert data_of(response) == {"markedCount": 3}
    assert "X-Total-Count" not in response.headers
    entry = AuditEntry.objects.get(action="mark_all_notifications")
    assert (entry.target_type, entry.target_id, entry.actor_id) == ("user", viewer.pk, viewer.pk)
    assert (entry.before, entry.after) == ({}, {"marked": 3})
    first.refresh_from_db()
    assert first.read_at == now - SECOND, "one that was read before keeps its time"
    assert Notification.objects.filter(stream=deleted, read_at__isnull=False).count() == 0
    assert unread(api, stranger) == 1
    assert jobs() == []
    listed = data_of(api(viewer).get(V1))["list"]
    assert {(notice["read"], notice["updatedAt"] > notice["createdAt"]) for notice in listed} == {(True, True)}


def test_marking_again_changes_nothing(api: Api, creator: User, viewer: User, now: datetime) -> None:
    notified(viewer, make_stream(creator), 2, now)
    client = api(viewer)
    data_of(client.patch(READ_ALL))
    before = list(Notification.objects.order_by("pk").values())

    assert data_of(client.patch(READ_ALL)) == {"markedCount": 0}
    assert list(Notification.objects.order_by("pk").values()) == before
    assert AuditEntry.objects.filter(action="mark_all_notifications").count() == 1


def test_a_body_is_refused_unless_it_is_empty(api: Api, viewer: User) -> None:
    assert data_of(api(viewer).patch(READ_ALL, {})) == {"markedCount": 0}
    assert_refused(api(viewer).patch(READ_ALL, {"isRead": True}), 400, "validation_failed", "isRead: unknown")


def test_jobs_mark_the_rest_and_nothing_that_arrived_later(
    api: Api, creator: User, viewer: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "MARKED_AT_ONCE", 3)
    stream = make_stream(creator)
    notified(viewer, stream, 8, now - SECOND)

    response = api(viewer).patch(READ_ALL)

    assert data_of(response) == {"markedCount": 3}
    assert response.headers["X-Total-Count"] == "at-least"
    newest = Notification.objects.order_by("-created_at").values_list("read_at", flat=True)
    assert [at is not None for at in newest] == [True] * 3 + [False] * 5, "the newest first"
    late = Notification.objects.create(
        user=viewer, stream=stream, kind=Kind.LIVE, created_at=now + timedelta(minutes=1)
    )
    ran = 0
    while ran < len(jobs()):
        tasks.mark_rest_of_notifications(**jobs()[ran])
        ran += 1

    assert ran == 2
    assert list(Notification.objects.filter(read_at__isnull=True)) == [late]
    entries = AuditEntry.objects.filter(action="mark_all_notifications").order_by("id")
    assert [(entry.actor_id, entry.after["marked"]) for entry in entries] == [(viewer.pk, 3), (None, 3), (None, 2)]


def test_a_job_of_a_user_who_is_gone_does_nothing(now: datetime, db: None) -> None:
    assert services.mark_rest_of_notifications("0" * 24, now=now, until=now) == (0, False)


@pytest.mark.django_db(transaction=True)
def test_of_many_calls_at_once_each_notification_is_counted_once(creator: User, viewer: User, now: datetime) -> None:
    notices = notified(viewer, make_stream(creator), 50, now)

    def call(number: int) -> int:
        if number % 2:
            services.mark_notification(notices[number].pk, by=viewer, now=now, read=True)
            return 0
        return services.mark_all_notifications(by=viewer, now=now).number

    marked = sum(at_once(6, call))

    single = AuditEntry.objects.filter(action="mark_notification").count()
    assert marked + single == 50
    assert not Notification.objects.filter(read_at__isnull=True).exists()


def test_the_number_of_statements_does_not_depend_on_the_number_of_notifications(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    client, stream = api(viewer), make_stream(creator)
    counts = []
    for number in (1, 50):
        notified(viewer, stream, number, now + timedelta(hours=number))
        counted = len(statements(lambda: data_of(client.get(UNREAD))))
        counts.append((counted, len(statements(lambda: data_of(client.patch(READ_ALL))))))
    assert counts == [(2, 5), (2, 5)]
