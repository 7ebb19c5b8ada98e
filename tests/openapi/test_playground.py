"""The playground in a browser, with a running server."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser import OWED
from tests.conftest import PASSWORD, Api
from tests.envelope import data_of

pytestmark = OWED

DOCS = "/api/docs/"
WARNING = "Production is selected."


class Production(ThreadingHTTPServer):
    """A stand-in for the production server. It allows calls of any origin and records them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProductionHandler)
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ProductionHandler(BaseHTTPRequestHandler):
    server: Production

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "authorization, content-type")
        self.send_header("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def called(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.calls.append(f"{self.command} {self.path}")
        self.answer(200, json.dumps({"from": "production"}).encode())

    def __getattr__(self, name: str) -> Any:
        # http.server calls do_GET, do_POST and so on.
        if name == "do_OPTIONS":
            return lambda: self.answer(204)
        if name.startswith("do_"):
            return self.called
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def production() -> Iterator[Production]:
    server = Production()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def places(settings: Any, live_server: LiveServer, production: Production) -> None:
    settings.DEVELOPMENT_SERVER_URL = live_server.url
    settings.PRODUCTION_SERVER_URL = production.url


@pytest.fixture
def token(api: Api, creator: User) -> str:
    answer = api().post("/api/v1/auth/login", {"username": creator.username, "password": PASSWORD})
    return str(data_of(answer)["accessToken"])


def opened(page: Page, live_server: LiveServer, operation: str = "") -> Locator:
    """Open the playground with one operation expanded. Returns the element of the operation."""
    page.goto(f"{live_server.url}{DOCS}#/{operation}")
    expect(page.locator(".info .title")).to_contain_text("Kumanda")
    block = page.locator(f"#operations-{operation.replace('/', '-').replace('%20', '_')}")
    if operation:
        expect(block.get_by_role("button", name="Execute")).to_be_visible()
    return block


def authorize(page: Page, token: str) -> None:
    page.locator(".scheme-container .btn.authorize").click()
    dialog = page.locator(".modal-ux")
    expect(dialog).to_contain_text("without the word Bearer")
    dialog.locator("input").fill(token)
    dialog.locator("button.authorize").click()
    dialog.locator("button.btn-done").click()


def choose(page: Page, server: str) -> None:
    page.locator(".servers select").select_option(label=server)


def choose_production(page: Page, production: Production) -> None:
    choose(page, f"{production.url} - Production")


def execute(block: Locator) -> None:
    block.get_by_role("button", name="Execute").click()


# --- the page -------------------------------------------------------------------------------------


def test_the_page_loads_only_from_its_server_and_obeys_the_content_security_policy(
    page: Page, live_server: LiveServer
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    block = opened(page, live_server, "Live%20Streams/listLiveStreamV1")
    expect(block).to_contain_text("All streams, by default the newest first")
    page.wait_for_load_state("networkidle")

    elsewhere = [url for url in asked if urlsplit(url).scheme != "data" and not url.startswith(live_server.url + "/")]
    assert len(asked) > 4
    assert elsewhere == []
    assert complaints == []


def test_the_policy_allows_no_foreign_or_inline_script(page: Page, live_server: LiveServer) -> None:
    answer = page.goto(live_server.url + DOCS)

    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert page.locator("script:not([src])").count() == 0


def test_the_lifecycle_can_be_read_on_the_page(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)

    expect(page.locator(".info table").first).to_contain_text("cancelled_by_guest")
    expect(page.locator(".info")).to_contain_text("stateDiagram-v2")


# --- calls ----------------------------------------------------------------------------------------


def test_an_authorized_call_shows_the_envelope(page: Page, live_server: LiveServer, token: str) -> None:
    block = opened(page, live_server, "Accounts/getUsersMeV1")
    authorize(page, token)

    execute(block)

    answer = block.locator(".live-responses-table")
    expect(answer).to_contain_text('"isSuccess": true')
    expect(answer).to_contain_text('"username": "creator"')


def test_a_call_without_a_token_shows_the_refusal(page: Page, live_server: LiveServer) -> None:
    block = opened(page, live_server, "Accounts/getUsersMeV1")

    execute(block)

    answer = block.locator(".live-responses-table")
    expect(answer).to_contain_text("Authentication required")
    expect(answer).to_contain_text("x-error-code: authentication_required")


def test_a_stream_can_be_created_with_the_unchanged_example(page: Page, live_server: LiveServer, token: str) -> None:
    block = opened(page, live_server, "Live%20Streams/createLiveStreamV1")
    authorize(page, token)

    execute(block)

    answer = block.locator(".live-responses-table")
    expect(answer).to_contain_text('"statusCode": 201')
    expect(answer).to_contain_text('"status": "scheduled"')


def test_the_token_is_kept_after_a_reload(page: Page, live_server: LiveServer, token: str) -> None:
    block = opened(page, live_server, "Accounts/getUsersMeV1")
    authorize(page, token)

    page.reload()
    execute(block)

    expect(block.locator(".live-responses-table")).to_contain_text('"username": "creator"')


# --- Production -----------------------------------------------------------------------------------


def test_development_is_selected_first_without_a_warning(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)

    expect(page.locator(".servers select")).to_have_value(live_server.url)
    expect(page.get_by_text(WARNING)).to_be_hidden()


def test_the_warning_is_visible_while_production_is_selected(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    opened(page, live_server)

    choose_production(page, production)
    expect(page.get_by_text(WARNING)).to_be_visible()

    page.mouse.wheel(0, 20_000)
    expect(page.get_by_text(WARNING)).to_be_in_viewport()

    choose(page, f"{live_server.url} - Development")
    expect(page.get_by_text(WARNING)).to_be_hidden()


def test_a_changing_call_to_production_is_sent_after_typing_the_confirmation(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    block = opened(page, live_server, "Accounts/logoutAuthV1")
    choose_production(page, production)

    execute(block)
    question = page.get_by_role("dialog", name="Send this to Production?")
    expect(question).to_contain_text(f"POST {production.url}/api/v1/auth/logout")
    expect(question.get_by_role("button", name="Send")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(question).to_be_visible()
    assert production.calls == []
    page.keyboard.type("production")
    page.keyboard.press("Enter")

    expect(block.locator(".live-responses-table")).to_contain_text('"from": "production"')
    assert production.calls == ["POST /api/v1/auth/logout"]


@pytest.mark.parametrize("way", ["button", "escape"])
def test_a_cancelled_call_to_production_sends_nothing(
    page: Page, live_server: LiveServer, production: Production, way: str
) -> None:
    block = opened(page, live_server, "Accounts/logoutAuthV1")
    choose_production(page, production)

    execute(block)
    if way == "button":
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    else:
        page.keyboard.type("production")
        page.keyboard.press("Escape")

    expect(block.locator(".live-responses-table")).to_contain_text("Nothing was sent to Production")
    assert production.calls == []


def test_each_changing_call_to_production_needs_a_confirmation(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    block = opened(page, live_server, "Accounts/logoutAuthV1")
    choose_production(page, production)
    question = page.get_by_role("dialog", name="Send this to Production?")

    for sent in (1, 2):
        execute(block)
        expect(question).to_be_visible()
        expect(question.get_by_role("textbox")).to_have_value("")
        page.keyboard.type("production")
        page.keyboard.press("Enter")
        expect(question).to_be_hidden()
        expect(block.get_by_role("button", name="Execute")).to_be_enabled()
        expect(block.locator(".live-responses-table")).to_contain_text('"from": "production"')
        assert len(production.calls) == sent


def test_a_reading_call_to_production_needs_no_confirmation(
    page: Page, live_server: LiveServer, production: Production
) -> None:
    block = opened(page, live_server, "Accounts/getUsersMeV1")
    choose_production(page, production)

    execute(block)

    expect(block.locator(".live-responses-table")).to_contain_text('"from": "production"')
    assert production.calls == ["GET /api/v1/users/me"]


def test_a_changing_call_to_development_needs_no_confirmation(page: Page, live_server: LiveServer, token: str) -> None:
    block = opened(page, live_server, "Accounts/logoutAuthV1")
    authorize(page, token)

    execute(block)

    expect(block.locator(".live-responses-table")).to_contain_text('"isSuccess": true')


def test_a_production_server_that_does_not_respond_is_reported(
    page: Page, live_server: LiveServer, production: Production, settings: Any
) -> None:
    gone = Production()
    gone.server_close()
    settings.PRODUCTION_SERVER_URL = gone.url
    block = opened(page, live_server, "Accounts/getUsersMeV1")
    choose_production(page, gone)

    execute(block)

    expect(block.locator(".live-responses-table")).to_contain_text("Failed to fetch")
