"""Reviews of bans in a browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from livestreams.models import LiveStream
from tests.admin.browsing import faults_of, log_in
from tests.admin.conftest import join
from tests.admin.pages import list_url
from tests.bans.people import make_ban
from tests.browser import OWED
from tests.conftest import make_user
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]


@pytest.fixture
def moderator() -> User:
    return join(make_user("moderator", is_staff=True), "Moderators")


@pytest.fixture
def stream() -> LiveStream:
    return make_stream(make_user("creator"), "active", title="Gece sohbeti")


@pytest.fixture
def crashes(page: Page) -> Iterator[list[str]]:
    """Errors in scripts of the pages. The test fails if there are any."""
    errors = faults_of(page)
    yield errors
    assert errors == []


@pytest.fixture
def in_the_list(page: Page, live_server: Any, moderator: User, crashes: list[str]) -> Page:
    log_in(page, live_server.url + list_url(LiveStreamBan), moderator)
    expect(page.locator("#result_list")).to_be_visible()
    return page


def open_page(page: Page, person: str) -> None:
    page.get_by_role("link", name=re.compile(person)).click()
    expect(page.get_by_role("region", name="Audit trail")).to_be_visible()


def do(page: Page, label: str, reason: str) -> None:
    page.get_by_role("link", name=label).click()
    confirm(page, label, reason)


def confirm(page: Page, label: str, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=label).click()


def back_to_the_list(page: Page, live_server: Any) -> None:
    page.goto(live_server.url + list_url(LiveStreamBan))


def row_of(person: str) -> LiveStreamBan:
    return LiveStreamBan.all_objects.select_related("reviewed_by").get(target__username=person)


@pytest.fixture
def bans(stream: LiveStream) -> dict[str, LiveStreamBan]:
    """Four bans. There is an appeal against the first."""
    surnames = {"first": "Koç", "second": "Kaya", "third": "Koç", "fourth": "Kaya"}
    made = {
        name: make_ban(make_user(name, surname=surname), stream, reason="spam") for name, surname in surnames.items()
    }
    services.appeal_ban(made["first"].pk, by=made["first"].target, now=timezone.now(), text="It was my brother.")
    return made


def test_a_moderator_upholds_changes_and_lifts_and_sees_when_another_was_faster(
    bans: dict[str, LiveStreamBan], in_the_list: Page, live_server: Any
) -> None:
    page = in_the_list
    expect(page.locator("#result_list tbody tr")).to_have_count(4)

    open_page(page, "first")
    expect(page.get_by_text("It was my brother.").first).to_be_visible()
    do(page, "Uphold", "The recording is clear.")
    expect(page.get_by_text("1 ban was upheld.")).to_be_visible()
    story = page.get_by_role("region", name="Audit trail")
    expect(story.get_by_text("The recording is clear.").first).to_be_visible()
    expect(page.get_by_role("link", name="Uphold")).to_have_count(0)
    assert (row_of("first").review, Appeal.objects.get().state) == ("upheld", "denied")

    back_to_the_list(page, live_server)
    open_page(page, "second")
    page.get_by_role("link", name=re.compile(r"\bChange$")).click()
    page.get_by_label("Kind").select_option("CHAT_ONLY")
    page.get_by_label("Ends").fill("2040-01-01T12:30:15")
    confirm(page, "Change", "Too hard for a first time.")
    expect(page.get_by_text("1 ban was changed.")).to_be_visible()
    expect(page.get_by_text("1 Jan 2040, 12:30").first).to_be_visible()
    changed = row_of("second")
    assert changed.expires_at is not None
    assert (changed.action_type, changed.expires_at.isoformat()) == ("CHAT_ONLY", "2040-01-01T12:30:15+00:00")

    back_to_the_list(page, live_server)
    open_page(page, "third")
    do(page, "Lift", "A misunderstanding.")
    expect(page.get_by_text("1 ban was lifted.")).to_be_visible()
    assert row_of("third").is_deleted

    back_to_the_list(page, live_server)
    open_page(page, "fourth")
    page.get_by_role("link", name="Lift").click()
    faster = make_user("faster", is_staff=True)
    upheld = LiveStreamBan.Review.UPHELD
    services.review_ban(bans["fourth"].pk, by=faster, now=timezone.now(), verdict=upheld, reason="Clear.")
    confirm(page, "Lift", "A misunderstanding.")
    expect(page.get_by_text("faster changed it while the form was open, on")).to_be_visible()
    expect(page.get_by_text(re.compile("ban was lifted"))).to_have_count(0)
    assert (row_of("fourth").review, row_of("fourth").reviewed_by) == ("upheld", faster)


def test_a_moderator_shortens_two_bans_from_the_list_that_a_filter_shows(
    bans: dict[str, LiveStreamBan], in_the_list: Page, live_server: Any
) -> None:
    page = in_the_list
    page.locator("#searchbar").fill("koc")
    page.locator("#searchbar").press("Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)

    for box in page.locator("input.action-select").all():
        box.check()
    page.get_by_label("Select action to run").select_option("end_in_a_day")
    page.get_by_role("button", name="Run").click()
    confirm(page, "Change: ends in 1 day", "Long enough.")

    expect(page.get_by_text("2 bans were changed.")).to_be_visible()
    assert {row_of(name).review for name in ("first", "third")} == {"changed"}
    assert {row_of(name).review for name in ("second", "fourth")} == {"unreviewed"}
    assert Appeal.objects.get().state == "approved"
