"""The guides of the playground: complete, true, and readable on a telephone."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from common.diagrams import START, Move, State, columns_of, state_diagram
from common.guides import guides
from common.schema import codes
from config.guides import ACTIONS, lifecycle, lifecycle_moves
from livestreams.models import LIFECYCLE, Action, Status
from tests.browser import OWED
from tests.openapi.contents import Document
from tests.openapi.playground import answer_of, block_of, execute, opened, unfolded

pytestmark = OWED

LANGUAGES = ["en", "tr"]
OPERATION = re.compile(r"<code>((?:GET|POST|PUT|PATCH|DELETE) /\S+)</code>")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_guide_exists_in_every_language_and_has_a_title(language: str, settings: Any) -> None:
    found = guides(language)
    assert [guide.name for guide in found] == settings.GUIDES["names"]
    files = {path.stem for path in (Path(settings.GUIDES["folder"]) / language).glob("*.md")}
    assert files == set(settings.GUIDES["names"])
    assert all(guide.title and guide.html.startswith("<h1>") for guide in found)


def test_the_guides_of_both_languages_have_the_same_parts() -> None:
    for english, turkish in zip(guides("en"), guides("tr"), strict=True):
        for part in ("<h2>", "<table>", "<pre>", "<svg", "<li>"):
            assert english.html.count(part) == turkish.html.count(part), f"{part} in {english.name}"
        assert sorted(OPERATION.findall(english.html)) == sorted(OPERATION.findall(turkish.html)), english.name
        assert english.title != turkish.title


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_operation_that_a_guide_names_exists(document: Document, language: str) -> None:
    known = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    named = {name for guide in guides(language) for name in OPERATION.findall(guide.html)}
    assert len(named) > 15
    assert named <= known


def test_the_guide_of_errors_lists_every_code() -> None:
    html = next(guide.html for guide in guides("en") if guide.name == "errors")
    assert [code for code in codes() if f"<code>{code}</code>" not in html] == []


# --- the diagram ----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_diagram_has_every_state_and_move_of_the_lifecycle(language: str) -> None:
    with override(language):
        drawn = lifecycle()
        moves = lifecycle_moves()
        for status in Status:
            assert f">{status.label}</text>" in drawn
            assert f">{status}</text>" in drawn
        for action in {action for row in LIFECYCLE.values() for action in row} - {Action.EDIT, Action.DELETE}:
            assert f">{ACTIONS[action]}</text>" in drawn
    changes = [target for status, row in LIFECYCLE.items() for target in row.values() if target is not status]
    assert drawn.count('class="move"') == len(changes) + 2 == len(moves)


def test_a_diagram_escapes_its_texts() -> None:
    drawn = state_diagram([Move(START, "a", "<b>")], {"a": State("<i>", "a")}, title='"')
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    assert 'aria-label="&quot;"' in drawn


def test_states_are_in_the_column_of_their_shortest_way() -> None:
    moves = [Move(START, "a", ""), Move("a", "b", ""), Move("a", "c", ""), Move("b", "c", ""), Move("c", "a", "")]
    assert columns_of(moves) == [[START], ["a"], ["b", "c"]]


# --- in the browser -------------------------------------------------------------------------------


def test_a_guide_is_shown_beside_the_operations_and_stays(page: Page, live_server: LiveServer) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, live_server)
    expect(page.locator("#reader")).to_be_hidden()

    page.locator("#guides").get_by_role("button", name="Errors").click()
    expect(page.locator("#guide-errors")).to_be_visible()
    unfolded(page, "GET /api/v1/users/me")

    expect(page.locator("#guide-errors")).to_be_visible()
    page.locator("#close-guide").click()
    expect(page.locator("#reader")).to_be_hidden()


def test_the_address_of_a_guide_opens_it(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/api/docs/?lang=tr#guide/lifecycle")

    expect(page.locator("#guide-lifecycle")).to_be_visible()
    expect(page.locator("#guide-lifecycle h1")).to_have_text("Bir yayının yaşamı")
    expect(page.locator("#guide-lifecycle svg")).to_be_visible()


def test_a_link_between_guides_and_one_to_an_operation_can_be_followed(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/api/docs/?lang=en#guide/errors")

    page.locator("#guide-errors").get_by_role("link", name="Idempotency-Key").click()
    expect(page.locator("#guide-idempotency")).to_be_visible()
    page.locator("#guide-idempotency").get_by_role("button", name="GET /api/v1/live-stream/{id}", exact=True).click()

    expect(block_of(page, "GET /api/v1/live-stream/{id}").locator(".execute")).to_be_visible()


def test_the_filter_finds_guides(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server)

    page.locator("#words").fill("standard webhooks")

    expect(page.locator("#guides").get_by_role("button", name="Webhooks")).to_be_visible()
    expect(page.locator("#guides").get_by_role("button", name="Lists")).to_be_hidden()


# --- 390 pixels -----------------------------------------------------------------------------------

WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_scrolls_sideways_on_a_telephone(page: Page, live_server: LiveServer, language: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, live_server, language, whole=True)
    assert not page.evaluate(WIDE)

    for operation in (
        "GET /api/v1/live-stream",
        "POST /api/v1/live-stream/create",
        "POST /api/v1/live-stream-ban/bulk",
    ):
        block = unfolded(page, operation)
        assert not page.evaluate(WIDE), operation
        execute(block)
        expect(answer_of(block)).to_be_visible()
        assert not page.evaluate(WIDE), operation
        block.locator(".opblock-summary-control").click()
    page.locator("#server").select_option(index=1)
    assert not page.evaluate(WIDE)
    page.locator("#server").select_option(index=0)

    for button in page.locator("#guides button[data-guide]").all():
        button.click()
        expect(page.locator("#reader")).to_be_visible()
        assert not page.evaluate(
            "(() => { const at = document.getElementById('reader'); return at.scrollWidth > at.clientWidth; })()"
        )
        page.keyboard.press("Escape")
        expect(page.locator("#reader")).to_be_hidden()


def test_the_labels_are_turkish_on_the_turkish_page(page: Page, live_server: LiveServer) -> None:
    opened(page, live_server, "tr")
    block = unfolded(page, "GET /api/v1/users/me")

    expect(block.locator(".execute")).to_have_text("Gönder")
    execute(block)
    answer = block.locator(".responses-wrapper")
    expect(answer).to_contain_text("Sunucunun yanıtı")
    expect(answer).to_contain_text("Yanıt gövdesi")
    expect(answer).not_to_contain_text("Response body")
    expect(page.locator("html")).to_have_attribute("lang", "tr")
