"""A moderator finds a person by keyboard, reads the card, writes a note and bans, at both widths."""

import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import PersonNote, User
from bans import services
from bans.models import LiveStreamBan
from livestreams.models import LiveStream, Status
from tests.admin.browsing import faults_of, has_no_sideways_scroll, log_in
from tests.admin.conftest import permit
from tests.admin.pages import page_url
from tests.bans.people import make_ban
from tests.browser import OWED
from tests.conftest import make_user
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]

MODERATOR = (
    "view_user", "view_livestream", "view_livestreamban", "view_auditentry", "view_session", "moderate",
    "view_personnote", "add_personnote", "change_user",
)  # fmt: skip


@pytest.fixture
def moderator() -> User:
    return permit(make_user("defne", is_staff=True, name="Defne"), MODERATOR)


@pytest.fixture
def mia() -> User:
    return make_user("mia", name="Mia", surname="Öztürk")


@pytest.fixture
def stream(mia: User) -> LiveStream:
    creator = make_user("creator", name="Ayşe", surname="Yılmaz")
    banned = make_ban(mia, make_stream(creator, title="Yesterday's talk"), reason="Insults in the chat")
    services.appeal_ban(banned.pk, by=mia, now=timezone.now(), text="That was not me.")
    return make_stream(creator, Status.ACTIVE, title="Bana her şeyi sor")


@pytest.fixture
def crashes(page: Page) -> list[str]:
    return faults_of(page)


def test_the_palette_finds_a_person_and_opens_the_page_by_keyboard(
    page: Page, live_server: Any, moderator: User, mia: User, stream: LiveStream, crashes: list[str]
) -> None:
    log_in(page, f"{live_server.url}/admin/", moderator)
    page.wait_for_load_state()  # the shortcut works once the scripts of the page have run

    page.locator("body").press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.type("ozturk")
    first = page.locator("#command-results-list li").first
    expect(first).to_contain_text("Mia Öztürk")
    expect(page.locator("#command-results-list li")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(re.escape(page_url(mia))))
    expect(page.get_by_text("In force: may not watch on “Yesterday's talk”, until it is lifted")).to_be_visible()
    assert crashes == []


@pytest.mark.parametrize("width", [1440, 390])
def test_a_moderator_writes_a_note_and_bans_from_the_page_of_a_person(
    width: int, page: Page, live_server: Any, moderator: User, mia: User, stream: LiveStream, crashes: list[str]
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    log_in(page, f"{live_server.url}{page_url(mia)}", moderator)

    page.get_by_role("link", name="Notes", exact=True).click()
    page.get_by_label("New note").fill("Warned by phone.")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("Warned by phone.")).to_be_visible()
    expect(page.get_by_text("The note was added.")).to_be_visible()

    page.get_by_role("link", name="Ban from a stream…").first.click()
    page.get_by_label("Find a stream").fill("seyi")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Bana her şeyi sor").check()
    page.get_by_label("may not write").check()
    page.get_by_label("1 hour").check()
    page.get_by_label("Reason").fill("Insults again")
    page.get_by_role("button", name="Ban", exact=True).click()

    expect(page.get_by_text("mia was banned from “Bana her şeyi sor”.")).to_be_visible()
    assert has_no_sideways_scroll(page)
    ban = LiveStreamBan.objects.latest("created_at")
    assert (ban.stream_id, ban.action_type, ban.reason) == (stream.pk, "CHAT_ONLY", "Insults again")
    assert PersonNote.objects.get().text == "Warned by phone."
    assert crashes == []
