"""DELETE /api/v1/live-stream/{id}/reminder"""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from common.models import AuditEntry
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders.models import Notification, Reminder
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import notified_of_start, remind, reminder_url
from tests.reminders.working import work
from tests.streams import STREAMS, make_stream


@pytest.fixture
def stream(creator: User, now: datetime) -> LiveStream:
    """Planned in an hour."""
    return make_stream(creator, now=now)


def test_the_answer_is_the_removed_reminder_as_cancelled(
    api: Api, stream: LiveStream, viewer: User, now: datetime
) -> None:
    remind(viewer, stream)

    data = data_of(api(viewer).delete(reminder_url(stream)))

    assert data == {
        "streamId": stream.pk,
        "minute": 15,
        "mode": "BEFORE_START",
        "scheduledFor": wire_time(now + timedelta(minutes=45)),
        "status": "CANCELLED",
    }
    assert not Reminder.objects.exists()


def test_scheduled_for_of_a_reminder_for_the_start_is_null(api: Api, stream: LiveStream, viewer: User) -> None:
    remind(viewer, stream, minute=0)

    data = data_of(api(viewer).delete(reminder_url(stream)))

    assert (data["minute"], data["mode"], data["scheduledFor"]) == (0, "ON_START", None)


def test_after_the_removal_only_others_are_notified(
    api: Api, stream: LiveStream, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    for user in (viewer, stranger):
        remind(user, stream)
    data_of(api(viewer).delete(reminder_url(stream)))

    work(now + timedelta(minutes=46))
    streams.start_stream(stream.pk, by=creator, now=now + timedelta(hours=1))
    work(now + timedelta(hours=1))

    assert list(Notification.objects.values_list("user__username", "kind")) == [("stranger", "reminder")]


def test_a_second_removal_is_refused_and_a_new_reminder_may_be_set(api: Api, stream: LiveStream, viewer: User) -> None:
    remind(viewer, stream)
    client = api(viewer)
    data_of(client.delete(reminder_url(stream)))

    refused = client.delete(reminder_url(stream))

    assert_refused(refused, 404, "reminder_not_found", "you have no reminder on this stream")
    assert data_of(client.post(reminder_url(stream), {"minute": 10}))["status"] == "SCHEDULED"


def test_a_removal_writes_one_audit_row(api: Api, stream: LiveStream, viewer: User) -> None:
    remind(viewer, stream)
    reminder, client = Reminder.objects.get(), api(viewer)
    entries = AuditEntry.objects.count()

    data_of(client.delete(reminder_url(stream)))

    assert AuditEntry.objects.count() == entries + 1
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.target_id, entry.actor_id) == ("remove_reminder", reminder.pk, viewer.pk)
    assert (entry.before, entry.after) == ({"stream_id": stream.pk, "minute": 15}, {})


def test_callers_can_remove_only_their_own_reminder(api: Api, stream: LiveStream, creator: User, viewer: User) -> None:
    remind(viewer, stream)

    assert_refused(api(creator).delete(reminder_url(stream)), 404, "reminder_not_found")
    assert Reminder.objects.filter(user=viewer).exists()


def test_sent_notifications_are_kept(api: Api, stream: LiveStream, viewer: User) -> None:
    notice = notified_of_start(viewer, stream)

    data_of(api(viewer).delete(reminder_url(stream)))

    assert Notification.objects.filter(pk=notice.pk).exists()


@pytest.mark.parametrize("status", ["ended", "cancelled_by_host", "expired"])
def test_a_reminder_on_a_stream_that_is_over_can_be_removed(status: str, api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, status)
    Reminder.objects.create(
        stream=stream, user=viewer, language="en", created_at=stream.created_at, updated_at=stream.created_at
    )

    assert data_of(api(viewer).delete(reminder_url(stream)))["status"] == "CANCELLED"


def test_a_blocked_caller_is_refused_and_keeps_the_reminder(api: Api, stream: LiveStream, viewer: User) -> None:
    remind(viewer, stream)
    make_ban(viewer, stream)

    assert_refused(api(viewer).delete(reminder_url(stream)), 403, "banned")
    assert Reminder.objects.filter(user=viewer).exists()


def test_an_unknown_or_deleted_stream_is_missing(
    api: Api, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream)
    streams.delete_stream(stream.pk, by=creator, now=now)
    client = api(viewer)

    for stream_id in ("0" * 24, stream.pk):
        refused = client.delete(f"{STREAMS}/{stream_id}/reminder")
        assert_refused(refused, 404, "stream_not_found", "there is no stream with this id")
    assert Reminder.objects.exists(), "it comes back with its stream"


def test_a_malformed_id_is_refused(api: Api, viewer: User) -> None:
    refused = api(viewer).delete(f"{STREAMS}/x/reminder")
    assert_refused(refused, 400, "validation_failed", "id: must be 24 lower-case hexadecimal characters")


def test_removing_needs_a_login(api: Api, stream: LiveStream) -> None:
    assert_refused(api().delete(reminder_url(stream)), 401, "authentication_required")
