"""The content security policy in a browser: it blocks nothing that the pages of the admin need."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts import services
from accounts.models import User
from livestreams.models import LiveStream
from tests.admin.browsing import faults_of, log_in
from tests.admin.pages import action_url, list_url, page_url
from tests.admin.roles import pages_opened
from tests.admin.rows import ids_of_rows
from tests.admin.test_users import picture
from tests.browser import OWED
from tests.conftest import PASSWORD, make_user, session_of
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]


@pytest.fixture
def violations(page: Page) -> list[str]:
    return faults_of(page)


@pytest.fixture
def ids() -> Mapping[str, str]:
    """Those of a row of each model."""
    creator = services.set_profile_photo(make_user("creator"), picture(), by=None, now=timezone.now())
    return ids_of_rows(make_stream(creator, title="Işık ve gölge"))


@pytest.fixture
def root(page: Page, live_server: Any, ids: Mapping[str, str]) -> User:
    """A superuser who has logged in."""
    root = User.objects.create_superuser("root", PASSWORD)
    log_in(page, f"{live_server.url}/admin/", root)
    expect(page.get_by_role("link", name="Audit trail").first).to_be_visible()
    return root


def rows() -> dict[type[Model], Any]:
    return {model: model._base_manager.order_by("pk")[0] for model in admin.site._registry}


def addresses(ids: Mapping[str, str]) -> dict[str, int]:
    """URLs of every kind of page, and their status codes."""
    found = {"/admin/": 200, "/admin/password_change/": 200, "/admin/password_change/done/": 200}
    found |= {"/admin/no/such/page/": 404, "/admin/logout/": 405, f"{list_url(User)}?password__regex=a": 400}
    for model, row in rows().items():
        found |= {list_url(model): 200, f"{list_url(model)}?q=a": 200, page_url(row): 200}
        found |= {page_url(row, "history"): 200, f"{list_url(model)}add/": 403}
        for action in dict.fromkeys(getattr(admin.site._registry[model], "actions_detail", ())):
            found[action_url(row, action)] = 200
    return found | dict.fromkeys(pages_opened(ids), 200)


def test_the_policy_blocks_nothing_on_any_page(
    page: Page, live_server: Any, ids: Mapping[str, str], root: User, violations: list[str]
) -> None:
    assert len(addresses(ids)) > 50
    for address, status in addresses(ids).items():
        answer = page.goto(f"{live_server.url}{address}")
        assert answer is not None
        assert (answer.status, address) == (status, address)
        assert "default-src 'none'" in (answer.header_value("content-security-policy") or "")
        # Alpine.js runs, and the colours of the theme are loaded.
        page.wait_for_function("() => window.Alpine && !document.documentElement.hasAttribute('x-cloak')")
        colour = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--color-primary-500')")
        assert "277.117" in colour
    assert violations == []


def test_the_policy_blocks_no_interaction(page: Page, live_server: Any, root: User, violations: list[str]) -> None:
    page.goto(f"{live_server.url}/admin/bans/livestreamban/")
    page.get_by_text("Filters").first.click()
    creators = page.locator("select[name=stream__creator__id__exact] + .select2")
    creators.click()
    expect(page.locator(".select2-results__option").filter(has_text="creator").first).to_be_visible()
    page.keyboard.press("Escape")
    session_of(User.objects.get(username="creator"))  # a session that the action can end
    page.goto(f"{live_server.url}/admin/accounts/user/?q=creator")
    page.locator("input.action-select").last.check()
    page.get_by_label("Select action to run").select_option(index=1)
    page.get_by_role("button", name="Run").click()
    page.get_by_role("textbox", name="Reason").fill("A test.")
    page.locator("form button[type=submit]").last.click()
    expect(page.get_by_text("1 user").first).to_be_visible()
    page.wait_for_load_state("networkidle")  # the shortcut works once the scripts of the page have run
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Type to search").press_sequentially("user")
    expect(page.locator("#command-results-list a").first).to_be_visible()
    assert violations == []


def test_an_injected_script_does_not_run(page: Page, live_server: Any, root: User, violations: list[str]) -> None:
    page.goto(f"{live_server.url}{page_url(LiveStream.objects.get())}")

    ran = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.head.append(script);
            document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="window.ran = true">');
            return new Promise((resolve) => setTimeout(() => resolve(Boolean(window.ran)), 300));
        }"""
    )

    assert ran is False
    assert len(violations) >= 2


def test_the_policy_of_the_login_and_unsubscribe_pages_blocks_nothing(
    page: Page, live_server: Any, violations: list[str]
) -> None:
    for address in ("/admin/login/", "/unsubscribe/none"):
        answer = page.goto(f"{live_server.url}{address}")
        assert answer is not None
        assert "default-src 'none'" in (answer.header_value("content-security-policy") or "")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    assert violations == []
