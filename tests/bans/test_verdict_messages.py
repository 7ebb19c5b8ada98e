"""What a moderator writes to the banned person about the verdict, beside the reason that only moderators read."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LONGEST_MESSAGE, LiveStreamBan
from common.models import AuditEntry
from common.refusals import Invalid
from tests.bans.people import BANS, ban_url, permitted
from tests.conftest import Api, make_user
from tests.envelope import data_of

Review = LiveStreamBan.Review
CHAT_ONLY = LiveStreamBan.ActionType.CHAT_ONLY
NOTE, MESSAGE = "second account of a known spammer", "Bağlantı paylaşmak bu yayında olmaz, lütfen sohbette kal."


def review(ban: LiveStreamBan, by: User, verdict: Review = Review.UPHELD, **more: Any) -> LiveStreamBan:
    changes = {"action_type": CHAT_ONLY} if verdict == Review.CHANGED else None
    return services.review_ban(ban.pk, by=by, now=timezone.now(), verdict=verdict, reason=NOTE, changes=changes, **more)


def appeal(ban: LiveStreamBan, now: datetime | None = None) -> None:
    services.appeal_ban(ban.pk, by=ban.target, now=now or timezone.now(), text="It was my brother.")


def read_appeal(api: Api, ban: LiveStreamBan) -> Any:
    return data_of(api(ban.target).get(f"{ban_url(ban)}/appeal"))


def read_mine(api: Api, ban: LiveStreamBan) -> Any:
    return data_of(api(ban.target).get(f"{BANS}/mine"))["list"][0]


@pytest.mark.parametrize("verdict", [Review.UPHELD, Review.CHANGED, Review.LIFTED])
def test_the_banned_person_reads_the_message_and_never_the_reason(
    verdict: Review, api: Api, ban: LiveStreamBan, moderator: User
) -> None:
    appeal(ban)
    review(ban, moderator, verdict, message=MESSAGE)

    assert read_appeal(api, ban)["verdictMessage"] == MESSAGE
    mine = read_mine(api, ban)
    assert (mine["verdictMessage"], mine["appeal"]["verdictMessage"]) == (MESSAGE, MESSAGE)
    listed = data_of(api(ban.target).get(f"{BANS}/appeals"))["list"][0]
    assert listed["verdictMessage"] == MESSAGE
    for path in (f"{ban_url(ban)}/appeal", f"{BANS}/mine", f"{BANS}/appeals", ban_url(ban)):
        assert NOTE not in api(ban.target).get(path).content.decode()
    entry = AuditEntry.objects.get(action="review_ban")
    assert (entry.reason, entry.after["verdict_message"]) == (NOTE, MESSAGE)


def test_a_ban_without_an_appeal_has_its_message_in_the_persons_own_list(
    api: Api, ban: LiveStreamBan, moderator: User
) -> None:
    review(ban, moderator, message=MESSAGE)
    assert read_mine(api, ban)["verdictMessage"] == MESSAGE
    assert "verdictMessage" not in data_of(api(ban.target).get(ban_url(ban)))


def test_without_a_message_it_is_null(api: Api, ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    review(ban, moderator)
    assert read_appeal(api, ban)["verdictMessage"] is None
    assert "verdict_message" not in AuditEntry.objects.get(action="review_ban").after


def test_a_message_about_the_verdict_before_the_appeal_is_not_shown_as_the_answer_to_it(
    api: Api, ban: LiveStreamBan, moderator: User
) -> None:
    review(ban, moderator, message=MESSAGE)
    appeal(ban)
    assert read_appeal(api, ban)["verdictMessage"] is None

    services.lift_ban(ban.pk, by=ban.created_by, now=timezone.now())

    assert (read_appeal(api, ban)["status"], read_appeal(api, ban)["verdictMessage"]) == ("approved", None)


def test_the_next_verdict_replaces_the_message_also_by_none(api: Api, ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    review(ban, moderator, message=MESSAGE)
    review(ban, moderator, Review.LIFTED)
    assert read_appeal(api, ban)["verdictMessage"] is None


def test_overruling_has_a_message_of_its_own(api: Api, ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    review(ban, moderator, message="No.")
    senior = permitted("senior", "overrule")
    services.overrule_review(ban.pk, by=senior, now=timezone.now(), verdict=Review.LIFTED, reason=NOTE, message=MESSAGE)
    assert read_appeal(api, ban)["verdictMessage"] == MESSAGE


def test_an_undo_restores_the_message_of_the_verdict_before(api: Api, ban: LiveStreamBan, moderator: User) -> None:
    appeal(ban)
    review(ban, moderator, message="First.")
    review(ban, moderator, Review.LIFTED, message="Second.")

    services.undo_review(ban.pk, by=moderator, now=timezone.now())

    assert read_appeal(api, ban)["verdictMessage"] == "First."


def test_a_longer_message_is_refused_and_changes_nothing(ban: LiveStreamBan, moderator: User) -> None:
    review(ban, moderator, message="x" * LONGEST_MESSAGE)
    with pytest.raises(Invalid) as refused:
        review(ban, moderator, Review.LIFTED, message="x" * (LONGEST_MESSAGE + 1))
    assert refused.value.reasons == ["message: must have at most 500 characters"]
    assert LiveStreamBan.objects.get().review == Review.UPHELD


# --- the permission to overrule -------------------------------------------------------------------


def test_overruling_needs_its_permission_and_no_superuser(ban: LiveStreamBan, moderator: User, now: datetime) -> None:
    review(ban, moderator)
    later = now + timedelta(minutes=1)
    lifted: dict[str, Any] = {"verdict": Review.LIFTED, "reason": "x", "now": later}

    for other in (permitted("mod", "moderate"), permitted("figures", "view_team_figures"), make_user("nobody")):
        with pytest.raises(services.OverrulingRefused):
            services.overrule_review(ban.pk, by=other, **lifted)

    services.overrule_review(ban.pk, by=permitted("senior", "overrule"), **lifted)
    assert not LiveStreamBan.objects.exists()
