"""Steps of tests of the admin in a browser."""

from playwright.sync_api import ConsoleMessage, Page

from accounts.models import User
from tests.conftest import PASSWORD


def log_in(page: Page, address: str, user: User) -> None:
    """Open a page of the admin, which leads to the login form in any language, and log in as `user`."""
    page.goto(address)
    page.locator("#id_username").fill(user.username)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#login-form button[type=submit]").click()
    page.wait_for_url(lambda url: "/login/" not in url)  # and until that page is loaded


def faults_of(page: Page) -> list[str]:
    """What the browser will report of this page: errors of scripts, and violations of the content security policy."""
    reported: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "EvalError" in message.text:
            reported.append(f"{page.url}: {message.text}")

    page.on("console", listen)
    page.on("pageerror", lambda error: reported.append(f"{page.url}: {error}"))
    return reported


def has_no_sideways_scroll(page: Page) -> bool:
    """Nothing but tables and rows of tabs, which scroll by themselves, is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
