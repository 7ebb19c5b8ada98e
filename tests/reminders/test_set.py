"""POST /api/v1/live-stream/{id}/reminder"""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from common.models import AuditEntry
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders.models import LeadTime, Reminder
from tests.bans.people import lapsed_ban, make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import notified_of_start, remind, reminder_url
from tests.reminders.working import work
from tests.streams import STREAMS, make_stream

OUT_OF_BOUNDS = "minute: must be between 0 and 10080"
NO_NUMBER = "minute: must be a whole number"
PASSED = "minute: the moment so long before the planned start has passed already"


@pytest.fixture
def stream(creator: User, now: datetime) -> LiveStream:
    """Planned in eight days, so that no lead time has passed."""
    return make_stream(creator, planned_start_at=now + timedelta(days=8))


def stored() -> list[tuple[Any, ...]]:
    return list(Reminder.objects.values_list("user__username", "minute", "language"))


def test_the_answer_has_the_lead_time_and_scheduled_for(api: Api, stream: LiveStream, viewer: User) -> None:
    data = data_of(api(viewer).post(reminder_url(stream), {"minute": 15}))

    assert stream.planned_start_at
    assert data == {
        "streamId": stream.pk,
        "minute": 15,
        "mode": "BEFORE_START",
        "scheduledFor": wire_time(stream.planned_start_at - timedelta(minutes=15)),
        "status": "SCHEDULED",
    }
    assert list(data) == ["streamId", "minute", "mode", "scheduledFor", "status"]


@pytest.mark.parametrize("body", [{"minute": None}, {"minute": 0}, {}], ids=str)
def test_without_minutes_the_reminder_is_for_the_start(
    body: dict[str, Any], api: Api, stream: LiveStream, viewer: User
) -> None:
    data = data_of(api(viewer).post(reminder_url(stream), body))

    assert data == {
        "streamId": stream.pk,
        "minute": body.get("minute"),
        "mode": "ON_START",
        "scheduledFor": None,
        "status": "ARMED_ON_START",
    }
    assert not LeadTime.objects.exists(), "the finder has nothing to search for"


@pytest.mark.parametrize("content_type", [None, "application/json", "application/x-www-form-urlencoded"])
def test_without_a_body_the_reminder_is_for_the_start(
    content_type: str | None, api: Api, stream: LiveStream, viewer: User
) -> None:
    """`curl -X POST` and `curl -d ''` send such requests."""
    client: Any = api(viewer)

    data = data_of(client.generic("POST", reminder_url(stream), b"", content_type or ""))

    assert (data["minute"], data["status"]) == (None, "ARMED_ON_START")


@pytest.mark.parametrize(("sent", "minute"), [("1", 1), ("10080", 10080), ("15.0", 15), ("1.5e1", 15)])
def test_whole_numbers_up_to_a_week_are_accepted(
    sent: str, minute: int, api: Api, stream: LiveStream, viewer: User
) -> None:
    client: Any = api(viewer)

    data = data_of(client.generic("POST", reminder_url(stream), f'{{"minute": {sent}}}', "application/json"))

    assert json.dumps(data["minute"]) == str(minute)
    assert stored() == [("viewer", minute, "en")]


BAD = {
    "-1": OUT_OF_BOUNDS,
    "10081": OUT_OF_BOUNDS,
    "1e300": OUT_OF_BOUNDS,
    '"15"': NO_NUMBER,
    '""': NO_NUMBER,
    "15.5": NO_NUMBER,
    "true": NO_NUMBER,
    "false": NO_NUMBER,
    "[15]": NO_NUMBER,
    "{}": NO_NUMBER,
}


@pytest.mark.parametrize(("sent", "reason"), BAD.items(), ids=BAD.keys())
def test_an_invalid_minute_is_refused_and_changes_nothing(
    sent: str, reason: str, api: Api, stream: LiveStream, viewer: User
) -> None:
    remind(viewer, stream, minute=30)
    client: Any = api(viewer)
    entries = AuditEntry.objects.count()

    response = client.generic("POST", reminder_url(stream), f'{{"minute": {sent}}}', "application/json")

    assert_refused(response, 400, "validation_failed", reason)
    assert stored() == [("viewer", 30, "en")]
    assert AuditEntry.objects.count() == entries


def test_the_message_is_in_the_language_of_the_caller(api: Api, stream: LiveStream, viewer: User) -> None:
    refused = api(viewer).post(reminder_url(stream), {"minute": 10081}, HTTP_ACCEPT_LANGUAGE="tr")

    assert_refused(refused, 400, "validation_failed", "minute: 0 ile 10080 arasında olmalıdır")


# --- past times -----------------------------------------------------------------------------------


@pytest.mark.parametrize("minute", [60, 61, 10080])
def test_a_lead_time_that_has_passed_is_refused(
    minute: int, api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, now=now, planned_start_at=now + timedelta(hours=1))

    response = api(viewer).post(reminder_url(stream), {"minute": minute})

    assert_refused(response, 400, "moment_passed", PASSED)
    assert stored() == []
    assert not LeadTime.objects.exists()


def test_after_the_planned_start_only_a_reminder_for_the_start_can_be_set(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    late = make_stream(creator, now=now - timedelta(hours=1), planned_start_at=now - timedelta(minutes=1))
    client = api(viewer)

    assert_refused(client.post(reminder_url(late), {"minute": 1}), 400, "moment_passed", PASSED)
    assert data_of(client.post(reminder_url(late), {"minute": 0}))["status"] == "ARMED_ON_START"


# --- replacing ------------------------------------------------------------------------------------


def test_a_second_reminder_replaces_the_first(api: Api, stream: LiveStream, viewer: User, stranger: User) -> None:
    remind(stranger, stream, minute=5)
    client = api(viewer)
    answers = [data_of(client.post(reminder_url(stream), {"minute": minute})) for minute in (15, 60, None)]

    assert [answer["status"] for answer in answers] == ["SCHEDULED", "SCHEDULED", "ARMED_ON_START"]
    assert sorted(stored()) == [("stranger", 5, "en"), ("viewer", None, "en")]


def test_each_change_writes_one_audit_row_and_a_repetition_none(api: Api, stream: LiveStream, viewer: User) -> None:
    client = api(viewer)
    for minute in (15, 15, None, None, 30):
        data_of(client.post(reminder_url(stream), {"minute": minute}))

    rows = AuditEntry.objects.filter(action="set_reminder").order_by("id")
    changes = [(row.before.get("minute"), row.after["minute"]) for row in rows]
    assert changes == [(None, 15), (15, None), (None, 30)]
    assert {row.actor_id for row in rows} == {viewer.pk}
    assert {row.target_id for row in rows} == {Reminder.objects.get().pk}
    assert [row.before == {} for row in rows] == [True, False, False]


def test_notifications_are_in_the_language_of_the_call(api: Api, stream: LiveStream, viewer: User) -> None:
    client = api(viewer)
    for language in ("tr", "de", "en", "tr"):
        data_of(client.post(reminder_url(stream), {"minute": 15}, HTTP_X_LANGUAGE=language))

    assert stored() == [("viewer", 15, "tr")]
    # German is not supported, so the second call is in English, like the third.
    assert AuditEntry.objects.filter(action="set_reminder").count() == 3


def test_after_the_notification_the_status_is_sent(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now - timedelta(hours=2), planned_start_at=now + timedelta(minutes=10))
    remind(viewer, stream, minute=15, now=now - timedelta(hours=1))
    work(now)

    assert data_of(api(viewer).post(reminder_url(stream), {"minute": 5}))["status"] == "SENT"


# --- permissions and states -----------------------------------------------------------------------


def test_a_preparing_stream_accepts_only_reminders_for_the_start(api: Api, creator: User, viewer: User) -> None:
    preparing = make_stream(creator, "preparing")
    client = api(viewer)

    refused = client.post(reminder_url(preparing), {"minute": 15})
    reason = "the stream has no planned start to count from; ask to be notified when it really starts"
    assert_refused(refused, 409, "stream_without_plan", reason)
    assert stored() == []
    assert data_of(client.post(reminder_url(preparing), {"minute": 0}))["status"] == "ARMED_ON_START"


@pytest.mark.parametrize("status", ["active", "ended", "cancelled_by_host", "cancelled_by_guest", "expired"])
@pytest.mark.parametrize("minute", [15, None])
def test_a_stream_that_has_started_or_is_over_is_refused(
    status: str, minute: int | None, api: Api, creator: User, viewer: User
) -> None:
    response = api(viewer).post(reminder_url(make_stream(creator, status)), {"minute": minute})

    assert_refused(response, 409, "stream_not_awaited", "only a scheduled or preparing stream can have reminders")
    assert stored() == []


def test_a_blocked_caller_is_refused_and_keeps_the_reminder(api: Api, stream: LiveStream, viewer: User) -> None:
    remind(viewer, stream, minute=30)
    make_ban(viewer, stream, reason="Spam")

    response = api(viewer).post(reminder_url(stream), {"minute": 15})

    reason = "you are banned from this stream until a moderator lifts it: Spam"
    assert_refused(response, 403, "banned", reason)
    assert stored() == [("viewer", 30, "en")]


def test_chat_only_and_expired_bans_do_not_prevent_it(
    api: Api, stream: LiveStream, viewer: User, stranger: User
) -> None:
    make_ban(viewer, stream, action_type="CHAT_ONLY")
    lapsed_ban(stranger, stream)

    for user in (viewer, stranger):
        assert data_of(api(user).post(reminder_url(stream), {"minute": 15}))["status"] == "SCHEDULED"


def test_creator_and_guest_may_set_a_reminder_on_their_own_stream(api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, guest=guest)

    for user in (creator, guest):
        assert data_of(api(user).post(reminder_url(stream), {"minute": 15}))["status"] == "SCHEDULED"


def test_an_unknown_or_deleted_stream_is_missing(api: Api, creator: User, viewer: User, now: datetime) -> None:
    deleted = make_stream(creator)
    streams.delete_stream(deleted.pk, by=creator, now=now)
    client = api(viewer)

    for stream_id in ("0" * 24, deleted.pk):
        response = client.post(f"{STREAMS}/{stream_id}/reminder", {"minute": 15})
        assert_refused(response, 404, "stream_not_found", "there is no stream with this id")


@pytest.mark.parametrize("malformed", ["1", "A" * 24, "0" * 25])
def test_a_malformed_id_is_refused(malformed: str, api: Api, viewer: User) -> None:
    response = api(viewer).post(f"{STREAMS}/{malformed}/reminder", {"minute": 15})
    assert_refused(response, 400, "validation_failed", "id: must be 24 lower-case hexadecimal characters")


def test_setting_needs_a_login(api: Api, stream: LiveStream) -> None:
    assert_refused(api().post(reminder_url(stream), {"minute": 15}), 401, "authentication_required")


def test_another_method_is_refused(api: Api, stream: LiveStream, viewer: User) -> None:
    response = api(viewer).put(reminder_url(stream), {"minute": 15})
    assert_refused(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "POST", "DELETE", "HEAD"}


def test_after_the_start_no_reminder_can_be_set(api: Api, creator: User, viewer: User, stranger: User) -> None:
    stream = make_stream(creator)
    notified_of_start(stranger, stream)

    assert_refused(api(viewer).post(reminder_url(stream)), 409, "stream_not_awaited")
