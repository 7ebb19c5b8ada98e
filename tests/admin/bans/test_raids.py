"""The page of a raid: one decision on all bans of a batch."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.bans.reviewing import appeal, review
from tests.admin.conftest import Office
from tests.admin.pages import messages_of, text_of
from tests.conftest import make_user

REASON = {"reason": "They came together."}

type Raid = Callable[[int], str]


@pytest.fixture
def raid(stream: LiveStream, now: datetime) -> Raid:
    """Bans so many people in one call, and returns the id of the batch."""

    def banned(count: int) -> str:
        names = [make_user(f"raider{number:02}").username for number in range(count)]
        batch = services.ban_many(stream.pk, names, by=stream.creator, now=now, reason="All at once")
        assert batch.id is not None
        return batch.id

    return banned


def url(batch_id: str) -> str:
    return reverse("admin:raid", args=[batch_id])


def bans_of(batch_id: str) -> list[LiveStreamBan]:
    return list(
        LiveStreamBan.all_objects.filter(batch_id=batch_id).select_related("target").order_by("target__username")
    )


def values_of(batch_id: str) -> list[Any]:
    return list(LiveStreamBan.all_objects.filter(batch_id=batch_id).order_by("pk").values())


def test_it_shows_what_is_decided(office: Office, moderator: User, raid: Raid) -> None:
    batch_id = raid(70)
    text = text_of(office(moderator).get(url(batch_id)))
    for part in (
        "Gece sohbeti",
        "All at once",
        "people 70 unreviewed 70",
        "raider00",
        "and 10 more",
        "Keep all 70 bans",
    ):
        assert part in text


@pytest.mark.parametrize(("verdict", "message"), [("upheld", ""), ("lifted", "It was a misunderstanding.")])
def test_a_decision_is_given_to_all(verdict: str, message: str, office: Office, moderator: User, raid: Raid) -> None:
    batch_id = raid(3)
    client = office(moderator)

    answer = client.post(url(batch_id), REASON | {"verdict": verdict, "message": message})

    assert answer.headers["Location"] == "/admin/"
    assert messages_of(answer) == [f"3 bans were {verdict}."]
    for ban in bans_of(batch_id):
        assert (ban.review, ban.reviewed_by_id, ban.verdict_message) == (verdict, moderator.pk, message or None)
        assert ban.is_deleted is (verdict == "lifted")
        assert AuditEntry.objects.get(target_id=ban.pk, action="review_ban").reason == REASON["reason"]
    text = text_of(client.get(url(batch_id)))
    assert "All bans of this raid have been decided." in text
    assert "Keep" not in text


def test_bans_with_an_appeal_are_kept_for_a_decision_of_their_own(office: Office, moderator: User, raid: Raid) -> None:
    batch_id = raid(3)
    appeal(bans_of(batch_id)[0])
    client = office(moderator)
    text = text_of(client.get(url(batch_id)))
    assert "1 person has appealed." in text
    assert "Keep all 2 bans" in text
    assert "Lift all 3 bans" in text

    answer = client.post(url(batch_id), REASON | {"verdict": "upheld"})

    assert messages_of(answer)[0] == "2 bans were upheld."
    assert messages_of(answer)[1].startswith("1 ban was left as it is: an appeal against the ban is pending")
    assert Appeal.objects.get().state == Appeal.State.PENDING


def test_decided_bans_are_left_as_they_are(office: Office, moderator: User, raid: Raid) -> None:
    batch_id = raid(3)
    other = make_user("other-moderator", is_staff=True)
    review(bans_of(batch_id)[0], other, LiveStreamBan.Review.LIFTED)
    answer = office(moderator).post(url(batch_id), REASON | {"verdict": "upheld"})
    assert messages_of(answer)[0] == "2 bans were upheld."
    assert [ban.review for ban in bans_of(batch_id)] == ["lifted", "upheld", "upheld"]


@pytest.mark.parametrize("sent", [{}, REASON, {"verdict": "upheld"}, REASON | {"verdict": "changed"}])
def test_without_a_verdict_and_a_reason_nothing_changes(
    sent: dict[str, str], office: Office, moderator: User, raid: Raid
) -> None:
    batch_id = raid(2)
    before, entries = values_of(batch_id), AuditEntry.objects.count()
    answer = office(moderator).post(url(batch_id), sent)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert (values_of(batch_id), AuditEntry.objects.count()) == (before, entries)


@pytest.mark.parametrize("who", ["reader", "creator", "viewer"])
def test_a_crafted_post_is_forbidden_and_changes_nothing(who: str, request: Any, office: Office, raid: Raid) -> None:
    batch_id = raid(2)
    before, entries = values_of(batch_id), AuditEntry.objects.count()
    client = office(request.getfixturevalue(who))

    answer = client.post(url(batch_id), REASON | {"verdict": "lifted"})

    assert answer.status_code == 403
    assert (values_of(batch_id), AuditEntry.objects.count()) == (before, entries)


def test_who_may_not_decide_sees_no_form(office: Office, reader: User, raid: Raid) -> None:
    answer = office(reader).get(url(raid(2)))
    assert answer.status_code == 200
    assert b'name="verdict"' not in answer.content


@pytest.mark.parametrize("batch_id", ["0" * 24, "nonsense"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_batch_that_does_not_exist_is_not_found(batch_id: str, method: str, office: Office, moderator: User) -> None:
    answer = getattr(office(moderator), method)(url(batch_id), REASON | {"verdict": "upheld"})
    assert answer.status_code == 404


def test_the_number_of_statements_does_not_depend_on_the_number_of_bans(
    office: Office, moderator: User, raid: Raid, stream: LiveStream, now: datetime
) -> None:
    def statements(client: Client, batch_id: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(url(batch_id))
        return len(captured)

    client = office(moderator)
    few = services.ban_many(stream.pk, [make_user("single").username], by=stream.creator, now=now).id
    assert few is not None
    many = raid(50)
    statements(client, few)
    assert statements(client, few) == statements(client, many) <= 15
