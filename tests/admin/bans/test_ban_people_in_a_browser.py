"""A moderator pastes twenty names in a browser, looks at the outcome of each, bans them, and takes it back."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from accounts.models import User
from bans.models import LiveStreamBan
from livestreams.models import LiveStream
from tests.admin.browsing import faults_of, has_no_sideways_scroll, log_in
from tests.admin.conftest import VIEW_PERMISSIONS, join, permit
from tests.admin.pages import page_url
from tests.bans.people import make_ban
from tests.browser import OWED
from tests.conftest import make_user
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]

NAMES = [f"troll{number:02}" for number in range(17)]
WORDS = {
    "en": ("Ban people…", "Check", "Ban 16 people", "16 people were banned.", "Undo the batch", "16 bans were lifted."),
    "tr": (
        "Kişileri banla…",
        "Denetle",
        "16 kişiyi banla",
        "16 kişi banlandı.",
        "Toplu banı geri al",
        "16 ban kaldırıldı.",
    ),
}


@pytest.fixture
def moderator() -> User:
    return join(permit(make_user("moderator", is_staff=True, name="Defne"), VIEW_PERMISSIONS), "Moderators")


@pytest.fixture
def stream(moderator: User) -> LiveStream:
    stream = make_stream(make_user("creator"), "active", title="Gece sohbeti")
    people = [make_user(name) for name in NAMES]
    make_ban(people[0], stream)
    return stream


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("tr", 390)])
def test_twenty_names_are_pasted_checked_banned_and_undone(
    language: str, width: int, browser: Browser, live_server: Any, moderator: User, stream: LiveStream
) -> None:
    button, check, ban, banned, undo, lifted = WORDS[language]
    context = browser.new_context(viewport={"width": width, "height": 800}, locale=language, has_touch=width < 640)
    page = context.new_page()
    crashes = faults_of(page)
    log_in(page, f"{live_server.url}{page_url(stream)}", moderator)
    page.get_by_role("link", name=button).click()

    names = page.locator("[name=people]")
    expect(names).to_have_attribute("autofocus", "")
    names.fill("\n".join([*NAMES, "nobody", "creator", "moderator"]))
    page.locator("[name=duration][value='7d']").check()
    page.locator("[name=reason]").fill("Raid.")
    page.get_by_role("button", name=check, exact=True).click()
    expect(page.locator("#counts li")).to_have_count(5)
    assert LiveStreamBan.objects.count() == 1
    assert has_no_sideways_scroll(page)

    page.get_by_role("button", name=ban).click()
    expect(page.get_by_text(banned)).to_be_visible()
    assert LiveStreamBan.objects.count() == 17
    assert has_no_sideways_scroll(page)

    page.get_by_role("button", name=undo).click()
    expect(page.get_by_text(lifted)).to_be_visible()
    assert LiveStreamBan.objects.count() == 1
    assert crashes == []
    context.close()
