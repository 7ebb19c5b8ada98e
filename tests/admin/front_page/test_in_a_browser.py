"""The front page in a browser: renewed every few seconds, without losing focus, selection and place."""

import re
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from bans.services import review_ban
from config.front_page import pages
from livestreams.models import LiveStream
from tests.admin.browsing import faults_of, log_in
from tests.admin.front_page.conftest import HOUR, MINUTE, appealed, banned
from tests.browser import OWED

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]

EVERY = 0.5  # seconds


@pytest.fixture
def opened(page: Page, live_server: Any, moderator: User, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr(pages, "RENEWED_EVERY", EVERY)
    log_in(page, f"{live_server.url}/admin/", moderator)
    expect(page.get_by_role("heading", name="Waiting for a decision")).to_be_visible()
    return page


@pytest.fixture
def decided(moderator: User, live: LiveStream, now: datetime) -> list[LiveStreamBan]:
    bans = [banned(name, live, now - HOUR) for name in ("first", "second")]
    for number, ban in enumerate(bans):
        at = now - (9 - number) * MINUTE
        review_ban(ban.pk, by=moderator, now=at, verdict=LiveStreamBan.Review.UPHELD, reason="Seen.")
    return bans


def test_the_page_is_renewed_in_place(
    decided: list[LiveStreamBan], opened: Page, live: LiveStream, moderator: User, now: datetime
) -> None:
    crashes = faults_of(opened)
    undo = opened.get_by_role("button", name="Undo: first, upheld")
    undo.focus()
    opened.evaluate("scrollTo(0, 120)")
    opened.get_by_text("As a table").click()
    undo.focus()
    scrolled = opened.evaluate("[scrollX, scrollY]")
    opened.evaluate("window.kept = document.activeElement")

    banned("spammer", live, now)
    newest = banned("newest", live, now)
    review_ban(newest.pk, by=moderator, now=now, verdict=LiveStreamBan.Review.LIFTED, reason="Seen.")
    appealed(decided[1], now)

    expect(opened.get_by_role("link", name=re.compile("On live streams"))).to_contain_text("1")
    expect(opened.get_by_role("button", name="Undo: newest, lifted")).to_be_visible()
    expect(opened.get_by_text("appealed since")).to_be_visible()
    expect(undo).to_be_focused()
    assert opened.evaluate("window.kept === document.activeElement")
    assert opened.evaluate("[scrollX, scrollY]") == scrolled
    expect(opened.get_by_role("columnheader", name="Hour")).to_be_visible()  # still unfolded
    # The button itself works after the row has moved.
    undo.press("Enter")
    expect(opened.get_by_text("The verdict was taken back.")).to_be_visible()
    assert crashes == []


def test_a_selection_is_kept_and_a_raid_appears(opened: Page, live: LiveStream, viewer: User, now: datetime) -> None:
    title = opened.get_by_role("link", name="Gece sohbeti")
    expect(title).to_be_visible()
    title.select_text()
    expect(opened.get_by_role("heading", name="Raids")).to_be_hidden()

    services.ban_many(live.pk, [viewer.username], by=live.creator, now=now, reason="All at once")

    expect(opened.get_by_role("heading", name="Raids")).to_be_visible()
    assert opened.evaluate("String(getSelection())") == "Gece sohbeti"
    opened.evaluate("getSelection().removeAllRanges()")
    expect(opened.locator("#live td").last).to_have_text("1")


def test_it_says_when_it_was_not_renewed(opened: Page, live: LiveStream, now: datetime) -> None:
    status = opened.locator(".front-page").get_by_role("status")
    expect(status).to_have_text("", use_inner_text=True)
    opened.context.set_offline(True)
    expect(status).to_contain_text("the server does not answer")
    opened.context.set_offline(False)
    expect(status).to_have_text("", use_inner_text=True)

    opened.context.clear_cookies()
    expect(status).to_contain_text("your session has ended")
    opened.get_by_role("link", name="Log in again").click()
    expect(opened.get_by_label("Username")).to_be_visible()


def test_a_hidden_tab_asks_for_nothing(opened: Page, live: LiveStream) -> None:
    asked: list[str] = []
    # Without the icon of the page, which a browser reads at any time.
    opened.on("request", lambda request: asked.append(request.url) if "/static/" not in request.url else None)
    opened.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", {configurable: true, get: () => window.isAway});
            window.isAway = true;
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    asked.clear()
    opened.wait_for_timeout(4_000 * EVERY)
    assert asked == []

    with opened.expect_response("**/front-page/data/"):
        opened.evaluate("() => { window.isAway = false; document.dispatchEvent(new Event('visibilitychange')); }")
