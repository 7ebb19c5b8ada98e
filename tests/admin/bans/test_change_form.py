"""The form that changes kind and end of one ban."""

from datetime import datetime

import pytest

from accounts.models import User
from bans.models import LiveStreamBan
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.bans.reviewing import HOUR, REASON, row_of
from tests.admin.conftest import Office
from tests.admin.pages import action_url, messages_of, page_url, text_of
from tests.bans.people import make_ban


def test_kind_and_end_are_changed(ban: LiveStreamBan, office: Office, moderator: User) -> None:
    asked = office(moderator).get(action_url(ban, "change_ban"))
    sent = {"action_type": "CHAT_ONLY", "expires_at": "2040-01-01T12:30:00"} | REASON

    answer = office(moderator).post(action_url(ban, "change_ban"), sent)

    assert row_of(ban)["action_type"] == "CHAT_ONLY"
    assert row_of(ban)["expires_at"].isoformat() == "2040-01-01T12:30:00+00:00"
    assert messages_of(answer) == ["1 ban was changed."]
    assert answer.headers["Location"] == page_url(ban)
    assert [field.name for field in asked.context["form"]] == ["action_type", "expires_at", "reason"]


def test_untouched_fields_keep_their_microseconds(
    viewer: User, stream: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    end = (now + HOUR).replace(microsecond=123456)
    ban = make_ban(viewer, stream, expires_at=end)
    client = office(moderator)
    shown = client.get(action_url(ban, "change_ban")).context["form"]["expires_at"].value()

    client.post(action_url(ban, "change_ban"), {"action_type": "CHAT_ONLY", "expires_at": shown} | REASON)

    assert (row_of(ban)["action_type"], row_of(ban)["expires_at"]) == ("CHAT_ONLY", end)
    assert "expires_at" not in AuditEntry.objects.get(action="review_ban").after


def test_an_end_is_removed_by_the_checkbox_and_not_by_an_empty_field(
    viewer: User, stream: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    ban = make_ban(viewer, stream, expires_at=now + HOUR)
    before, client = row_of(ban), office(moderator)
    for sent in ({"expires_at": ""}, {}, {"expires_at": "", "action_type": "CHAT_ONLY"}):
        answer = client.post(action_url(ban, "change_ban"), {"action_type": "BLOCK"} | sent | REASON)
        assert "tick “Holds until it is lifted”" in text_of(answer)
        assert row_of(ban) == before

    both = {"action_type": "BLOCK", "expires_at": "2040-01-01T12:30:00", "no_end": "on"}
    assert "not both" in text_of(client.post(action_url(ban, "change_ban"), both | REASON))
    assert row_of(ban) == before

    client.post(action_url(ban, "change_ban"), {"action_type": "BLOCK", "expires_at": "", "no_end": "on"} | REASON)
    assert row_of(ban)["expires_at"] is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"action_type": "BLOCK", "expires_at": "2001-01-01T00:00:00"}, "expiresAt: must lie in the future"),
    ],
    ids=str,
)
def test_a_refused_change_is_shown_as_a_message(
    sent: dict[str, str], expected: str, ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    before = row_of(ban)
    answer = office(moderator).post(action_url(ban, "change_ban"), sent | REASON)
    (message,) = messages_of(answer)
    assert message.endswith(f": {expected}")
    assert row_of(ban) == before


@pytest.mark.parametrize(
    "sent",
    [
        {"action_type": "MUTE"} | REASON,
        {"action_type": "CHAT_ONLY", "expires_at": "soon"} | REASON,
        {"action_type": "CHAT_ONLY", "expires_at": "٢٠٤٠-٠١-٠١T١٢:٣٠"} | REASON,
        {"action_type": "BLOCK"} | REASON,
        {"action_type": "CHAT_ONLY", "reason": " "},
        REASON,
    ],
    ids=str,
)
def test_an_invalid_form_changes_nothing(
    sent: dict[str, str], ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    before = row_of(ban)
    answer = office(moderator).post(action_url(ban, "change_ban"), sent)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert row_of(ban) == before
