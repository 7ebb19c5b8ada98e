"""axe-core finds nothing serious or critical on pages of the admin, light and dark, on wide and narrow screens.

Each page is loaded once; appearance and width are changed in it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from bans.models import LiveStreamBan
from tests.admin.browsing import log_in
from tests.admin.pages import action_url, list_url, page_url
from tests.admin.roles import pages_opened
from tests.admin.world import World, make_world
from tests.browser import OWED

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600), *OWED]

AXE = Path(settings.BASE_DIR) / "clients" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (1440, 390)
GRAVE = {"serious", "critical"}
RUN = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, impact, nodes }) => {
        return { id, impact, nodes: nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`) };
    });
}"""


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def inside(page: Page, live_server: Any, world: World) -> Page:
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    log_in(page, f"{live_server.url}/admin/", world.root)
    return page


def findings(page: Page) -> Iterator[str]:
    """What axe-core finds on the page as it is now, in both appearances and widths."""
    assert AXE.exists(), "run make clients, which installs axe-core"
    page.evaluate(AXE.read_text("utf-8"))
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for appearance in ("light", "dark"):
            page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", appearance == "dark")
            page.evaluate("() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)))")
            for found in page.evaluate(RUN):
                if found["impact"] in GRAVE:
                    yield f"{page.url} {width} {appearance}: {found['id']}: {found['nodes'][:3]}"


def addresses(world: World) -> list[str]:
    """All lists and pages without a model, a page of each kind of row and action that staff work with, and an error."""
    appealed = LiveStreamBan.objects.get(target__username="deniz")
    stream, person = world.rows["livestreams.livestream"][0], appealed.target
    return [
        *pages_opened(world.ids() | {"ban_id": appealed.pk, "person_id": person.pk}),
        *(page_url(row) for row in (appealed, stream, person)),
        action_url(appealed, "uphold_ban"),
        action_url(appealed, "change_ban"),
        "/admin/nothing/",
    ]


def test_no_page_has_a_grave_fault(inside: Page, live_server: Any, world: World) -> None:
    found: list[str] = []
    for address in addresses(world):
        inside.goto(f"{live_server.url}{address}")
        found += findings(inside)
    assert not found, "\n".join(found)


def test_the_login_has_none(page: Page, live_server: Any, world: World) -> None:
    page.goto(f"{live_server.url}/admin/login/")
    found = list(findings(page))
    page.locator("input[name=username]").fill("melis")
    page.locator("input[name=password]").fill("wrong")
    page.locator("button[type=submit]").click()
    page.wait_for_load_state()
    assert [*found, *findings(page)] == []


def test_menus_and_windows_have_none(inside: Page, live_server: Any) -> None:
    inside.goto(f"{live_server.url}{list_url(LiveStreamBan)}")
    found: list[str] = []
    openings: list[tuple[Callable[[], None], str]] = [
        (lambda: inside.get_by_role("button", name="Defne Kılıç").press("Enter"), "#logout-form"),
        (lambda: inside.locator(".filter-open-button").press("Enter"), "#changelist-filter-close"),
        (lambda: inside.keyboard.press("Control+k"), "#search-input-command"),
        (lambda: inside.keyboard.press("Shift+?"), "text=Toggle sidebar"),
    ]
    for opened, shown in openings:
        opened()
        expect(inside.locator(shown)).to_be_visible()
        found += findings(inside)
        inside.set_viewport_size({"width": WIDTHS[0], "height": 900})
        inside.reload()
    assert not found, "\n".join(found)


def test_everything_that_can_be_clicked_has_a_name_and_keys(inside: Page, live_server: Any) -> None:
    """From the top of the page by Tab alone: past the navigation, through it, and with Enter on what is no button."""
    inside.goto(f"{live_server.url}{list_url(LiveStreamBan)}")
    inside.keyboard.press("Tab")
    skip = inside.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    inside.keyboard.press("Enter")
    expect(inside.locator("#content")).to_be_focused()
    inside.get_by_role("button", name="Show or hide the navigation").press("Enter")
    expect(inside.locator("#nav-sidebar-inner")).to_be_hidden()
    inside.get_by_role("button", name="Show or hide the navigation").press(" ")
    expect(inside.locator("#nav-sidebar-inner")).to_be_visible()


def test_rows_are_cards_with_the_names_of_their_columns_on_a_narrow_screen(inside: Page, live_server: Any) -> None:
    inside.goto(f"{live_server.url}{list_url(LiveStreamBan)}")
    inside.set_viewport_size({"width": 390, "height": 900})
    assert inside.evaluate("document.documentElement.scrollWidth") <= 390
    names = (
        inside.locator("#result_list tbody")
        .first.locator("[data-label]")
        .evaluate_all("cells => cells.map((cell) => cell.dataset.label)")
    )
    assert names[:3] == ["Banned person", "Stream", "Kind"]
    widths = inside.locator("#result_list tbody tr").evaluate_all("rows => rows.map((row) => row.offsetWidth)")
    assert max(widths) < 390
