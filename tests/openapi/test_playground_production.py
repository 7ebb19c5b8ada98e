"""Production on the playground: the warning, the confirmation, and a server that cannot be called."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser import OWED
from tests.conftest import PASSWORD
from tests.openapi.playground import Production, answer_of, choose, execute, log_in, opened, unfolded

pytestmark = OWED

ME = "GET /api/v1/users/me"
LOG_OUT = "POST /api/v1/auth/logout"
WARNING = "Production is selected."


def on_production(page: Page, live_server: LiveServer, operation: str) -> Locator:
    opened(page, live_server)
    block = unfolded(page, operation)
    choose(page, "Production")
    return block


def test_development_is_selected_first_without_a_warning(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)

    expect(page.locator("#server")).to_have_value(live_server.url)
    expect(page.get_by_text(WARNING)).to_be_hidden()


def test_the_warning_is_visible_while_production_is_selected(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)

    choose(page, "Production")
    expect(page.get_by_text(WARNING)).to_be_visible()

    page.mouse.wheel(0, 20_000)
    expect(page.get_by_text(WARNING)).to_be_in_viewport()

    choose(page, "Development")
    expect(page.get_by_text(WARNING)).to_be_hidden()


def test_a_changing_call_to_production_is_sent_after_typing_the_confirmation(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    block = on_production(page, live_server, LOG_OUT)

    execute(block)
    question = page.get_by_role("dialog", name="Send this to Production?")
    expect(question).to_contain_text(f"POST {production.url}/api/v1/auth/logout")
    expect(question.get_by_role("button", name="Send")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(question).to_be_visible()
    assert production.calls == []
    page.keyboard.type("production")
    page.keyboard.press("Enter")

    expect(answer_of(block)).to_contain_text('"from": "production"')
    assert production.calls == [LOG_OUT]


@pytest.mark.parametrize("way", ["button", "escape"])
def test_a_cancelled_call_to_production_sends_nothing(
    page: Page, live_server: LiveServer, production: Production, way: str
) -> None:
    block = on_production(page, live_server, LOG_OUT)

    execute(block)
    if way == "button":
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    else:
        page.keyboard.type("production")
        page.keyboard.press("Escape")

    expect(answer_of(block)).to_contain_text("Nothing was sent to Production")
    assert production.calls == []


def test_each_changing_call_to_production_needs_a_confirmation(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    block = on_production(page, live_server, LOG_OUT)
    question = page.get_by_role("dialog", name="Send this to Production?")

    for sent in (1, 2):
        execute(block)
        expect(question).to_be_visible()
        expect(question.get_by_role("textbox")).to_have_value("")
        page.keyboard.type("production")
        page.keyboard.press("Enter")
        expect(question).to_be_hidden()
        expect(block.locator(".execute")).to_be_enabled()
        expect(answer_of(block)).to_contain_text('"from": "production"')
        assert len(production.calls) == sent


def test_a_reading_call_to_production_needs_no_confirmation(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    block = on_production(page, live_server, ME)

    execute(block)

    expect(answer_of(block)).to_contain_text('"from": "production"')
    assert production.calls == [ME]


def test_a_changing_call_to_development_needs_no_confirmation(
    page: Page, live_server: LiveServer, creator: User
) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, LOG_OUT)

    execute(block)

    expect(answer_of(block)).to_contain_text('"isSuccess": true')


def test_a_production_server_that_does_not_respond_is_reported(
    page: Page, live_server: LiveServer, settings: Any
) -> None:
    gone = Production()
    gone.server_close()
    settings.PRODUCTION_SERVER_URL = gone.url
    block = on_production(page, live_server, ME)

    expect(page.locator("#reach")).to_have_text(
        f"Production ({gone.url}) does not answer, or this browser cannot reach it."
    )
    execute(block)
    expect(answer_of(block)).to_contain_text("Failed to fetch")
    choose(page, "Development")
    expect(page.locator("#reach")).to_be_hidden()


@pytest.mark.parametrize(("language", "words"), [("en", "does not allow calls"), ("tr", "izin vermiyor")])
def test_a_production_server_that_does_not_allow_this_origin_is_reported(
    page: Page, live_server: LiveServer, production: Production, language: str, words: str
) -> None:
    production.is_open = False
    opened(page, live_server, language)

    page.locator("#server").select_option(index=1)

    expect(page.locator("#reach")).to_contain_text(words)
    expect(page.locator("#reach")).to_contain_text(production.url)
    expect(page.locator("#reach")).to_contain_text(live_server.url)
    expect(page.locator("#reach")).to_contain_text("CORS_ALLOWED_ORIGINS")


def test_nothing_is_reported_of_a_production_server_that_allows_this_origin(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    opened(page, live_server)

    with page.expect_response(f"{production.url}/api/schema/"):
        choose(page, "Production")

    page.wait_for_timeout(200)
    expect(page.locator("#reach")).to_be_hidden()
