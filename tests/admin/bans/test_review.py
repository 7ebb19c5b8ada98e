"""Admin actions that review bans, one or many at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from bans.models import Appeal, LiveStreamBan
from common.models import AuditEntry
from common.times import written_exactly
from livestreams.models import LiveStream
from tests.admin.bans.reviewing import ACTIONS, BLOCK, CHAT_ONLY, HOUR, REASON, review, row_of
from tests.admin.conftest import Office
from tests.admin.pages import action_url, change_many, messages_of
from tests.bans.people import make_ban
from tests.conftest import make_user


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("many", [False, True])
def test_an_action_records_a_review_with_reviewer_and_reason(
    action: str, many: bool, viewer: User, stream: LiveStream, office: Office, moderator: User
) -> None:
    start = timezone.now()
    kind = CHAT_ONLY if action == "block_watching" else BLOCK
    ban = make_ban(viewer, stream, action_type=kind, expires_at=start + timedelta(days=30))
    client = office(moderator)

    if many:
        answer = change_many(client, action, [ban], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(ban, action), REASON)

    row = row_of(ban)
    verdict = {"uphold_ban": "upheld", "lift_ban": "lifted"}.get(action, "changed")
    assert messages_of(answer) == [f"1 ban was {verdict}."]
    assert (row["review"], row["reviewed_by_id"]) == (verdict, moderator.pk)
    assert (row["deleted_at"] is not None) == (action == "lift_ban")
    assert row["action_type"] == {"block_watching": BLOCK, "block_writing": CHAT_ONLY}.get(action, kind)
    length = {"end_in_an_hour": HOUR, "end_in_a_day": 24 * HOUR, "end_in_a_week": 168 * HOUR}.get(action, 720 * HOUR)
    if action == "hold_until_lifted":
        assert row["expires_at"] is None
    else:
        assert timedelta(0) <= row["expires_at"] - start - length < timedelta(minutes=1)
    entry = AuditEntry.objects.get(action="review_ban")
    assert (entry.entry_point, entry.actor_id, entry.reason) == ("admin", moderator.pk, REASON["reason"])


def test_of_many_bans_each_is_lifted_or_refused_and_appeals_are_decided(
    all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    bans = list(LiveStreamBan.all_objects.select_related("target"))

    answer = change_many(office(moderator), "lift_ban", bans, confirmed="yes", **REASON)

    assert messages_of(answer)[0] == "6 bans were lifted."
    assert messages_of(answer)[1].endswith(": the ban has been lifted already")
    assert Appeal.objects.get().state == "approved"


@pytest.mark.parametrize("action", ["uphold_ban", "lift_ban", "change_ban", "end_in_a_day"])
def test_the_slower_of_two_moderators_sees_who_decided(
    action: str, ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    review(ban, make_user("faster"), "upheld")
    before = row_of(ban)

    answer = office(moderator).post(action_url(ban, action), {"action_type": "CHAT_ONLY"} | REASON)

    (message,) = messages_of(answer)
    assert f"faster has reviewed the ban already, on {written_exactly(before['reviewed_at'])}: upheld" in message
    assert row_of(ban) == before
