"""Logging in on the playground, and its tokens."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Session, User
from tests.browser import OWED
from tests.conftest import PASSWORD, Api
from tests.envelope import data_of
from tests.openapi.playground import Production, answer_of, choose, execute, log_in, opened, ready, tab_to, unfolded

pytestmark = OWED

ME = "GET /api/v1/users/me"
# Not `click`, which browsers also send for Enter.
CLICKS = "window.clicks = 0; addEventListener('pointerdown', () => { window.clicks += 1; }, true);"
SIZES = {1440: 900, 390: 844}


@pytest.fixture
def demo(settings: Any, creator: User) -> None:
    """The accounts of a demo."""
    settings.PLAYGROUND_ACCOUNTS = [{"role": "creator", "username": creator.username, "password": PASSWORD}]


@pytest.mark.parametrize(
    ("width", "language", "way"),
    [(1440, "en", "demo"), (1440, "tr", "demo"), (390, "en", "demo"), (390, "tr", "demo"), (390, "tr", "form")],
)
def test_the_first_authorized_success_takes_three_clicks(
    page: Page, live_server: LiveServer, demo: None, width: int, language: str, way: str
) -> None:
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.add_init_script(CLICKS)
    opened(page, live_server, language)

    if way == "demo":
        page.locator("#accounts button").click()
    else:
        page.locator("#username").click()
        page.keyboard.type("creator")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("creator")
    block = unfolded(page, ME)
    execute(block)

    expect(answer_of(block)).to_contain_text('"username": "creator"')
    assert page.evaluate("window.clicks") == 3


def test_the_first_authorized_success_needs_no_mouse(page: Page, live_server: LiveServer, demo: None) -> None:
    opened(page, live_server)

    account = page.locator("#accounts button")
    account.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("creator")
    page.locator("#words").focus()
    page.keyboard.type("getUsersMeV1")
    expect(page.locator(".opblock-get")).to_have_count(1)
    tab_to(page, ".opblock-summary-control")
    page.keyboard.press("Enter")
    expect(page.locator(".execute")).to_be_visible()
    tab_to(page, ".execute")
    with page.expect_response("**/api/v1/users/me"):
        page.keyboard.press("Enter")

    expect(page.locator(".live-responses-table")).to_contain_text('"username": "creator"')


def test_without_a_demo_the_page_offers_no_accounts(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)

    expect(page.locator("#accounts")).to_have_count(0)
    expect(page.locator("#username")).to_be_visible()


def test_the_accounts_of_the_demo_are_offered_for_development_only(
    page: Page, live_server: LiveServer, demo: None
) -> None:
    opened(page, live_server)
    expect(page.locator("#accounts")).to_be_visible()

    choose(page, "Production")

    expect(page.locator("#accounts")).to_be_hidden()


@pytest.mark.parametrize(
    ("language", "reason"),
    [("en", "Not logged in: Authentication required"), ("tr", "Giriş yapılamadı: Authentication required")],
)
def test_a_failed_login_shows_the_reason(
    page: Page, live_server: LiveServer, creator: User, language: str, reason: str
) -> None:
    opened(page, live_server, language)

    page.locator("#username").fill(creator.username)
    page.locator("#password").fill("wrong")
    page.keyboard.press("Enter")

    expect(page.locator("#status")).to_contain_text(reason)
    expect(page.locator("#login")).to_be_visible()


def test_the_token_is_kept_after_a_reload(page: Page, live_server: LiveServer, creator: User) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)

    page.reload()
    ready(page)
    block = unfolded(page, ME)
    execute(block)

    expect(answer_of(block)).to_contain_text('"username": "creator"')


def test_logging_out_ends_the_session(page: Page, live_server: LiveServer, creator: User) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)

    with page.expect_response("**/auth/revoke-token") as revoked:
        page.locator("#logout").click()

    assert revoked.value.ok
    expect(page.locator("#status")).to_have_text("Development: not logged in.")
    assert not Session.objects.filter(user=creator, ended_at=None).exists()
    block = unfolded(page, ME)
    execute(block)
    expect(answer_of(block)).to_contain_text("Authentication required")


def test_a_token_that_is_not_accepted_any_more_asks_to_log_in_again(
    page: Page, live_server: LiveServer, creator: User
) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    Session.objects.filter(user=creator).delete()
    block = unfolded(page, ME)

    execute(block)

    expect(page.locator("#status")).to_contain_text("Log in again.")
    expect(page.locator("#login")).to_be_visible()


def test_a_pasted_token_is_used(page: Page, live_server: LiveServer, api: Api, creator: User) -> None:
    answer = api().post("/api/v1/auth/login", {"username": creator.username, "password": PASSWORD})
    opened(page, live_server)

    page.locator("#pasting summary").click()
    page.locator("#token").fill(data_of(answer)["accessToken"])
    page.keyboard.press("Enter")
    block = unfolded(page, ME)
    execute(block)

    expect(answer_of(block)).to_contain_text('"username": "creator"')


def test_the_token_of_a_login_that_was_sent_as_an_operation_is_used(
    page: Page, live_server: LiveServer, creator: User
) -> None:
    opened(page, live_server)
    block = unfolded(page, "POST /api/v1/auth/login")
    block.locator("textarea").fill(f'{{"username": "{creator.username}", "password": "{PASSWORD}"}}')

    execute(block)

    expect(page.locator("#status")).to_have_text("Development: logged in as creator.")


def test_each_server_has_its_own_token(
    page: Page, live_server: LiveServer, creator: User, production: Production
) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, ME)

    choose(page, "Production")
    expect(page.locator("#status")).to_have_text("Production: not logged in.")
    execute(block)
    expect(answer_of(block)).to_contain_text('"from": "production"')
    assert production.tokens == [None]

    page.locator("#username").fill("ayse")
    page.locator("#password").fill("secret")
    page.keyboard.press("Enter")
    page.keyboard.type("production")  # logging in changes something there, too
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Production: logged in as ayse.")
    with page.expect_response(f"{production.url}/api/v1/users/me"):
        execute(block)
    expect(page.locator("#status")).to_have_text("Production: logged in as ayse.")
    assert production.calls[-1] == "GET /api/v1/users/me"
    assert production.tokens[-1] == "Bearer of-production"

    choose(page, "Development")
    expect(page.locator("#status")).to_have_text("Development: logged in as creator.")
    execute(block)
    expect(answer_of(block)).to_contain_text('"username": "creator"')
