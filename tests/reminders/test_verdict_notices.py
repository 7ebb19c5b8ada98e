"""Notices in the inbox of a banned person about verdicts on the ban."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone, translation

from accounts.models import User
from bans import services as bans
from bans.models import LiveStreamBan
from common.refusals import Conflict
from livestreams.models import LiveStream
from reminders.models import Notification, VerdictKind
from reminders.texts import message_of
from tests.bans import reviewing
from tests.bans.people import make_ban, permitted
from tests.bans.reviewing import Review, appeal, undo
from tests.conftest import Api, make_user
from tests.envelope import data_of
from tests.races import at_once
from tests.reminders.asking import NOTIFICATIONS, read_url
from tests.streams import make_stream

NOTE = "second account of a known spammer"
review = partial(reviewing.review, reason=NOTE)


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator, "active", title="Ask me anything")


@pytest.fixture
def ban(viewer: User, stream: LiveStream) -> LiveStreamBan:
    return make_ban(viewer, stream)


def inbox(api: Api, user: User) -> list[Any]:
    found: list[Any] = data_of(api(user).get(NOTIFICATIONS))["list"]
    return found


def test_a_notice_of_a_verdict_has_the_documented_fields(
    api: Api, ban: LiveStreamBan, viewer: User, moderator: User
) -> None:
    appeal(ban)
    reviewed = review(ban, moderator, Review.LIFTED, message="Sorry.")

    (notice,) = inbox(api, viewer)

    assert notice["metadata"] == {
        "streamId": ban.stream_id, "kind": "appeal_decided", "plannedStartDate": None, "banId": ban.pk,
    }  # fmt: skip
    assert (notice["type"], notice["category"], notice["read"]) == ("system", "live_stream", False)
    assert notice["title"] == "Your appeal was decided"
    assert notice["message"] == (
        "Your appeal against the ban on “Ask me anything” was granted: the ban was lifted. A moderator writes: Sorry."
    )
    assert Notification.objects.get().created_at == reviewed.reviewed_at
    assert data_of(api(viewer).get(f"{NOTIFICATIONS}/unread-count".replace("v2", "v1")))["unreadCount"] == 1
    assert NOTE not in str(notice)


@pytest.mark.parametrize(
    ("is_appealed", "verdict", "more", "text"),
    [
        (True, Review.UPHELD, {}, "was denied: the ban stays."),
        (True, Review.LIFTED, {}, "was granted: the ban was lifted."),
        (True, Review.CHANGED, {}, "was granted: the ban was changed."),
        (True, Review.CHANGED, {"decision": "denied"}, "was denied, and the ban was changed."),
        (False, Review.LIFTED, {}, "was lifted."),
        (False, Review.CHANGED, {}, "was changed."),
        (False, Review.UPHELD, {"message": "Once more, and it is for ever."}, "was reviewed: it stays."),
        (False, Review.UPHELD, {}, None),
    ],
)  # fmt: skip
def test_the_notice_says_what_became_of_ban_and_appeal(
    is_appealed: bool, verdict: Review, more: dict[str, Any], text: str | None,
    api: Api, ban: LiveStreamBan, viewer: User, moderator: User,
) -> None:  # fmt: skip
    if is_appealed:
        appeal(ban)
    review(ban, moderator, verdict, **more)

    notices = inbox(api, viewer)

    assert len(notices) == (text is not None)
    for notice in notices:
        assert notice["metadata"]["kind"] == ("appeal_decided" if is_appealed else "ban_reviewed")
        assert str(text) in notice["message"]
        assert notice["message"].endswith(f"{more['message']}" if "message" in more else str(text))


def test_texts_are_in_the_language_of_the_reader(api: Api, ban: LiveStreamBan, viewer: User, moderator: User) -> None:
    review(ban, moderator, Review.LIFTED)
    client = api(viewer)
    english = data_of(client.get(NOTIFICATIONS))["list"][0]
    turkish = data_of(client.get(NOTIFICATIONS, headers={"X-Language": "tr"}))["list"][0]
    assert english["title"] == "Your ban was reviewed"
    assert turkish["title"] == "Banınız incelendi"
    assert "kaldırıldı" in turkish["message"]


DETAILS = [
    (VerdictKind.APPEAL_DECIDED, {"appeal": state, "verdict": verdict})
    for state in ("approved", "denied")
    for verdict in ("upheld", "changed", "lifted", "holds_again")
]
DETAILS += [(VerdictKind.BAN_REVIEWED, {"verdict": one}) for one in ("upheld", "changed", "lifted", "holds_again")]
DETAILS += [(VerdictKind.VERDICT_WITHDRAWN, {})]


@pytest.mark.parametrize(("kind", "details"), DETAILS, ids=str)
def test_every_text_is_translated_and_names_the_stream(kind: str, details: dict[str, str], now: datetime) -> None:
    texts = set()
    for language in ("en", "tr"):
        with translation.override(language):
            text = message_of(kind, "Title", None, now, details)
        assert "Title" in text
        assert "%" not in text
        texts.add(text)
    assert len(texts) == 2


def test_an_overruled_lift_is_reported_as_a_ban_that_holds_again(
    api: Api, ban: LiveStreamBan, viewer: User, moderator: User
) -> None:
    review(ban, moderator, Review.LIFTED)
    bans.overrule_review(
        ban.pk, by=permitted("senior", "overrule"), now=timezone.now(), verdict=Review.UPHELD, reason=NOTE
    )
    assert [one["message"][-12:] for one in inbox(api, viewer)] == ["holds again.", " was lifted."]


def test_a_person_with_two_bans_on_a_stream_has_a_notice_for_each(
    api: Api, ban: LiveStreamBan, viewer: User, moderator: User, stream: LiveStream
) -> None:
    review(ban, moderator, Review.LIFTED)
    second = make_ban(viewer, stream)
    review(second, moderator, Review.LIFTED)
    assert [one["metadata"]["banId"] for one in inbox(api, viewer)] == [second.pk, ban.pk]


def test_a_lift_outside_a_review_is_reported_if_it_grants_an_appeal(
    api: Api, ban: LiveStreamBan, viewer: User, creator: User, moderator: User
) -> None:
    review(ban, moderator, Review.CHANGED, message="Chat less.")
    appeal(ban)
    bans.lift_ban(ban.pk, by=creator, now=timezone.now())
    newest = inbox(api, viewer)[0]
    assert newest["metadata"]["kind"] == "appeal_decided"
    # Without the message of the verdict before it.
    assert newest["message"] == "Your appeal against the ban on “Ask me anything” was granted: the ban was lifted."


def test_the_undo_of_a_batch_is_reported_to_those_who_had_appealed(
    api: Api, stream: LiveStream, viewer: User, guest: User, creator: User
) -> None:
    batch = bans.ban_many(stream.pk, [viewer.pk, guest.pk], by=creator, now=timezone.now())
    appeal(LiveStreamBan.objects.get(target=viewer))
    bans.undo_batch(batch.id or "", by=creator, now=timezone.now())
    assert [one["metadata"]["kind"] for one in inbox(api, viewer)] == ["appeal_decided"]
    assert inbox(api, guest) == []


def test_a_lift_without_an_appeal_leaves_no_notice(ban: LiveStreamBan, creator: User) -> None:
    bans.lift_ban(ban.pk, by=creator, now=timezone.now())
    assert not Notification.objects.exists()


def test_a_refused_verdict_leaves_no_notice(ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    with pytest.raises(Conflict):
        review(ban, moderator, Review.CHANGED, changes={})
    assert not Notification.objects.exists()


# --- undo -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_appealed", [False, True])
def test_an_unread_notice_disappears_with_its_verdict(
    is_appealed: bool, api: Api, ban: LiveStreamBan, viewer: User, moderator: User, stream: LiveStream
) -> None:
    other = make_ban(viewer, make_stream(make_user("host"), "active"))
    review(other, moderator, Review.LIFTED)
    if is_appealed:
        appeal(ban)
    review(ban, moderator, Review.LIFTED)

    undo(ban, moderator)

    assert [one["metadata"]["banId"] for one in inbox(api, viewer)] == [other.pk]


def test_a_notice_that_was_read_is_corrected_by_another(
    api: Api, ban: LiveStreamBan, viewer: User, moderator: User
) -> None:
    appeal(ban)
    review(ban, moderator, Review.LIFTED)
    client = api(viewer)
    data_of(client.patch(read_url(Notification.objects.get()), {"isRead": True}))

    undo(ban, moderator)

    correction, first = inbox(api, viewer)
    assert (correction["metadata"]["kind"], correction["metadata"]["banId"]) == ("verdict_withdrawn", ban.pk)
    assert "was taken back" in correction["message"]
    assert (correction["read"], first["read"]) == (False, True)


def test_a_verdict_without_a_notice_is_undone_without_one(ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, Review.UPHELD)
    undo(ban, moderator)
    assert not Notification.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(3))
def test_a_notice_that_is_read_while_its_verdict_is_taken_back_is_removed_or_corrected(attempt: int) -> None:
    from reminders import services  # noqa: PLC0415 - beside the services of bans

    viewer, moderator = make_user("viewer"), make_user("moderator")
    ban = make_ban(viewer, make_stream(make_user("creator"), "active"))
    review(ban, moderator, Review.LIFTED)
    notice = Notification.objects.get()

    def run(number: int) -> bool:
        if number == 0:
            undo(ban, moderator)
            return True
        try:
            services.mark_notification(notice.pk, by=viewer, now=timezone.now() + timedelta(seconds=1), read=True)
        except services.NotificationMissing:
            return False
        return True

    _, was_read = at_once(2, run)

    kinds = set(Notification.objects.values_list("kind", flat=True))
    assert kinds == ({"ban_reviewed", "verdict_withdrawn"} if was_read else set())
