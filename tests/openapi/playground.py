"""What tests of the playground share: a stand-in for Production, and the elements of the page."""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

DOCS = "/api/docs/"
PROBE = "/api/schema/"
SECONDS = 30_000  # milliseconds: the first page waits until the document has been generated

# Swagger UI works for seconds on all operations, so most tests open a page with these only.
SHOWN = {
    "/api/v1/auth/login",
    "/api/v1/auth/logout",
    "/api/v1/live-stream",
    "/api/v1/live-stream-ban",
    "/api/v1/live-stream/create",
    "/api/v1/live-stream/user/{userId}/past-streams",
    "/api/v1/live-stream/{id}",
    "/api/v1/live-stream/{id}/calendar.ics",
    "/api/v1/live-stream/{id}/thumbnail",
    "/api/v1/users/me",
    "/api/v1/users/profile/username/{username}",
    "/api/v1/users/profile/{userId}",
}
REFERENCE = re.compile(r'"#/components/(\w+)/(\w+)"')

expect.set_options(timeout=SECONDS)


class Production(ThreadingHTTPServer):
    """A stand-in for the production server. It records calls; `is_open` says whether it allows those of any origin."""

    def __init__(self, *, is_open: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), ProductionHandler)
        self.is_open = is_open
        self.calls: list[str] = []
        self.tokens: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ProductionHandler(BaseHTTPRequestHandler):
    server: Production

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if self.server.is_open:
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "authorization, content-type, x-language")
            self.send_header("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def called(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != PROBE:
            self.server.calls.append(f"{self.command} {self.path}")
            self.server.tokens.append(self.headers.get("Authorization"))
        data = {"accessToken": "of-production", "refreshToken": "of-production"}
        self.answer(200, json.dumps({"from": "production", "data": data, "errors": []}).encode())

    def __getattr__(self, name: str) -> Any:
        # http.server calls do_GET, do_POST and so on.
        if name == "do_OPTIONS":
            return lambda: self.answer(204)
        if name.startswith("do_"):
            return self.called
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        pass


def shortened(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the operations of `SHOWN`, and the components that they refer to."""
    paths = {path: document["paths"][path] for path in SHOWN}
    components: dict[str, Any] = {"securitySchemes": document["components"]["securitySchemes"]}
    waiting = set(REFERENCE.findall(json.dumps(paths)))
    while waiting:
        kind, name = waiting.pop()
        kept = components.setdefault(kind, {})
        if name not in kept:
            kept[name] = document["components"][kind][name]
            waiting |= set(REFERENCE.findall(json.dumps(kept[name])))
    return document | {"paths": paths, "components": components}


def _shorten(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, json=shortened(answer.json()))


def opened(page: Page, live_server: LiveServer, language: str = "en", *, whole: bool = False) -> Page:
    """Open the page with the operations of `SHOWN`, or with the `whole` document."""
    page.set_default_timeout(SECONDS)
    if not whole:
        page.route(f"{live_server.url}{PROBE}?format=json*", _shorten)
    page.goto(f"{live_server.url}{DOCS}?lang={language}")
    return ready(page)


def ready(page: Page) -> Page:
    """The page, once it has been loaded and responds to clicks and keys."""
    expect(page.locator(".opblock").first).to_be_visible()
    expect(page.locator("#session:not([inert])")).to_be_visible()
    return page


def block_of(page: Page, operation: str) -> Locator:
    """The element of an operation, named as `GET /api/v1/users/me`."""
    method, path = operation.split()
    return page.locator(f".opblock-{method.lower()}").filter(has=page.locator(f'[data-path="{path}"]'))


def unfolded(page: Page, operation: str) -> Locator:
    block = block_of(page, operation)
    block.locator(".opblock-summary-control").click()
    expect(block.locator(".execute")).to_be_visible()
    return block


def execute(block: Locator) -> None:
    block.locator(".execute").click()


def answer_of(block: Locator) -> Locator:
    return block.locator(".live-responses-table")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus. Raises AssertionError if 30 presses do not lead there."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def log_in(page: Page, username: str, password: str) -> None:
    page.locator("#username").fill(username)
    page.locator("#password").fill(password)
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text(username)


def choose(page: Page, name: str) -> None:
    address = page.locator(f'#server option[data-name="{name}"]').get_attribute("value")
    page.locator("#server").select_option(value=address)
