"""Takes the README's pictures of the playground from a running demo: `make demo`, then this with its address."""
# ruff: noqa: INP001 - a script, not a package

import json
import shutil
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PICTURES = Path(__file__).parent / "pictures"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-sync", "--no-first-run"]


def access_token(address: str, username: str, password: str) -> str:
    credentials = json.dumps({"username": username, "password": password}).encode()
    login = urllib.request.Request(  # noqa: S310 - the address of one's own demo
        f"{address}/api/v1/auth/login", credentials, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(login) as answer:  # noqa: S310
        return str(json.load(answer)["data"]["accessToken"])


def unfold(page: Page, address: str, operation: str) -> None:
    page.goto("about:blank")
    page.goto(f"{address}/api/docs/#/{operation}")
    page.locator(".opblock.is-open .btn.execute").wait_for()


def take(page: Page, address: str, token: str) -> None:
    unfold(page, address, "Streams/listUpcomingStreamsV1")
    page.locator(".scheme-container .btn.authorize").click()
    page.locator(".modal-ux input").fill(token)
    page.locator(".modal-ux button.authorize").click()
    page.locator(".modal-ux button.btn-done").click()
    page.locator(".opblock.is-open .btn.execute").click()
    page.locator(".live-responses-table").wait_for()
    page.locator(".opblock.is-open .execute-wrapper, .opblock.is-open .btn-group").first.scroll_into_view_if_needed()
    page.screenshot(path=PICTURES / "playground.png")

    unfold(page, address, "Streams/cancelLiveStreamByIdV1")
    page.locator(".servers select").select_option(index=1)
    page.locator(".opblock.is-open .parameters input").fill("673ac9e2c93fe18d3fdd23f1")
    page.locator(".opblock.is-open .btn.execute").click()
    page.locator("#production-question[open]").wait_for()
    page.screenshot(path=PICTURES / "playground-production.png")


def main(address: str, username: str, password: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    token = access_token(address, username, password)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        take(page, address, token)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: take_pictures.py ADDRESS USERNAME PASSWORD")
    main(*sys.argv[1:])
