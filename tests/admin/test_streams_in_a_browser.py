"""A moderator cancels and deletes streams in a browser."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from livestreams.models import LiveStream, Status
from tests.admin.browsing import faults_of, log_in
from tests.admin.conftest import CHANGE_PERMISSIONS, permit
from tests.admin.pages import list_url, page_url
from tests.browser import OWED
from tests.conftest import make_user
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]


@pytest.fixture
def moderator() -> User:
    return permit(make_user("moderator", is_staff=True, name="Deniz"), CHANGE_PERMISSIONS)


@pytest.fixture
def requests_outside(page: Page, live_server: Any) -> list[str]:
    """URLs of other hosts that the pages request."""
    own, outside = urlsplit(live_server.url).netloc, []

    def look(request: Any) -> None:
        if urlsplit(request.url).netloc not in {own, ""}:
            outside.append(request.url)

    page.on("request", look)
    return outside


def test_a_moderator_cancels_a_stream_and_sees_why_it_cannot_be_cancelled_again(
    page: Page, live_server: Any, moderator: User, requests_outside: list[str]
) -> None:
    creator = make_user("creator", name="Ayşe", surname="Yılmaz")
    stream = make_stream(creator, title="Işık ve gölge")
    make_stream(creator, title="Another talk")
    crashes = faults_of(page)
    log_in(page, f"{live_server.url}{list_url(LiveStream)}", moderator)

    page.get_by_role("link", name=re.compile(r"\bStreams$")).first.click()
    page.locator("#searchbar").fill("isik")
    page.locator("#searchbar").press("Enter")
    expect(page.get_by_text("Another talk")).to_have_count(0)
    page.get_by_role("link", name=re.compile("Işık ve gölge")).click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_label("Reason").fill("The creator asked us to.")
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_text("1 stream was cancelled.")).to_be_visible()
    expect(page.get_by_text("cancelled by moderator moderator").first).to_be_visible()
    page.get_by_role("navigation", name="More about this").get_by_role("link", name="Audit trail").click()
    story = page.get_by_role("region", name="Audit trail")
    expect(story.get_by_text("The creator asked us to.")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_have_count(0)
    assert LiveStream.objects.get(pk=stream.pk).status == Status.CANCELLED_BY_HOST

    page.goto(f"{live_server.url}{page_url(stream).removesuffix('change/')}cancel_stream/")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.get_by_text("the stream is cancelled by its host; it can only be deleted")).to_be_visible()
    assert requests_outside == []
    assert crashes == []


def test_a_moderator_deletes_two_streams_from_the_list(page: Page, live_server: Any, moderator: User) -> None:
    creator = make_user("creator")
    for title in ("One", "Two"):
        make_stream(creator, title=title)
    log_in(page, f"{live_server.url}{list_url(LiveStream)}", moderator)

    for box in page.locator("input.action-select").all()[-2:]:
        box.check()
    page.get_by_label("Select action to run").select_option("delete_stream")
    page.get_by_role("button", name="Run").click()
    page.get_by_label("Reason").fill("Both are tests.")
    page.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("2 streams were deleted.")).to_be_visible()
    assert LiveStream.objects.count() == 0
    assert LiveStream.all_objects.count() == 2
