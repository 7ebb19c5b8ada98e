"""Takes the screenshots of the README from a demo that it starts: `make pictures`."""
# ruff: noqa: INP001 - a script, not a package

import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
PORT = "8765"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-sync", "--no-first-run"]

type Account = dict[str, str]


def access_token(address: str, account: Account) -> str:
    credentials = json.dumps({"username": account["username"], "password": account["password"]}).encode()
    login = urllib.request.Request(  # noqa: S310 - the address of our own demo
        f"{address}/api/v1/auth/login", credentials, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(login) as answer:  # noqa: S310
        return str(json.load(answer)["data"]["accessToken"])


def unfold(page: Page, address: str, operation: str) -> None:
    page.goto("about:blank")
    page.goto(f"{address}/api/docs/#/{operation}")
    page.locator(".opblock.is-open .btn.execute").wait_for()


def take_playground(page: Page, address: str, creator: Account) -> None:
    unfold(page, address, "Live%20Streams/listLiveStreamUpcomingV1")
    page.locator(".scheme-container .btn.authorize").click()
    page.locator(".modal-ux input").fill(access_token(address, creator))
    page.locator(".modal-ux button.authorize").click()
    page.locator(".modal-ux button.btn-done").click()

    unfold(page, address, "Live%20Streams/cancelLiveStreamByIdV1")
    page.locator(".servers select").select_option(index=1)
    page.locator(".opblock.is-open .parameters input").fill("673ac9e2c93fe18d3fdd23f1")
    page.locator(".opblock.is-open .btn.execute").click()
    page.locator("#production-question[open]").wait_for()
    page.screenshot(path=PICTURES / "playground.png")


def take_admin(page: Page, address: str, moderator: Account) -> None:
    page.goto(f"{address}/admin/")
    page.get_by_label("Username").fill(moderator["username"])
    page.get_by_label("Password").fill(moderator["password"])
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{address}/admin/livestreams/livestream/?q=istanbul&status__exact=scheduled")
    page.get_by_role("link", name=re.compile("İstanbul")).first.click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_label("Reason").fill("The creator asked us to: the boat is under repair.")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("1 stream was cancelled.").wait_for()
    page.screenshot(path=PICTURES / "admin.png")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    command = [sys.executable, "manage.py", "demo", "--json", "--port", PORT, "--data"]
    with (
        tempfile.TemporaryDirectory() as data,
        sync_playwright() as playwright,
        subprocess.Popen([*command, data], cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo,
    ):
        assert demo.stdout is not None  # noqa: S101
        said = json.loads(demo.stdout.readline())
        accounts = {account["role"]: account for account in said["accounts"]}
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        take_playground(browser.new_page(viewport={"width": 1280, "height": 900}), said["url"], accounts["creator"])
        take_admin(browser.new_page(viewport={"width": 1440, "height": 1330}), said["url"], accounts["moderator"])
        browser.close()
        demo.terminate()


if __name__ == "__main__":
    main()
