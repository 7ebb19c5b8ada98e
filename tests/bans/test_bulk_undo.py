"""DELETE /api/v1/live-stream-ban/bulk/{batchId}"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from common.models import AuditEntry
from common.refusals import Refusal
from edges.models import Revocation
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.bans.people import BANS, lapsed_ban, make_ban, permitted
from tests.bans.test_bulk import crowd
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import make_stream
from tests.test_statements import statements

# What happens to a ban before the undo of its batch, and the code with which the undo then skips it.
SINCE: dict[str, str | None] = {
    "nothing": None,
    "appealed": None,
    "lapsed": "ban_lapsed",
    "lifted": "ban_already_lifted",
    "changed": "ban_changed_since",
    "changed and changed back": "ban_changed_since",
    "upheld": "ban_changed_since",
    "lifted and banned again": "ban_already_lifted",
}


def undo_url(batch_id: str | None) -> str:
    return f"{BANS}/bulk/{batch_id}"


def ban_batch(stream: LiveStream, people: list[User], **ban: Any) -> str:
    now = ban.pop("now", None) or timezone.now()
    batch = services.ban_many(stream.pk, [user.pk for user in people], by=stream.creator, now=now, **ban)
    assert batch.id is not None
    return batch.id


def change(what: str, ban: LiveStreamBan, now: datetime, reviewer: User) -> None:
    by = ban.created_by
    match what:
        case "appealed":
            services.appeal_ban(ban.pk, by=ban.target, now=now, text="It was not me")
        case "lapsed":
            # Set in the row, because a test cannot wait until a ban ends.
            LiveStreamBan.objects.filter(pk=ban.pk).update(expires_at=ban.created_at + timedelta(microseconds=1))
        case "lifted":
            services.lift_ban(ban.pk, by=by, now=now)
        case "changed":
            services.change_ban(ban.pk, by=by, now=now, changes={"action_type": "CHAT_ONLY"})
        case "changed and changed back":
            # With a time before the ban, so that `updated_at` does not show the change.
            for kind in ("CHAT_ONLY", "BLOCK"):
                changes = {"action_type": kind}
                services.change_ban(ban.pk, by=by, now=ban.created_at - timedelta(seconds=1), changes=changes)
        case "upheld":
            services.review_ban(ban.pk, by=reviewer, now=now, verdict=LiveStreamBan.Review.UPHELD, reason="right")
        case "lifted and banned again":
            services.lift_ban(ban.pk, by=by, now=now)
            services.ban_user(ban.target_id, ban.stream_id, by=by, now=now + timedelta(seconds=1))


def test_every_ban_of_the_batch_is_lifted(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream
) -> None:
    batch_id = ban_batch(stream, [viewer, stranger])
    bans = list(LiveStreamBan.objects.order_by("pk"))

    data = data_of(api(creator).delete(undo_url(batch_id)))

    assert data == {
        "batchId": batch_id,
        "lifted": 2,
        "skipped": 0,
        "requestId": None,
        "outcomes": [
            {
                "target": ban.target_id,
                "targetUserId": ban.target_id,
                "outcome": "lifted",
                "code": None,
                "banId": ban.pk,
            }
            for ban in bans
        ],
    }
    assert set(LiveStreamBan.all_objects.values_list("deleted_by", flat=True)) == {creator.pk}
    assert LiveStreamBan.objects.count() == 0
    revocations = Revocation.objects.filter(action="LIFTED").order_by("pk")
    assert list(revocations.values_list("user_id", flat=True)) == [ban.target_id for ban in bans]
    entries = AuditEntry.objects.filter(action="undo_ban").order_by("pk")
    assert [entry.target_id for entry in entries] == [ban.pk for ban in bans]
    assert {entry.before["deleted_at"] for entry in entries} == {None}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(st.sampled_from(list(SINCE)), min_size=1, max_size=8), others=st.integers(0, 3))
def test_an_undo_lifts_the_unchanged_bans_of_the_batch_and_changes_nothing_else(
    histories: list[str], others: int, api: Api, creator: User, moderator: User
) -> None:
    now = timezone.now()
    stream = make_stream(creator)
    reviewer = User.objects.filter(username="mod").first() or permitted("mod", "moderate")
    people, bystanders = crowd(len(histories)), crowd(3)
    for bystander in bystanders[:others]:
        make_ban(bystander, stream, now=now - timedelta(hours=1))
    lapsed_ban(people[0], stream)
    batch_id = ban_batch(stream, people, now=now)
    ban_batch(stream, bystanders[others:] or crowd(1), now=now)
    bans = {ban.target_id: ban for ban in LiveStreamBan.objects.filter(batch_id=batch_id)}
    for person, what in zip(people, histories, strict=True):
        change(what, bans[person.pk], now, reviewer)
    as_made = [bans[person.pk].pk for person, what in zip(people, histories, strict=True) if SINCE[what] is None]
    others_before = list(LiveStreamBan.all_objects.exclude(pk__in=as_made).order_by("pk").values())
    own_before: list[Any] = list(LiveStreamBan.all_objects.filter(pk__in=as_made).order_by("pk").values())
    trail = list(AuditEntry.objects.order_by("pk").values())

    data = data_of(api(creator).delete(undo_url(batch_id)))

    outcomes = {one["targetUserId"]: (one["outcome"], one["code"]) for one in data["outcomes"]}
    assert outcomes == {
        person.pk: ("skipped", SINCE[what]) if SINCE[what] else ("lifted", None)
        for person, what in zip(people, histories, strict=True)
    }
    assert list(LiveStreamBan.all_objects.exclude(pk__in=as_made).order_by("pk").values()) == others_before
    own_after: list[Any] = list(LiveStreamBan.all_objects.filter(pk__in=as_made).order_by("pk").values())
    for before, after in zip(own_before, own_after, strict=True):
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"deleted_at", "deleted_by_id", "updated_at"}
    assert list(AuditEntry.objects.order_by("pk").values())[: len(trail)] == trail


def test_pending_appeals_against_the_lifted_bans_are_approved(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream, now: datetime
) -> None:
    batch_id = ban_batch(stream, [viewer, stranger])
    ban = LiveStreamBan.objects.get(target=viewer)
    services.appeal_ban(ban.pk, by=viewer, now=now, text="It was not me")

    data_of(api(creator).delete(undo_url(batch_id)))

    assert Appeal.objects.get().state == "approved"
    assert AuditEntry.objects.filter(action="approve_appeal").count() == 1


def test_a_batch_is_undone_once(api: Api, creator: User, viewer: User, stream: LiveStream) -> None:
    client, batch_id = api(creator), ban_batch(stream, [viewer])
    data_of(client.delete(undo_url(batch_id)))
    before = list(LiveStreamBan.all_objects.values())

    assert_refused(client.delete(undo_url(batch_id)), 409, "batch_already_undone")
    assert list(LiveStreamBan.all_objects.values()) == before


def test_a_ban_made_after_the_undo_does_not_belong_to_the_batch(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    client, batch_id = api(creator), ban_batch(stream, [viewer])
    data_of(client.delete(undo_url(batch_id)))
    again = make_ban(viewer, stream)

    assert_refused(client.delete(undo_url(batch_id)), 409, "batch_already_undone")
    assert LiveStreamBan.objects.get() == again


def test_an_unknown_batch_is_missing(api: Api, creator: User, viewer: User, stream: LiveStream) -> None:
    ban = make_ban(viewer, stream)
    assert_refused(api(creator).delete(undo_url("0" * 24)), 404, "batch_not_found")
    assert_refused(api(creator).delete(undo_url(ban.pk)), 404, "batch_not_found")
    assert_refused(
        api(creator).delete(undo_url("x")),
        400,
        "validation_failed",
        "batchId: must be 24 lower-case hexadecimal characters",
    )


def test_only_the_creator_and_moderators_undo(api: Api, viewer: User, stranger: User, stream: LiveStream) -> None:
    batch_id = ban_batch(stream, [viewer])
    for other in (viewer, stranger):
        assert_refused(api(other).delete(undo_url(batch_id)), 403, "not_creator_or_moderator")
    assert_refused(api().delete(undo_url(batch_id)), 401, "authentication_required")
    assert data_of(api(permitted("mod", "moderate")).delete(undo_url(batch_id)))["lifted"] == 1


def test_the_batch_of_a_deleted_stream_is_missing_until_the_stream_is_restored(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator)
    batch_id = ban_batch(stream, [viewer])
    streams.delete_stream(stream.pk, by=creator, now=now)
    for caller in (creator, viewer, permitted("mod", "moderate")):
        assert_refused(api(caller).delete(undo_url(batch_id)), 404, "batch_not_found")

    streams.restore_stream(stream.pk, by=creator, now=now)
    assert data_of(api(creator).delete(undo_url(batch_id)))["lifted"] == 1


def test_the_number_of_statements_is_the_same_for_three_as_for_three_hundred(
    api: Api, creator: User, stream: LiveStream
) -> None:
    client = api(creator)
    batches = [ban_batch(stream, crowd(3)), ban_batch(stream, crowd(300))]

    few, many = (statements(lambda at=at: data_of(client.delete(undo_url(at)))) for at in batches)  # type: ignore[misc]

    # Caller, stream of the batch, creator; stream again, lock, bans, appeals; update, audit rows, revocations.
    assert len(few) == len(many) == 10, "\n".join(few)


@pytest.mark.django_db(transaction=True)
def test_of_ten_undos_at_once_one_lifts() -> None:
    creator = make_user("creator")
    batch_id = ban_batch(make_stream(creator), crowd(10))

    def undo(_: int) -> str:
        try:
            return str(len(services.undo_batch(batch_id, by=creator, now=timezone.now())))
        except Refusal as refusal:
            return refusal.code

    assert Counter(at_once(10, undo)) == {"10": 1, "batch_already_undone": 9}
    assert AuditEntry.objects.filter(action="undo_ban").count() == 10
