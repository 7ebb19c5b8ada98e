"""Moderators who work on the queue at once: one verdict for each ban, and different bans for different people."""

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from bans.models import LiveStreamBan, ReviewClaim
from bans.services import BanClaimed, take_claim
from common.models import AuditEntry
from tests.admin.bans.queue_world import make_moderator, waiting_bans
from tests.admin.conftest import Office
from tests.admin.pages import text_of
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "/admin/bans/review/"


def test_of_two_verdicts_at_once_one_is_given_and_the_other_reason_is_still_there(office: Office) -> None:
    moderators = [make_moderator(name) for name in ("melis", "defne")]
    clients = [office(moderator) for moderator in moderators]
    (ban,) = waiting_bans(1, timezone.now())
    seen = clients[0].get(f"{QUEUE}{ban.pk}/").context["seen"]
    sent = [("upheld", "The recording shows it."), ("lifted", "A joke between friends.")]

    def decide(number: int) -> Any:
        verdict, reason = sent[number]
        return clients[number].post(f"{QUEUE}{ban.pk}/", {"verdict": verdict, "reason": reason, "seen": seen})

    ReviewClaim.objects.all().delete()
    answers = at_once(2, decide)

    assert sorted(answer.status_code for answer in answers) == [302, 409]
    slower = next(number for number, answer in enumerate(answers) if answer.status_code == 409)
    verdict, reason = sent[1 - slower]
    row = LiveStreamBan.all_objects.get(pk=ban.pk)
    assert (row.review, row.reviewed_by) == (verdict, moderators[1 - slower])
    assert [entry.reason for entry in AuditEntry.objects.filter(action="review_ban")] == [reason]
    assert sent[slower][1] in answers[slower].content.decode()

    later = clients[slower].post(f"{QUEUE}{ban.pk}/", {"verdict": "upheld", "reason": "Late.", "seen": seen})
    assert later.status_code == 409
    assert f"{moderators[1 - slower]} was faster" in text_of(later)


def test_moderators_who_ask_at_once_get_different_bans(office: Office) -> None:
    clients = [office(make_moderator(f"moderator{number}")) for number in range(6)]
    list(waiting_bans(8, timezone.now()))

    answers = at_once(6, lambda number: clients[number].get(QUEUE).headers["Location"])

    assert max(Counter(answers).values()) == 1
    assert ReviewClaim.objects.count() == 6


def test_of_many_claims_at_once_one_is_taken() -> None:
    moderators = [make_moderator(f"moderator{number}") for number in range(8)]
    (ban,) = waiting_bans(1, timezone.now())
    now = timezone.now()

    def take(number: int) -> str:
        try:
            take_claim(ban.pk, by=moderators[number], now=now)
        except BanClaimed:
            return "claimed"
        return "taken"

    outcomes = at_once(8, take)

    assert Counter(outcomes) == {"taken": 1, "claimed": 7}
    assert ReviewClaim.objects.get().moderator == moderators[outcomes.index("taken")]
