"""The playground in a browser, with a running server."""

import re
from urllib.parse import urlsplit

import pytest
from django.test import Client
from playwright.sync_api import ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser import OWED
from tests.conftest import PASSWORD
from tests.openapi.playground import answer_of, block_of, execute, log_in, opened, unfolded

pytestmark = OWED

ME = "GET /api/v1/users/me"


# --- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "tr"])
def test_the_page_loads_only_from_its_server_and_without_an_error(
    page: Page, live_server: LiveServer, language: str
) -> None:
    asked: list[str] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("request", lambda request: asked.append(request.url))
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    opened(page, live_server, language, whole=True)
    block = unfolded(page, "GET /api/v1/live-stream")
    expect(block.locator(".opblock-description")).not_to_be_empty()
    page.wait_for_load_state("networkidle")

    elsewhere = [url for url in asked if urlsplit(url).scheme != "data" and not url.startswith(live_server.url + "/")]
    assert len(asked) > 10
    assert elsewhere == []
    assert complaints == []


def test_the_policy_allows_no_foreign_or_inline_script(client: Client) -> None:
    answer = client.get("/api/docs/")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert "style-src" not in policy
    html = answer.content.decode()
    assert html.count("<script") == html.count("<script src=") + html.count('<script type="module" src=') == 2
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)


@pytest.mark.parametrize("address", ["/api/docs/", "/api/schema/"])
@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "tr", "tr"),
        ("?lang=en", "tr", "en"),
        ("?lang=tr", "en", "tr"),
        ("?lang=xx", "tr", "tr"),
    ],
)
def test_the_language_is_chosen_by_the_query_else_by_the_headers(
    client: Client, address: str, query: str, accepted: str, language: str
) -> None:
    answer = client.get(address + query, headers={"Accept-Language": accepted})

    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]


def test_the_operations_come_first(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server, whole=True)

    expect(page.locator(".opblock").first).to_be_in_viewport()
    expect(page.locator(".info")).to_have_count(0)


@pytest.mark.parametrize(
    ("words", "shown", "hidden"),
    [
        ("profile username", "GET /api/v1/users/profile/username/{username}", ME),
        ("stream_not_cancellable", "POST /api/v1/live-stream/{id}/cancel", ME),
        ("CALLER'S own PROFILE", ME, "POST /api/v1/live-stream/{id}/cancel"),
    ],
)
def test_the_filter_finds_every_part_of_an_operation(
    page: Page, live_server: LiveServer, words: str, shown: str, hidden: str
) -> None:
    opened(page, live_server, whole=True)

    page.locator("#words").fill(words)

    expect(block_of(page, shown)).to_be_visible()
    expect(block_of(page, hidden)).to_have_count(0)


def test_a_filter_that_finds_nothing_is_reported(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server, whole=True)

    page.locator("#words").fill("no such thing")

    expect(page.locator("#nothing-found")).to_have_text("No operation matches “no such thing”.")
    page.locator("#words").fill("")
    expect(page.locator("#nothing-found")).to_be_hidden()
    expect(block_of(page, ME)).to_be_visible()


# --- calls ----------------------------------------------------------------------------------------


def test_a_call_after_logging_in_shows_the_envelope(page: Page, live_server: LiveServer, creator: User) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, ME)

    execute(block)

    expect(answer_of(block)).to_contain_text('"isSuccess": true')
    expect(answer_of(block)).to_contain_text('"username": "creator"')


def test_a_call_without_a_token_shows_the_refusal(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)
    block = unfolded(page, ME)

    execute(block)

    expect(answer_of(block)).to_contain_text("Authentication required")
    expect(answer_of(block)).to_contain_text("x-error-code: authentication_required")


def test_a_stream_can_be_created_with_the_unchanged_example(page: Page, live_server: LiveServer, creator: User) -> None:
    opened(page, live_server)
    log_in(page, creator.username, PASSWORD)
    block = unfolded(page, "POST /api/v1/live-stream/create")

    execute(block)

    expect(answer_of(block)).to_contain_text('"statusCode": 201')
    expect(answer_of(block)).to_contain_text('"status": "scheduled"')
