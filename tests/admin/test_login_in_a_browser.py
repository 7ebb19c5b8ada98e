"""The login page in a browser, in both languages, after too many failed logins."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from tests.browser import OWED
from tests.conftest import PASSWORD, make_user

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]

LANGUAGES = {
    "en-GB": "too many failed logins; try again in 5 minutes",
    "tr-TR": "çok fazla başarısız giriş; 5 dakika sonra yeniden deneyin",
}

type Open = Callable[[str], Page]


@pytest.fixture
def open_login(browser: Browser, live_server: Any) -> Iterator[Open]:
    """Opens the login page in a new browser context that prefers a language."""
    contexts = []

    def opened(locale: str) -> Page:
        contexts.append(browser.new_context(locale=locale))
        page = contexts[-1].new_page()
        page.goto(f"{live_server.url}/admin/login/?next=/admin/")
        return page

    yield opened
    for context in contexts:
        context.close()


def attempt(page: Page, password: str) -> None:
    page.locator("#id_username").fill("moderator")
    page.locator("#id_password").fill(password)
    page.locator("#login-form button[type=submit]").click()
    page.wait_for_load_state()


@pytest.fixture
def moderator() -> User:
    return make_user("moderator", is_staff=True)


@pytest.mark.parametrize(("locale", "said"), LANGUAGES.items(), ids=LANGUAGES.keys())
def test_the_login_page_shows_how_long_to_wait(locale: str, said: str, open_login: Open, moderator: User) -> None:
    page = open_login(locale)
    for _ in range(10):
        attempt(page, "a guess")
        expect(page.get_by_text(said)).to_have_count(0)

    attempt(page, PASSWORD)

    expect(page.get_by_text(said)).to_be_visible()
    assert "/admin/login/" in page.url


def test_a_known_browser_logs_in_while_another_at_its_address_is_refused(open_login: Open, moderator: User) -> None:
    known, stranger = open_login("en-GB"), open_login("en-GB")
    attempt(known, PASSWORD)
    expect(known).to_have_url(re.compile(r"/admin/$"))
    known.context.clear_cookies(name="sessionid")
    for _ in range(10):
        attempt(stranger, "a guess")
    attempt(stranger, PASSWORD)
    expect(stranger.get_by_text(LANGUAGES["en-GB"])).to_be_visible()

    known.reload()
    attempt(known, PASSWORD)

    expect(known).to_have_url(re.compile(r"/admin/$"))
