"""POST /api/v1/live-stream-ban/bulk"""

import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from common.models import AuditEntry
from edges.models import Revocation
from livestreams.models import LiveStream
from tests.bans.people import BANS, lapsed_ban, make_ban, permitted
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import make_stream
from tests.test_statements import statements

BULK = f"{BANS}/bulk"
NOBODY = "0" * 24


@pytest.fixture
def stream(creator: User, guest: User) -> LiveStream:
    return make_stream(creator, "active", guest=guest)


def crowd(count: int) -> list[User]:
    start = User.objects.count()
    return User.objects.bulk_create(User(username=f"raider{start + number}") for number in range(count))


def body(stream: LiveStream, *targets: str, **more: Any) -> dict[str, Any]:
    return {"liveStreamId": stream.pk, "targets": list(targets), **more}


def everything() -> list[Any]:
    """The rows of all tables that a bulk ban writes to."""
    return [list(model.objects.order_by("pk").values()) for model in (AuditEntry, Revocation)] + [
        list(LiveStreamBan.all_objects.order_by("pk").values())
    ]


def test_ids_and_usernames_in_any_case_are_banned_alike(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream
) -> None:
    sent = body(stream, viewer.pk, "STRANGER", actionType="CHAT_ONLY", reason="Baskın", durationSeconds=600)

    data = data_of(api(creator).post(BULK, sent))

    assert list(data) == ["batchId", "dryRun", "banned", "alreadyBanned", "refused", "requestId", "outcomes"]
    assert (data["dryRun"], data["banned"], data["alreadyBanned"], data["refused"]) == (False, 2, 0, 0)
    bans = {ban.target_id: ban for ban in LiveStreamBan.objects.all()}
    assert data["outcomes"] == [
        {
            "target": sent_as,
            "targetUserId": user.pk,
            "outcome": "banned",
            "code": None,
            "banId": bans[user.pk].pk,
        }
        for sent_as, user in ((viewer.pk, viewer), ("STRANGER", stranger))
    ]
    for ban in bans.values():
        assert (ban.action_type, ban.reason, ban.created_by, ban.batch_id) == (
            "CHAT_ONLY", "Baskın", creator, data["batchId"],
        )  # fmt: skip
        assert ban.expires_at is not None
        assert abs(ban.expires_at - ban.created_at - timedelta(seconds=600)) < timedelta(seconds=1)


def test_each_target_has_its_own_outcome_in_the_order_sent(
    api: Api, creator: User, guest: User, viewer: User, stranger: User, moderator: User, stream: LiveStream
) -> None:
    holding = make_ban(stranger, stream)
    mod = permitted("mod", "moderate")
    targets = [
        "nobody", viewer.pk, creator.pk, guest.username, moderator.pk, mod.username, stranger.pk, NOBODY, "Viewer",
    ]  # fmt: skip

    data = data_of(api(creator).post(BULK, body(stream, *targets)))

    made = LiveStreamBan.objects.get(target=viewer).pk
    assert [tuple(outcome.values()) for outcome in data["outcomes"]] == [
        ("nobody", None, "unknown", "user_not_found", None),
        (viewer.pk, viewer.pk, "banned", None, made),
        (creator.pk, creator.pk, "refused", "cannot_ban_oneself", None),
        ("guest", guest.pk, "refused", "cannot_ban_guest", None),
        (moderator.pk, moderator.pk, "refused", "cannot_ban_staff", None),
        ("mod", mod.pk, "refused", "cannot_ban_staff", None),
        (stranger.pk, stranger.pk, "already_banned", "already_banned", holding.pk),
        (NOBODY, None, "unknown", "user_not_found", None),
        ("Viewer", viewer.pk, "duplicate", None, None),
    ]
    assert (data["banned"], data["alreadyBanned"], data["refused"]) == (1, 1, 4)
    assert LiveStreamBan.objects.count() == 2


def test_a_moderator_cannot_ban_the_creator_in_bulk_either(api: Api, creator: User, stream: LiveStream) -> None:
    data = data_of(api(permitted("mod", "moderate")).post(BULK, body(stream, "creator")))
    assert [(one["outcome"], one["code"]) for one in data["outcomes"]] == [("refused", "cannot_ban_creator")]
    assert data["batchId"] is None


def test_a_name_is_case_folded_as_at_login(api: Api, creator: User, stream: LiveStream) -> None:
    user = make_user("Işık.Ğ")
    assert User.objects.get_by_natural_key("Işık.Ğ") == user

    data = data_of(api(creator).post(BULK, body(stream, "IşıK.Ğ")))

    assert data["outcomes"][0]["targetUserId"] == user.pk


def test_a_dry_run_answers_the_same_and_changes_nothing(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream
) -> None:
    make_ban(stranger, stream)
    sent = body(stream, viewer.pk, stranger.pk, "nobody", creator.pk)
    client = api(creator)
    before = everything()

    dry = data_of(client.post(BULK, sent | {"dryRun": True}))
    assert everything() == before
    done = data_of(client.post(BULK, sent))

    assert (dry["batchId"], dry["dryRun"]) == (None, True)
    assert dry["outcomes"][0]["banId"] is None
    for answer in (dry, done):
        del answer["batchId"], answer["dryRun"], answer["outcomes"][0]["banId"]
    assert dry == done


def test_a_second_identical_call_changes_nothing(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream
) -> None:
    client = api(creator)
    sent = body(stream, viewer.pk, stranger.pk)
    first = data_of(client.post(BULK, sent))
    before = everything()

    second = data_of(client.post(BULK, sent))

    assert everything() == before
    assert (second["batchId"], second["banned"], second["alreadyBanned"]) == (None, 0, 2)
    assert [one["banId"] for one in second["outcomes"]] == [one["banId"] for one in first["outcomes"]]


def test_people_whose_ban_was_lifted_or_lapsed_are_banned_again(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream, now: datetime
) -> None:
    lapsed_ban(viewer, stream)
    services.lift_ban(make_ban(stranger, stream).pk, by=creator, now=now)

    assert data_of(api(creator).post(BULK, body(stream, viewer.pk, stranger.pk)))["banned"] == 2


def test_audit_rows_and_revocations_are_written_in_the_order_sent(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    people = crowd(5)

    data_of(api(creator).post(BULK, body(stream, *(user.pk for user in people), expiresAt="2040-01-01T00:00:00Z")))

    bans = [LiveStreamBan.objects.get(target=user) for user in people]
    entries = list(AuditEntry.objects.filter(action="ban_user").order_by("pk"))
    assert [entry.target_id for entry in entries] == [ban.pk for ban in bans]
    assert {(entry.actor_id, entry.actor_name, entry.entry_point, entry.target_type) for entry in entries} == {
        (creator.pk, "creator", "api", "livestreamban")
    }
    assert [entry.after["target_id"] for entry in entries] == [user.pk for user in people]
    assert len({entry.request_id for entry in entries}) == 1
    revocations = list(Revocation.objects.order_by("pk").values_list("user_id", "action", "until"))
    assert revocations == [(user.pk, "BLOCK", bans[0].expires_at) for user in people]


def test_audit_rows_of_a_bulk_ban_equal_those_of_single_bans(creator: User, viewer: User, stranger: User) -> None:
    stream = make_stream(creator)
    now = timezone.now()
    services.ban_user(viewer.pk, stream.pk, by=creator, now=now, reason="spam")
    services.ban_many(stream.pk, [stranger.pk], by=creator, now=now, reason="spam")

    single, many = AuditEntry.objects.filter(action="ban_user").order_by("pk").values()
    assert single["after"].pop("target_id") == viewer.pk
    assert many["after"].pop("target_id") == stranger.pk
    for entry in (single, many):
        del entry["id"], entry["target_id"]
    assert single == many


@pytest.mark.parametrize("status", ["ended", "cancelled_by_host", "expired"])
def test_nobody_is_banned_from_a_stream_that_is_over(status: str, api: Api, creator: User, viewer: User) -> None:
    assert_refused(api(creator).post(BULK, body(make_stream(creator, status), viewer.pk)), 409, "stream_is_over")


def test_only_the_creator_and_moderators_ban_in_bulk(
    api: Api, viewer: User, guest: User, stranger: User, stream: LiveStream
) -> None:
    for other in (guest, stranger):
        assert_refused(api(other).post(BULK, body(stream, viewer.pk)), 403, "not_creator_or_moderator")
    assert_refused(api().post(BULK, body(stream, viewer.pk)), 401, "authentication_required")
    assert data_of(api(permitted("mod", "moderate")).post(BULK, body(stream, viewer.pk)))["banned"] == 1


def test_an_unknown_stream_is_missing(api: Api, creator: User) -> None:
    sent = {"liveStreamId": NOBODY, "targets": ["x"]}
    assert_refused(api(creator).post(BULK, sent), 404, "stream_not_found")


BAD = {
    "targets: is required": {"targets": None, "without": "targets"},
    "targets: must be a list": {"targets": "viewer"},
    "targets: must have at least 1 items": {"targets": []},
    "targets: must have at most 1000 items": {"targets": ["x"] * 1001},
    "targets.1: must be text": {"targets": ["viewer", 7]},
    "targets.0: must not be empty": {"targets": [""]},
    "targets.0: must have at most 150 characters": {"targets": ["x" * 151]},
    "actionType: must be one of BLOCK, CHAT_ONLY": {"actionType": "KICK"},
    "reason: must have at most 500 characters": {"reason": "x" * 501},
    "expiresAt: must lie in the future": {"expiresAt": "2020-01-01T00:00:00Z"},
    "durationSeconds: must not come with expiresAt": {"durationSeconds": 5, "expiresAt": "2040-01-01T00:00:00Z"},
    "durationSeconds: must be between 1 and 31536000": {"durationSeconds": 0},
    "dryRun: must be true or false": {"dryRun": "yes"},
    "liveStreamId: must be 24 lower-case hexadecimal characters": {"liveStreamId": "x"},
}


@pytest.mark.parametrize(("rule", "wrong"), BAD.items(), ids=BAD)
def test_bad_input_names_the_field_and_the_rule_and_bans_nobody(
    rule: str, wrong: dict[str, Any], api: Api, creator: User, stream: LiveStream, viewer: User
) -> None:
    sent = body(stream, viewer.pk) | wrong
    if field := sent.pop("without", None):
        del sent[field]

    assert_refused(api(creator).post(BULK, sent), 400, "validation_failed", rule)
    assert LiveStreamBan.all_objects.count() == 0


def test_the_number_of_statements_is_the_same_for_three_as_for_a_thousand(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    client = api(creator)
    few, many = crowd(3), crowd(1000)

    def banned(people: list[User]) -> list[str]:
        sent = body(stream, *(user.pk for user in people[::2]), *(user.username for user in people[1::2]))
        return statements(lambda: data_of(client.post(BULK, sent)))

    of_few, of_many = banned(few), banned(many)

    # Caller, creator; lock, stream, names, people, holding bans; insert bans, audit rows and revocations.
    assert len(of_few) == len(of_many) == 10, "\n".join(of_few)
    assert LiveStreamBan.objects.count() == 1003


def test_a_thousand_bans_take_at_most_two_seconds_of_cpu_time(api: Api, creator: User) -> None:
    client = api(creator)

    def seconds() -> float:
        sent = body(make_stream(creator), *(user.username for user in crowd(1000)))
        began = time.process_time()
        assert data_of(client.post(BULK, sent))["banned"] == 1000
        return time.process_time() - began

    assert seconds() <= 2


@pytest.mark.django_db(transaction=True)
def test_of_ten_equal_calls_at_once_each_person_is_banned_once() -> None:
    creator = make_user("creator")
    stream, people = make_stream(creator), crowd(20)

    def ban(_: int) -> Counter[str]:
        batch = services.ban_many(stream.pk, [user.pk for user in people], by=creator, now=timezone.now())
        return Counter(result.outcome for result in batch.results)

    outcomes = sum(at_once(10, ban), Counter())

    assert outcomes == {"banned": 20, "already_banned": 180}
    assert LiveStreamBan.all_objects.count() == AuditEntry.objects.filter(action="ban_user").count() == 20
