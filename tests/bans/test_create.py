"""POST /api/v1/live-stream-ban"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from bans.models import LiveStreamBan
from common.models import AuditEntry
from common.times import wire_time
from livestreams import services as streams
from tests.bans.people import BANS, lapsed_ban, make_ban, permitted
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream


def test_the_creator_bans_a_viewer_until_it_is_lifted(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, "active")
    sent = {"targetUserId": viewer.pk, "liveStreamId": stream.pk, "reason": "Toksik davranış ve spam mesajlar"}

    data = data_of(api(creator).post(BANS, sent), 201)

    assert list(data) == [
        "_id", "targetUserId", "targetUser", "liveStreamId", "actionType", "reason", "createdBy", "deletedAt",
        "deletedBy", "createdAt", "updatedAt", "expiresAt",
    ]  # fmt: skip
    assert list(data["targetUser"]) == ["_id", "username", "name", "surname", "profilePhoto", "availabilityStatus"]
    assert data["actionType"] == "BLOCK"
    assert data["targetUserId"] == data["targetUser"]["_id"] == viewer.pk
    assert data["createdBy"] == creator.pk
    assert (data["deletedAt"], data["deletedBy"], data["expiresAt"]) == (None, None, None)


def test_a_ban_may_end_at_a_moment_or_after_seconds(api: Api, creator: User, viewer: User, guest: User) -> None:
    stream = make_stream(creator)
    base = {"liveStreamId": stream.pk, "actionType": "CHAT_ONLY"}
    client = api(creator)

    at = data_of(client.post(BANS, base | {"targetUserId": viewer.pk, "expiresAt": "2040-01-01T00:00:00.000Z"}), 201)
    after = data_of(client.post(BANS, base | {"targetUserId": guest.pk, "durationSeconds": 600}), 201)

    assert (at["expiresAt"], at["actionType"]) == ("2040-01-01T00:00:00.000Z", "CHAT_ONLY")
    length = datetime.fromisoformat(after["expiresAt"]) - datetime.fromisoformat(after["createdAt"])
    assert abs(length - timedelta(seconds=600)) < timedelta(seconds=1)


@pytest.mark.parametrize("part", ["moderator", "superuser"])
def test_a_moderator_bans_on_every_stream(part: str, api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    moderator = (
        permitted("mod", "moderate")
        if part == "moderator"
        else User.objects.create_superuser("root", "correct horse battery staple")
    )

    data = data_of(api(moderator).post(BANS, {"targetUserId": viewer.pk, "liveStreamId": stream.pk}), 201)

    assert data["createdBy"] == moderator.pk


def test_a_ban_leaves_one_audit_row(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    client = api(creator)
    entries = AuditEntry.objects.count()

    data = data_of(client.post(BANS, {"targetUserId": viewer.pk, "liveStreamId": stream.pk, "reason": "spam"}), 201)

    assert AuditEntry.objects.count() == entries + 1
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.target_id, entry.actor_id) == ("ban_user", data["_id"], creator.pk)
    assert (entry.after["target_id"], entry.after["reason"]) == (viewer.pk, "spam")


def test_a_second_ban_is_refused_while_the_first_holds(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    ban = make_ban(viewer, stream)

    response = api(creator).post(BANS, {"targetUserId": viewer.pk, "liveStreamId": stream.pk})

    holds = "a ban of this person on this stream holds already; change that one"
    assert_refused(response, 409, "already_banned", holds, f"the ban: {ban.pk}")
    assert LiveStreamBan.all_objects.count() == 1


def test_after_a_ban_lapsed_or_was_lifted_the_person_can_be_banned_again(
    api: Api, creator: User, viewer: User, guest: User
) -> None:
    stream = make_stream(creator)
    lapsed_ban(viewer, stream)
    client = api(creator)
    client.delete(f"{BANS}/{make_ban(guest, stream).pk}")

    for target in (viewer, guest):
        data_of(client.post(BANS, {"targetUserId": target.pk, "liveStreamId": stream.pk}), 201)


def test_the_same_person_may_be_banned_from_another_stream(api: Api, creator: User, viewer: User) -> None:
    make_ban(viewer, make_stream(creator))

    data_of(api(creator).post(BANS, {"targetUserId": viewer.pk, "liveStreamId": make_stream(creator).pk}), 201)


def test_nobody_bans_the_creator_a_guest_staff_a_moderator_or_oneself(
    api: Api, creator: User, guest: User, stranger: User
) -> None:
    stream = make_stream(creator, guest=guest)
    moderator = permitted("mod", "moderate")
    staff = User.objects.create_user("staff", "correct horse battery staple", is_staff=True)
    refused = {
        creator.pk: "cannot_ban_creator",
        guest.pk: "cannot_ban_guest",
        staff.pk: "cannot_ban_staff",
        moderator.pk: "cannot_ban_oneself",
        permitted("other", "moderate").pk: "cannot_ban_staff",
    }
    client = api(moderator)

    for target, code in refused.items():
        assert_refused(client.post(BANS, {"targetUserId": target, "liveStreamId": stream.pk}), 403, code)
    own = api(creator).post(BANS, {"targetUserId": creator.pk, "liveStreamId": stream.pk})
    assert_refused(own, 403, "cannot_ban_oneself", "you cannot ban yourself")
    assert not LiveStreamBan.all_objects.exists()


@pytest.mark.parametrize("status", ["ended", "cancelled_by_host", "cancelled_by_guest", "expired"])
def test_nobody_is_banned_from_a_stream_that_is_over(status: str, api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, status)

    response = api(creator).post(BANS, {"targetUserId": viewer.pk, "liveStreamId": stream.pk})

    assert_refused(response, 409, "stream_is_over")


def test_unknown_and_deleted_streams_and_unknown_users_are_missing(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator)
    deleted = make_stream(creator)
    streams.delete_stream(deleted.pk, by=creator, now=now)
    client = api(creator)

    for stream_id in ("0" * 24, deleted.pk):
        response = client.post(BANS, {"targetUserId": viewer.pk, "liveStreamId": stream_id})
        assert_refused(response, 404, "stream_not_found")
    response = client.post(BANS, {"targetUserId": "0" * 24, "liveStreamId": stream.pk})
    assert_refused(response, 404, "user_not_found")


def test_a_deactivated_user_can_be_banned(api: Api, creator: User, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_active=False)

    data_of(api(creator).post(BANS, {"targetUserId": viewer.pk, "liveStreamId": make_stream(creator).pk}), 201)


def test_only_the_creator_and_moderators_ban(
    api: Api, creator: User, guest: User, stranger: User, viewer: User
) -> None:
    stream = make_stream(creator, guest=guest)

    for other in (guest, stranger):
        response = api(other).post(BANS, {"targetUserId": viewer.pk, "liveStreamId": stream.pk})
        assert_refused(response, 403, "not_creator_or_moderator")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no target": ({"targetUserId": None}, "targetUserId: must not be null"),
    "target of the wrong kind": (
        {"targetUserId": "somebody"},
        "targetUserId: must be 24 lower-case hexadecimal characters",
    ),
    "stream of the wrong kind": ({"liveStreamId": 7}, "liveStreamId: must be 24 lower-case hexadecimal characters"),
    "unknown kind": ({"actionType": "KICK"}, "actionType: must be one of BLOCK, CHAT_ONLY"),
    "long reason": ({"reason": "x" * 501}, "reason: must have at most 500 characters"),
    "end in the past": ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt: must lie in the future"),
    "no seconds": ({"durationSeconds": 0}, "durationSeconds: must be between 1 and 31536000"),
    "too many seconds": ({"durationSeconds": 31536001}, "durationSeconds: must be between 1 and 31536000"),
    "both ends": (
        {"durationSeconds": 5, "expiresAt": "2040-01-01T00:00:00Z"},
        "durationSeconds: must not come with expiresAt",
    ),
}


@pytest.mark.parametrize(("sent", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_input_names_the_field_and_the_rule(
    sent: dict[str, Any], reason: str, api: Api, creator: User, viewer: User
) -> None:
    good = {"targetUserId": viewer.pk, "liveStreamId": make_stream(creator).pk}

    assert_refused(api(creator).post(BANS, good | sent), 400, "validation_failed", reason)
    assert not LiveStreamBan.all_objects.exists()


def test_banning_needs_a_token(api: Api, creator: User, viewer: User) -> None:
    sent = {"targetUserId": viewer.pk, "liveStreamId": make_stream(creator).pk}

    assert_refused(api().post(BANS, sent), 401, "authentication_required")


def test_times_in_the_answer_are_those_of_the_row(api: Api, creator: User, viewer: User) -> None:
    sent = {"targetUserId": viewer.pk, "liveStreamId": make_stream(creator).pk}

    data = data_of(api(creator).post(BANS, sent), 201)

    assert data["createdAt"] == data["updatedAt"] == wire_time(LiveStreamBan.objects.get().created_at)


def test_a_purged_stream_takes_its_bans_along_and_the_trail_keeps_them(
    creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator)
    ban = make_ban(viewer, stream)
    streams.delete_stream(stream.pk, by=creator, now=now)

    assert streams.purge_stream(stream.pk, now=now + timedelta(days=31)) == ""

    assert not LiveStreamBan.all_objects.exists()
    assert AuditEntry.objects.filter(target_id=ban.pk, action="ban_user").count() == 1
