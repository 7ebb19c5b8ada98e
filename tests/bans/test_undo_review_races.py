"""Undoing a verdict while others decide, object or undo too: exactly one change counts."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from bans import services
from bans.models import Appeal, LiveStreamBan
from common.models import AuditEntry
from edges.models import Revocation
from tests.bans.people import make_ban
from tests.bans.test_races import outcome
from tests.conftest import make_user
from tests.races import at_once
from tests.streams import make_stream

Review = LiveStreamBan.Review
pytestmark = pytest.mark.django_db(transaction=True)


def reviewed(verdict: Review) -> tuple[LiveStreamBan, Any]:
    moderator = make_user("moderator")
    ban = make_ban(make_user("viewer"), make_stream(make_user("creator"), "active"))
    services.review_ban(ban.pk, by=moderator, now=timezone.now(), verdict=verdict, reason="Seen.")
    return ban, moderator


def newest_actions(ban: LiveStreamBan) -> list[str]:
    return list(AuditEntry.objects.filter(target_id=ban.pk).order_by("pk").values_list("action", flat=True))


def test_of_many_undos_one_is_made() -> None:
    ban, moderator = reviewed(Review.LIFTED)

    outcomes = at_once(8, lambda _: outcome(lambda: services.undo_review(ban.pk, by=moderator, now=timezone.now())))

    assert Counter(outcomes) == {"done": 1, "no_verdict_to_undo": 7}
    assert newest_actions(ban) == ["ban_user", "review_ban", "undo_review"]
    assert list(Revocation.objects.order_by("pk").values_list("action", flat=True)) == ["BLOCK", "LIFTED", "BLOCK"]


@pytest.mark.parametrize("attempt", range(5))
def test_an_undo_and_another_verdict_leave_one_order(attempt: int) -> None:
    """The other verdict is refused before the undo and possible after it."""
    ban, moderator = reviewed(Review.UPHELD)
    other, now = make_user("other"), timezone.now()
    calls: list[Callable[[], object]] = [
        lambda: services.undo_review(ban.pk, by=moderator, now=now),
        lambda: services.review_ban(ban.pk, by=other, now=now, verdict=Review.LIFTED, reason="x"),
    ]

    undone, decided = at_once(2, lambda number: outcome(calls[number]))

    row = LiveStreamBan.all_objects.get(pk=ban.pk)
    assert undone == "done"
    expected = {"ban_already_reviewed": (Review.UNREVIEWED, None), "done": (Review.LIFTED, other.pk)}
    assert (row.review, row.reviewed_by_id) == expected[decided]
    assert row.is_deleted == (decided == "done")


@pytest.mark.parametrize("attempt", range(5))
def test_an_undo_and_an_appeal_leave_one_order(attempt: int) -> None:
    ban, moderator = reviewed(Review.UPHELD)
    now = timezone.now()
    calls: list[Callable[[], object]] = [
        lambda: services.undo_review(ban.pk, by=moderator, now=now),
        lambda: services.appeal_ban(ban.pk, by=ban.target, now=now, text="No."),
    ]

    undone, appealed = at_once(2, lambda number: outcome(calls[number]))

    assert appealed == "done"
    assert Appeal.objects.get().state == "pending"
    row = LiveStreamBan.all_objects.get(pk=ban.pk)
    assert {"done": Review.UNREVIEWED, "verdict_not_last": Review.UPHELD}[undone] == row.review


def test_an_undo_of_a_lift_and_a_new_ban_leave_one_ban() -> None:
    ban, moderator = reviewed(Review.LIFTED)
    now = timezone.now()
    calls: list[Callable[[], object]] = [
        lambda: services.undo_review(ban.pk, by=moderator, now=now),
        lambda: services.ban_user(ban.target_id, ban.stream_id, by=ban.created_by, now=now),
    ]

    outcomes = at_once(2, lambda number: outcome(calls[number]))

    assert Counter(outcomes) == {"done": 1, "already_banned": 1}
    assert LiveStreamBan.objects.holding(timezone.now()).count() == 1
