"""GET /api/v1/live-stream/{id}/reminder"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from bans.services import lift_ban
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import MINE, remind, reminder_url
from tests.reminders.working import work
from tests.streams import STREAMS, make_stream

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def stream(creator: User, now: datetime) -> LiveStream:
    """Created three hours ago, planned in ten minutes."""
    return make_stream(creator, now=now - 3 * HOUR, planned_start_at=now + 10 * MINUTE)


def status(api: Api, user: User, stream: LiveStream) -> str:
    return data_of(api(user).get(reminder_url(stream)))["status"]


@pytest.mark.parametrize("minute", [5, 0, None])
def test_reading_answers_the_same_as_setting(minute: int | None, api: Api, stream: LiveStream, viewer: User) -> None:
    client = api(viewer)
    answered = data_of(client.post(reminder_url(stream), {"minute": minute}))

    read = data_of(client.get(reminder_url(stream)))

    assert read == answered
    assert list(read) == ["streamId", "minute", "mode", "scheduledFor", "status"]


def test_callers_read_their_own_reminder(
    api: Api, stream: LiveStream, viewer: User, stranger: User, creator: User
) -> None:
    remind(viewer, stream, minute=5)
    remind(stranger, stream, minute=None)

    assert data_of(api(viewer).get(reminder_url(stream)))["minute"] == 5
    assert data_of(api(stranger).get(reminder_url(stream)))["mode"] == "ON_START"
    assert_refused(api(creator).get(reminder_url(stream)), 404, "reminder_not_found")


# --- states ---------------------------------------------------------------------------------------


def test_a_lead_time_is_scheduled_then_sent_and_stays_sent(
    api: Api, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, minute=15, now=now - HOUR)
    found = [status(api, viewer, stream)]
    work(now)
    found.append(status(api, viewer, stream))
    streams.start_stream(stream.pk, by=creator, now=now)
    work(now)
    found.append(status(api, viewer, stream))
    streams.end_stream(stream.pk, by=creator, now=now)
    found.append(status(api, viewer, stream))

    assert found == ["SCHEDULED", "SENT", "SENT", "SENT"]


def test_a_reminder_for_the_start_is_armed_until_its_notification_is_sent(
    api: Api, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, minute=None)
    found = [status(api, viewer, stream)]
    streams.start_stream(stream.pk, by=creator, now=now)
    found.append(status(api, viewer, stream))
    work(now)
    found.append(status(api, viewer, stream))

    assert found == ["ARMED_ON_START", "ARMED_ON_START", "SENT"]


def test_without_a_worker_a_reminder_is_missed_after_the_grace(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now - 3 * HOUR, planned_start_at=now + 30 * MINUTE)
    remind(viewer, stream, minute=45, now=now - 2 * HOUR)
    remind(stranger, stream, minute=36, now=now - 2 * HOUR)

    assert status(api, viewer, stream) == "MISSED"
    assert status(api, stranger, stream) == "SCHEDULED", "six minutes late is not too late"


def test_a_missed_reminder_is_sent_at_the_start(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now - 3 * HOUR, planned_start_at=now + 30 * MINUTE)
    remind(viewer, stream, minute=45, now=now - 2 * HOUR)
    work(now)
    assert status(api, viewer, stream) == "MISSED"

    streams.start_stream(stream.pk, by=creator, now=now)
    work(now)

    assert status(api, viewer, stream) == "SENT"


@pytest.mark.parametrize("minute", [5, None])
def test_a_start_without_notification_is_missed(
    minute: int | None, api: Api, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, minute=minute, now=now - HOUR)
    streams.start_stream(stream.pk, by=creator, now=now - 11 * MINUTE)

    assert status(api, viewer, stream) == "MISSED"


@pytest.mark.parametrize("by", ["creator", "guest"])
def test_a_reminder_on_a_cancelled_stream_is_cancelled(
    by: str, api: Api, creator: User, guest: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, guest=guest)
    remind(viewer, stream)
    streams.cancel_stream(stream.pk, by=creator if by == "creator" else guest, now=now)
    before = status(api, viewer, stream)
    work(now)

    assert [before, status(api, viewer, stream)] == ["CANCELLED", "CANCELLED"], "before and after the notification"


def test_a_reminder_on_an_expired_stream_is_cancelled(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now - 3 * HOUR, planned_start_at=now - 2 * HOUR)
    remind(viewer, stream, minute=None, now=now - 3 * HOUR)
    assert streams.expire_stream(stream.pk, now=now)

    assert status(api, viewer, stream) == "CANCELLED"


# --- a moved start -------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-1, 5])
def test_scheduled_for_follows_a_moved_start(hours: int, api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, planned_start_at=now + 5 * HOUR)
    remind(viewer, stream, minute=15)
    moved = now + (5 + hours) * HOUR
    data_of(api(creator).patch(f"{STREAMS}/{stream.pk}", {"plannedStartDate": wire_time(moved)}))

    data = data_of(api(viewer).get(reminder_url(stream)))

    assert (data["scheduledFor"], data["status"]) == (wire_time(moved - 15 * MINUTE), "SCHEDULED")


def test_without_a_planned_start_scheduled_for_is_null(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, planned_start_at=now + 5 * HOUR)
    remind(viewer, stream, minute=15)
    streams.edit_stream(stream.pk, by=creator, now=now, changes={"planned_start_at": None})

    data = data_of(api(viewer).get(reminder_url(stream)))

    assert (data["minute"], data["scheduledFor"], data["status"]) == (15, None, "SCHEDULED")


def test_a_start_moved_after_the_notification_makes_the_reminder_scheduled_again(
    api: Api, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, minute=15, now=now - HOUR)
    work(now)
    streams.edit_stream(stream.pk, by=creator, now=now, changes={"planned_start_at": now + HOUR})

    assert status(api, viewer, stream) == "SCHEDULED"


# --- bans and missing streams ---------------------------------------------------------------------


def test_a_reminder_is_cancelled_while_a_block_holds(api: Api, stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, minute=5)
    ban = make_ban(viewer, stream)
    assert_refused(api(viewer).get(reminder_url(stream)), 403, "banned")
    (shown,) = data_of(api(viewer).get(MINE))["list"]
    assert shown["status"] == "CANCELLED"

    lift_ban(ban.pk, by=stream.creator, now=now)

    assert status(api, viewer, stream) == "SCHEDULED"


def test_a_chat_only_ban_does_not_change_the_reminder(api: Api, stream: LiveStream, viewer: User) -> None:
    remind(viewer, stream, minute=5)
    make_ban(viewer, stream, action_type="CHAT_ONLY")

    assert status(api, viewer, stream) == "SCHEDULED"


def test_a_missing_reminder_is_refused(api: Api, stream: LiveStream, viewer: User) -> None:
    refused = api(viewer).get(reminder_url(stream))
    assert_refused(refused, 404, "reminder_not_found", "you have no reminder on this stream")


def test_a_reminder_on_a_deleted_stream_is_hidden_until_it_is_restored(
    api: Api, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, minute=5)
    streams.delete_stream(stream.pk, by=creator, now=now)
    assert_refused(api(viewer).get(reminder_url(stream)), 404, "stream_not_found")

    streams.restore_stream(stream.pk, by=creator, now=now)

    assert status(api, viewer, stream) == "SCHEDULED"


BAD: dict[str, tuple[int, str, Any]] = {
    "0" * 24: (404, "stream_not_found", "there is no stream with this id"),
    "x": (400, "validation_failed", "id: must be 24 lower-case hexadecimal characters"),
}


@pytest.mark.parametrize(("stream_id", "refusal"), BAD.items(), ids=BAD.keys())
def test_an_unknown_stream_is_missing_and_a_malformed_id_is_refused(
    stream_id: str, refusal: tuple[int, str, str], api: Api, viewer: User
) -> None:
    assert_refused(api(viewer).get(f"{STREAMS}/{stream_id}/reminder"), *refusal)


def test_reading_needs_a_login(api: Api, stream: LiveStream) -> None:
    assert_refused(api().get(reminder_url(stream)), 401, "authentication_required")
