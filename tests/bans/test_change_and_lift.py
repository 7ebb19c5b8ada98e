"""PATCH and DELETE /api/v1/live-stream-ban/{id}, and every change from one state of a ban to another."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from common.models import AuditEntry
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.bans.people import BANS, ban_url, check_url, lapsed_ban, make_ban, permitted
from tests.conftest import Api
from tests.envelope import assert_refused, data_of

IN_AN_HOUR = "2040-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "changes",
    [{"actionType": "CHAT_ONLY"}, {"reason": "Another"}, {"reason": None}, {"expiresAt": IN_AN_HOUR}],
    ids=str,
)
def test_only_the_sent_fields_change(
    changes: dict[str, Any], api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    ban = make_ban(viewer, stream, reason="spam")
    client = api(creator)
    before = data_of(client.get(ban_url(ban)))

    data = data_of(client.patch(ban_url(ban), changes))

    assert {name for name in data if data[name] != before[name]} - {"updatedAt"} == set(changes)
    assert {name: data[name] for name in changes} == changes


# --- from every state to every state, each in one call -------------------------------------------------

STATES = ["none", "timed", "permanent", "lifted"]


def bring_to(state: str, viewer: User, stream: LiveStream, now: datetime) -> LiveStreamBan | None:
    if state == "none":
        return None
    ban = make_ban(viewer, stream, expires_at=now + timedelta(hours=1) if state == "timed" else None)
    if state == "lifted":
        services.lift_ban(ban.pk, by=stream.creator, now=now)
    return ban


def convert(client: APIClient, ban: LiveStreamBan | None, to: str, viewer: User, stream: LiveStream) -> Any:
    holding = ban is not None and LiveStreamBan.objects.filter(pk=ban.pk).exists()
    end = {"expiresAt": IN_AN_HOUR if to == "timed" else None}
    if to in {"timed", "permanent"}:
        if holding and ban is not None:
            return client.patch(ban_url(ban), end)
        return client.post(BANS, {"targetUserId": viewer.pk, "liveStreamId": stream.pk, **end})
    if ban is None:
        return client.get(check_url(viewer, stream))
    return client.delete(ban_url(ban))


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_any_state_becomes_any_other_in_one_call(
    before: str, after: str, api: Api, creator: User, viewer: User, stream: LiveStream, now: datetime
) -> None:
    ban = bring_to(before, viewer, stream, now)
    client = api(creator)

    response = convert(client, ban, after, viewer, stream)

    if before == "lifted" and after in {"none", "lifted"}:
        assert_refused(response, 409, "ban_already_lifted")  # nothing is left to do
    else:
        assert response.status_code in {200, 201}
    check = data_of(client.get(check_url(viewer, stream)))
    assert check["isBanned"] == (after in {"timed", "permanent"})
    if check["isBanned"]:
        assert check["ban"]["expiresAt"] == (IN_AN_HOUR if after == "timed" else None)
    assert LiveStreamBan.objects.count() == int(after in {"timed", "permanent"})


def test_a_ban_is_extended_shortened_and_its_kind_converted_any_number_of_times(
    api: Api, creator: User, viewer: User, stream: LiveStream, now: datetime
) -> None:
    ban = make_ban(viewer, stream, expires_at=now + timedelta(hours=1))
    client = api(creator)

    for hours, kind in [(5, "CHAT_ONLY"), (2, "BLOCK"), (9, "CHAT_ONLY")]:
        end = wire_time(now + timedelta(hours=hours))
        data = data_of(client.patch(ban_url(ban), {"expiresAt": end, "actionType": kind}))
        assert (data["expiresAt"], data["actionType"]) == (end, kind)
    assert AuditEntry.objects.filter(target_id=ban.pk, action="change_ban").count() == 3


def test_a_ban_holds_until_exactly_its_end_without_any_job(viewer: User, stream: LiveStream, now: datetime) -> None:
    end = now + timedelta(hours=1)
    ban = make_ban(viewer, stream, expires_at=end)

    for moment, holds in [(end - timedelta(seconds=1), True), (end, False), (end + timedelta(seconds=1), False)]:
        assert ban.holds(moment) is holds
        assert LiveStreamBan.objects.holding(moment).filter(pk=ban.pk).exists() is holds


def test_an_end_in_the_past_is_refused_and_changes_nothing(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    ban = make_ban(viewer, stream)

    response = api(creator).patch(ban_url(ban), {"expiresAt": "2020-01-01T00:00:00Z", "reason": "x"})

    assert_refused(response, 400, "validation_failed", "expiresAt: must lie in the future")
    ban.refresh_from_db()
    assert (ban.expires_at, ban.reason) == (None, None)


def test_lapsed_and_lifted_bans_cannot_be_changed(api: Api, creator: User, viewer: User, stream: LiveStream) -> None:
    lapsed = lapsed_ban(viewer, stream)
    client = api(creator)
    assert_refused(client.patch(ban_url(lapsed), {"reason": "x"}), 409, "ban_lapsed")

    data_of(client.delete(ban_url(lapsed)))
    assert_refused(client.patch(ban_url(lapsed), {"reason": "x"}), 409, "ban_already_lifted")


def test_a_lift_is_answered_with_time_and_user_and_refused_the_second_time(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    ban = make_ban(viewer, stream)
    client = api(creator)

    data = data_of(client.delete(ban_url(ban)))

    assert data["deletedBy"] == creator.pk
    assert data["deletedAt"] == data["updatedAt"]
    assert_refused(client.delete(ban_url(ban)), 409, "ban_already_lifted", "the ban has been lifted already")
    assert data_of(client.get(ban_url(ban)))["deletedAt"] == data["deletedAt"]


def test_a_ban_can_be_lifted_after_its_stream_has_ended(
    api: Api, creator: User, viewer: User, stream: LiveStream, now: datetime
) -> None:
    ban = make_ban(viewer, stream)
    streams.end_stream(stream.pk, by=creator, now=now)

    data_of(api(creator).delete(ban_url(ban)))


def sent_with(method: str) -> dict[str, Any] | None:
    return {"reason": "x"} if method == "patch" else None


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_unknown_and_malformed_ids(method: str, api: Api, creator: User) -> None:
    call = getattr(api(creator), method)

    assert_refused(call(f"{BANS}/{'0' * 24}", sent_with(method)), 404, "ban_not_found")
    assert_refused(call(f"{BANS}/x", sent_with(method)), 400, "validation_failed")


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_only_the_creator_and_moderators_change_and_lift(
    method: str, api: Api, viewer: User, stranger: User, stream: LiveStream
) -> None:
    ban = make_ban(viewer, stream)

    for other in (viewer, stranger):
        response = getattr(api(other), method)(ban_url(ban), sent_with(method))
        assert_refused(response, 403, "not_creator_or_moderator")
    assert getattr(api(permitted("mod", "moderate")), method)(ban_url(ban), sent_with(method)).status_code == 200


def test_the_creator_the_banned_person_and_moderators_read_a_ban(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream
) -> None:
    ban = make_ban(viewer, stream, reason="spam")

    for concerned in (creator, viewer, permitted("mod", "moderate")):
        assert data_of(api(concerned).get(ban_url(ban)))["reason"] == "spam"
    assert_refused(api(stranger).get(ban_url(ban)), 403, "not_concerned_by_ban")
