"""Bans in the admin for people without the permission to review them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bans.models import LiveStreamBan
from common.models import AuditEntry
from tests.admin.bans.reviewing import ACTIONS, REASON, row_of
from tests.admin.conftest import Office
from tests.admin.pages import action_url, list_url, page_url
from tests.conftest import make_user


@pytest.mark.parametrize("action", [*ACTIONS, "change_ban"])
@pytest.mark.parametrize("who", ["reader", "creator", "guest", "viewer"])
@pytest.mark.parametrize("many", [False, True])
def test_a_crafted_post_without_the_permission_is_forbidden(
    action: str, who: str, many: bool, request: Any, office: Office, ban: LiveStreamBan
) -> None:
    client = office(request.getfixturevalue(who))
    before, entries = row_of(ban), AuditEntry.objects.count()
    sent = {"action_type": "CHAT_ONLY"} | REASON

    url = list_url(LiveStreamBan) if many else action_url(ban, action)
    answer = client.post(url, {"action": action, "_selected_action": [ban.pk], "confirmed": "yes"} | sent)

    assert answer.status_code == 403
    assert row_of(ban) == before
    assert AuditEntry.objects.count() == entries


def test_a_post_without_a_login_redirects_to_the_login(client: Client, ban: LiveStreamBan) -> None:
    before = row_of(ban)
    answer = client.post(action_url(ban, "lift_ban"), REASON)
    assert answer.headers["Location"].startswith(reverse("admin:login"))
    assert row_of(ban) == before


def test_staff_without_the_permission_are_offered_no_action(office: Office, reader: User, ban: LiveStreamBan) -> None:
    client = office(reader)
    seen = client.get(page_url(ban)).content.decode() + client.get(list_url(LiveStreamBan)).content.decode()
    assert "spam" in seen
    assert not any(action in seen for action in [*ACTIONS, "change_ban"])


@pytest.mark.parametrize("part", ["add", "delete", "change"])
@pytest.mark.parametrize("who", ["moderator", "root"])
def test_nobody_adds_deletes_or_edits_a_ban(
    part: str, who: str, office: Office, moderator: User, ban: LiveStreamBan
) -> None:
    user = moderator if who == "moderator" else User.objects.create_superuser("root", "password")
    address = list_url(LiveStreamBan) + ("add/" if part == "add" else f"{ban.pk}/{part}/")
    before = row_of(ban)

    answer = office(user).post(address, {"post": "yes", "target": ban.created_by_id, "reason": "crafted"})

    assert answer.status_code == 403
    assert row_of(ban) == before
    assert LiveStreamBan.all_objects.count() == 1


@pytest.mark.parametrize("part", ["add", "delete", "change"])
def test_moderators_cannot_change_audit_rows(part: str, office: Office, moderator: User, ban: LiveStreamBan) -> None:
    entry = AuditEntry.objects.get(action="ban_user")
    before = AuditEntry.objects.values().get(pk=entry.pk)
    address = list_url(AuditEntry) + ("add/" if part == "add" else f"{entry.pk}/{part}/")

    answer = office(moderator).post(address, {"post": "yes", "reason": "crafted"})

    assert answer.status_code == 403
    assert AuditEntry.objects.values().get(pk=entry.pk) == before


def test_staff_without_the_permission_see_no_ban(office: Office, ban: LiveStreamBan) -> None:
    client = office(make_user("newcomer", is_staff=True))
    assert client.get(list_url(LiveStreamBan)).status_code == 403
    assert client.get(page_url(ban)).status_code == 403
