"""Bulk requests in the admin: what the page shows, and who may approve or reject."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import BulkRequest, LiveStreamBan
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.bans.reviewing import REASON
from tests.admin.bans.test_ban_people import ban, check, people_url
from tests.admin.conftest import Office, permit
from tests.admin.pages import action_url, change_many, list_url, messages_of, page_url, text_of
from tests.bans.requesting import make_request
from tests.bans.test_bulk import crowd
from tests.conftest import make_user

WAITING = "3 people wait for the approval of a second moderator; nothing has changed yet."
DECISIONS = {"approve_request": "approved", "reject_request": "rejected"}


@pytest.fixture
def raiders(db: None) -> list[User]:
    return crowd(3)


@pytest.fixture
def request_(stream: LiveStream, raiders: list[User]) -> BulkRequest:
    return make_request(stream, raiders, reason="Baskın")


def state_of(request: BulkRequest) -> str:
    return BulkRequest.objects.get(pk=request.pk).state


def test_the_page_shows_what_is_asked_for_by_whom_and_about_whom(
    request_: BulkRequest, raiders: list[User], office: Office, moderator: User
) -> None:
    page = office(moderator).get(page_url(request_))
    text = text_of(page)
    names = [raider.username for raider in raiders]
    for part in ("Gece sohbeti", "creator", "Baskın", *names, "People (3 of 3)", "State pending"):
        assert part in text
    assert all(page_url(raider) in page.content.decode() for raider in raiders)


def test_names_that_were_sent_are_resolved_and_unknown_ones_shown(
    stream: LiveStream, office: Office, moderator: User, settings: Any
) -> None:
    settings.FOUR_EYES_ABOVE = 0
    viewer = make_user("Mert")
    services.ban_many(stream.pk, ["MERT", "nobody"], by=stream.creator, now=timezone.now())
    page = office(moderator).get(page_url(BulkRequest.objects.get()))
    assert page_url(viewer) in page.content.decode()
    assert "nobody" in text_of(page)


def test_the_page_of_an_undo_shows_the_people_of_the_batch(
    stream: LiveStream, raiders: list[User], office: Office, moderator: User, settings: Any
) -> None:
    batch = services.ban_many(stream.pk, [user.pk for user in raiders], by=stream.creator, now=timezone.now())
    settings.FOUR_EYES_ABOVE = 1
    services.undo_batch(batch.id or "", by=stream.creator, now=timezone.now())
    text = text_of(office(moderator).get(page_url(BulkRequest.objects.get())))
    assert "undo a bulk ban" in text
    assert all(raider.username in text for raider in raiders)


@pytest.mark.parametrize("action", DECISIONS)
@pytest.mark.parametrize("many", [False, True])
def test_a_moderator_decides_with_a_reason(
    action: str, many: bool, request_: BulkRequest, office: Office, moderator: User
) -> None:
    client = office(moderator)
    if many:
        change_many(client, action, [request_], confirmed="yes", **REASON)
    else:
        client.post(action_url(request_, action), REASON)
    assert state_of(request_) == DECISIONS[action]
    assert LiveStreamBan.objects.count() == (3 if action == "approve_request" else 0)
    entry = AuditEntry.objects.get(action=f"{action.removesuffix('_request')}_bulk_request")
    assert (entry.actor_id, entry.entry_point, entry.reason) == (moderator.pk, "admin", REASON["reason"])


def reader(name: str) -> User:
    return permit(make_user(name, is_staff=True), ("view_bulkrequest",))


@pytest.mark.parametrize("action", DECISIONS)
@pytest.mark.parametrize("who", ["nobody", "viewer", "reader"])
def test_others_get_403_and_change_nothing(action: str, who: str, request_: BulkRequest, office: Office) -> None:
    client = Client() if who == "nobody" else office(reader(who) if who == "reader" else make_user(who))
    answer = client.post(action_url(request_, action), REASON)
    assert (answer.status_code, state_of(request_)) == (302 if who == "nobody" else 403, "pending")
    assert not LiveStreamBan.objects.exists()


def test_who_asked_is_offered_to_withdraw_only_and_a_crafted_approval_is_refused(
    stream: LiveStream, office: Office, moderator: User
) -> None:
    own = make_request(stream, crowd(3), by=moderator)
    client = office(moderator)
    page = client.get(page_url(own)).content.decode()
    assert action_url(own, "reject_request") in page
    assert action_url(own, "approve_request") not in page

    answer = client.post(action_url(own, "approve_request"), REASON)

    assert "another moderator must approve it" in messages_of(answer)[0]
    assert state_of(own) == "pending"


def test_a_reader_sees_the_page_without_actions(request_: BulkRequest, office: Office) -> None:
    page = office(reader("reader")).get(page_url(request_)).content.decode()
    assert not any(action_url(request_, action) in page for action in DECISIONS)


def test_an_expired_request_says_so_and_offers_nothing(
    stream: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    old = make_request(stream, crowd(2), now=now - timedelta(hours=25))
    client = office(moderator)
    page = client.get(page_url(old))
    assert "expired" in text_of(page)
    assert not any(action_url(old, action) in page.content.decode() for action in DECISIONS)
    assert "expired" in text_of(client.get(list_url(BulkRequest)))


@pytest.mark.parametrize("limit", [None, 100])
def test_the_sidebar_leads_there_only_where_calls_wait(
    limit: int | None, office: Office, moderator: User, settings: Any
) -> None:
    settings.FOUR_EYES_ABOVE = limit
    page = office(moderator).get(list_url(LiveStreamBan)).content.decode()
    assert (list_url(BulkRequest) in page) == (limit is not None)


# --- the pages that ask for one -------------------------------------------------------------------


def test_ban_people_and_the_undo_of_its_batch_wait(
    stream: LiveStream, raiders: list[User], office: Office, moderator: User, settings: Any
) -> None:
    settings.FOUR_EYES_ABOVE = 2
    client = office(moderator)
    checked = check(client, stream, " ".join(user.username for user in raiders))

    page = ban(client, stream, checked)

    assert WAITING in text_of(page)
    assert not LiveStreamBan.objects.exists()
    request = BulkRequest.objects.get()
    services.approve_request(request.pk, by=make_user("second"), now=timezone.now(), reason="x")
    request.refresh_from_db()
    undone = client.post(people_url(stream), {"step": "undo", "batch": request.batch_id})
    assert messages_of(undone) == [WAITING]
    assert LiveStreamBan.objects.count() == 3


@pytest.mark.parametrize(("verdict", "is_requested"), [("lifted", True), ("upheld", False)])
def test_a_raid_that_is_lifted_waits_and_one_that_is_kept_does_not(
    verdict: str, is_requested: bool, stream: LiveStream, raiders: list[User], office: Office, moderator: User,
    settings: Any,
) -> None:  # fmt: skip
    batch = services.ban_many(stream.pk, [user.pk for user in raiders], by=stream.creator, now=timezone.now())
    settings.FOUR_EYES_ABOVE = 2

    answer = office(moderator).post(reverse("admin:raid", args=[batch.id]), REASON | {"verdict": verdict})

    assert (WAITING in messages_of(answer)) == is_requested
    assert BulkRequest.objects.count() == int(is_requested)
    assert LiveStreamBan.objects.filter(review="unreviewed").count() == (3 if is_requested else 0)
