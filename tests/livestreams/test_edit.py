"""PATCH /api/v1/live-stream/{id}"""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from common.models import AuditEntry
from common.times import wire_time
from livestreams.models import LiveStream
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream, stream_url


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Another title"},
        {"motivation": "Because."},
        {"motivation": None},
        {"interest": "music"},
        {"durationGoal": 45},
        {"price": 12.5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_change_of_one_field_leaves_the_others_unchanged(changes: dict[str, Any], api: Api, creator: User) -> None:
    stream = make_stream(creator, motivation="Before", interest="art", duration_goal=30)
    client = api(creator)
    before = data_of(client.get(stream_url(stream)))

    data = data_of(client.patch(stream_url(stream), changes))

    derived = {"updatedAt", "plannedEndDate", "accessType"}
    assert {name: data[name] for name in changes} == changes
    assert {name for name in data if data[name] != before[name]} - derived == set(changes)


def test_moving_the_start_keeps_it_scheduled(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator)
    later = wire_time(now + timedelta(days=2))

    data = data_of(api(creator).patch(stream_url(stream), {"plannedStartDate": later}))

    assert (data["status"], data["plannedStartDate"]) == ("scheduled", later)


def test_a_planned_start_makes_a_preparing_stream_scheduled(api: Api, creator: User, now: datetime) -> None:
    stream = make_stream(creator, "preparing")

    data = data_of(api(creator).patch(stream_url(stream), {"plannedStartDate": wire_time(now + timedelta(hours=3))}))

    assert data["status"] == "scheduled"


def test_removing_the_planned_start_makes_it_preparing(api: Api, creator: User) -> None:
    stream = make_stream(creator)

    data = data_of(api(creator).patch(stream_url(stream), {"plannedStartDate": None}))

    assert (data["status"], data["plannedStartDate"]) == ("preparing", None)


def test_a_duo_may_change_its_guest(api: Api, creator: User, guest: User, stranger: User) -> None:
    stream = make_stream(creator, guest=guest)

    data = data_of(api(creator).patch(stream_url(stream), {"guests": [stranger.pk]}))

    assert [user["_id"] for user in data["guests"]] == [stranger.pk]


@pytest.mark.parametrize("guests", [[], ["0" * 24]])
def test_a_duo_cannot_lose_its_guest_or_get_one_that_does_not_exist(
    guests: list[str], api: Api, creator: User, guest: User
) -> None:
    stream = make_stream(creator, guest=guest)

    response = api(creator).patch(stream_url(stream), {"guests": guests})

    assert_refused(response, 400, "validation_failed")
    stream.refresh_from_db()
    assert stream.guest == guest


def test_a_solo_cannot_get_a_guest(api: Api, creator: User, guest: User) -> None:
    response = api(creator).patch(stream_url(make_stream(creator)), {"guests": [guest.pk]})

    assert_refused(response, 400, "validation_failed", "guests: a solo stream has none")


def test_a_change_leaves_one_audit_row_with_before_and_after(api: Api, creator: User) -> None:
    stream = make_stream(creator, title="Before", duration_goal=30)
    client = api(creator)
    entries = AuditEntry.objects.count()

    client.patch(stream_url(stream), {"title": "After", "durationGoal": 30})

    assert AuditEntry.objects.count() == entries + 1
    entry = AuditEntry.objects.latest("id")
    assert entry.action == "edit_stream"
    assert (entry.before["title"], entry.after["title"]) == ("Before", "After")
    assert "duration_goal" not in entry.after


def test_an_edit_to_equal_values_changes_nothing(api: Api, creator: User) -> None:
    stream = make_stream(creator, title="Same")
    client = api(creator)
    entries = AuditEntry.objects.count()

    data = data_of(client.patch(stream_url(stream), {"title": "Same"}))

    assert AuditEntry.objects.count() == entries
    assert data["updatedAt"] == wire_time(stream.updated_at)


@pytest.mark.parametrize("body", [{}])
def test_an_empty_body_is_refused(body: dict[str, Any], api: Api, creator: User) -> None:
    response = api(creator).patch(stream_url(make_stream(creator)), body)

    assert_refused(
        response,
        400,
        "validation_failed",
        "body: must have at least one of title, guests, price, interest, durationGoal, motivation, plannedStartDate",
    )


@pytest.mark.parametrize("body", [[], "title", 7, None])
def test_a_body_that_is_not_an_object_is_refused(body: Any, api: Api, creator: User) -> None:
    url = stream_url(make_stream(creator))

    response = api(creator).generic("PATCH", url, json.dumps(body), content_type="application/json")

    assert_refused(response, 400, "validation_failed", "body: must be a JSON object")


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": None},
        {"durationGoal": 0},
        {"plannedStartDate": "2020-01-01T00:00:00Z"},
        {"price": -1},
    ],
    ids=str,
)
def test_a_bad_value_changes_nothing(changes: dict[str, Any], api: Api, creator: User) -> None:
    stream = make_stream(creator)
    row = LiveStream.objects.filter(pk=stream.pk).values().get()

    response = api(creator).patch(stream_url(stream), {"motivation": "changed"} | changes)

    assert_refused(response, 400, "validation_failed")
    assert LiveStream.objects.filter(pk=stream.pk).values().get() == row


@pytest.mark.parametrize("status", ["active", "ended", "cancelled_by_host", "cancelled_by_guest", "expired"])
def test_a_started_or_finished_stream_cannot_be_changed(status: str, api: Api, creator: User) -> None:
    response = api(creator).patch(stream_url(make_stream(creator, status)), {"title": "Late"})

    assert_refused(response, 409, "stream_not_editable")


def test_only_the_creator_changes_it(api: Api, creator: User, guest: User, stranger: User, moderator: User) -> None:
    stream = make_stream(creator, guest=guest)

    for other in (guest, stranger, moderator):
        response = api(other).patch(stream_url(stream), {"title": "Mine"})
        assert_refused(response, 403, "not_the_creator", "only the creator of the stream may do this")


def test_an_unknown_stream_is_missing(api: Api, creator: User) -> None:
    assert_refused(api(creator).patch(f"{STREAMS}/{'0' * 24}", {"title": "x"}), 404, "stream_not_found")


def test_changing_needs_a_token(api: Api, creator: User) -> None:
    assert_refused(api().patch(stream_url(make_stream(creator)), {"title": "x"}), 401, "authentication_required")
