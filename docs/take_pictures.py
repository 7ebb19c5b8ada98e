"""Takes the screenshots of the README from a demo that it starts: `make pictures`."""
# ruff: noqa: INP001 - a script, not a package

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
PORT = "8765"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-sync", "--no-first-run"]

type Account = dict[str, str]


def log_in(page: Page, account: Account) -> None:
    page.locator("#accounts button", has_text=account["username"]).click()
    page.locator("#status.in").wait_for()


def unfold(page: Page, method: str, path: str) -> Locator:
    block = page.locator(f".opblock-{method}").filter(has=page.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary-control").click()
    block.locator(".execute").wait_for()
    return block


def take_playground(page: Page, address: str, creator: Account) -> None:
    """An answer, its sample, and a guide beside it."""
    page.goto(f"{address}/api/docs/?lang=en#guide/lifecycle")
    page.locator("#guide-lifecycle svg").wait_for()
    log_in(page, creator)
    block = unfold(page, "get", "/api/v1/users/me")
    block.get_by_role("button", name="Python").click()
    block.locator(".execute").click()
    block.locator(".live-responses-table").wait_for()
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=PICTURES / "playground.png")


def take_playground_of_telephone(page: Page, address: str, creator: Account) -> None:
    """The question before a changing call to Production, in Turkish."""
    page.goto(f"{address}/api/docs/?lang=tr")
    page.locator(".opblock").first.wait_for()
    log_in(page, creator)
    page.locator("#server").select_option(index=1)
    page.locator("#words").fill("live-stream cancel")
    block = unfold(page, "post", "/api/v1/live-stream/{id}/cancel")
    block.locator("tr[data-param-name=id] input").fill("673ac9e2c93fe18d3fdd23f1")
    block.locator(".execute").click()
    page.locator("#production-question[open]").wait_for()
    page.screenshot(path=PICTURES / "playground-telephone.png")


def log_in_to_admin(page: Page, address: str, account: Account) -> None:
    page.goto(f"{address}/admin/")
    page.locator("input[name=username]").fill(account["username"])
    page.locator("input[name=password]").fill(account["password"])
    page.locator("button[type=submit]").first.click()
    page.locator("#nav-sidebar, nav").first.wait_for()


def take_admin(page: Page, address: str, moderator: Account) -> None:
    """The overview, a ban with an appeal in the queue, a person, and the audit trail."""
    log_in_to_admin(page, address, moderator)
    page.screenshot(path=PICTURES / "overview.png")
    page.goto(f"{address}/admin/bans/review/?queue=appeals")
    page.keyboard.press("u")
    page.keyboard.press("1")
    page.screenshot(path=PICTURES / "review.png")
    page.goto(f"{address}/admin/accounts/user/?q=nora")
    page.get_by_role("link", name=re.compile("Nora")).first.click()
    page.locator("#tabs").wait_for()
    page.screenshot(path=PICTURES / "person.png")
    page.goto(f"{address}/admin/common/auditentry/")
    page.screenshot(path=PICTURES / "trail.png")


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
        take_playground(browser.new_page(viewport={"width": 1440, "height": 1500}), said["url"], accounts["creator"])
        telephone = browser.new_page(viewport={"width": 390, "height": 844})
        take_playground_of_telephone(telephone, said["url"], accounts["creator"])
        take_admin(browser.new_page(viewport={"width": 1440, "height": 900}), said["url"], accounts["moderator"])
        browser.close()
        demo.terminate()


if __name__ == "__main__":
    main()
