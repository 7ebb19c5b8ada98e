"""The queue in a browser: by keys alone in two languages, by touch on a telephone, and in two windows at once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bans.models import Appeal, LiveStreamBan
from common.models import AuditEntry
from tests.admin.bans.counting import Effort
from tests.admin.bans.queue_world import make_moderator, waiting_bans
from tests.browser import OWED
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db(transaction=True), *OWED, pytest.mark.timeout(180)]

Review = LiveStreamBan.Review
MOST_KEYS = 3
OUTCOMES = {
    "en-US": {
        "keep": "Keep the ban",
        "deny": "Keep the ban, deny the appeal",
        "grant": "Lift, grant the appeal",
        "hour": "Change to: 1 hour",
        "undone": "The verdict was taken back. Decide again.",
    },
    "tr-TR": {
        "keep": "Banı sürdür",
        "deny": "Banı sürdür, itirazı reddet",
        "grant": "Banı kaldır, itirazı kabul et",
        "hour": "Değiştir: 1 saat",
        "undone": "Karar geri alındı. Yeniden karar verin.",
    },
}

type Entered = Callable[..., Page]


@pytest.fixture
def entered(browser: Browser, live_server: Any) -> Iterator[Entered]:
    """Opens the queue in a window of its own, as the moderator with this username. Errors of scripts fail the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_queue(username: str = "melis", path: str = "/admin/bans/review/", **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        page.goto(path)
        log_in(page, username)
        return page

    yield open_queue
    for context in contexts:
        context.close()
    assert errors == []


def log_in(page: Page, username: str) -> None:
    page.locator("#id_username").fill(username)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    expect(page.locator("#review")).to_be_visible()


def shown(page: Page) -> str:
    """The id of the ban on the page, once its script runs."""
    expect(page.locator("#review.rq-scripted")).to_be_visible()
    return str(page.locator("#review").get_attribute("data-ban"))


def decided(page: Page, ban_id: str) -> LiveStreamBan:
    """The ban, once the page of another one is there."""
    expect(page.locator(f'#review[data-ban="{ban_id}"]')).to_have_count(0)
    return LiveStreamBan.all_objects.select_related("appeal").get(pk=ban_id)


@pytest.mark.parametrize("locale", ["en-US", "tr-TR"])
def test_twenty_bans_of_all_kinds_are_decided_with_three_keys_at_most(
    locale: str, entered: Entered, capsys: pytest.CaptureFixture[str]
) -> None:
    make_moderator()
    waiting = {ban.pk for ban in waiting_bans(20, timezone.now())}
    page = entered(locale=locale)
    effort = Effort(page)
    button, texts = page.locator("#decide [data-text]"), OUTCOMES[locale]

    for place in range(20):
        ban_id = shown(page)
        appealed = page.locator(".rq-appeal").count() > 0
        can_change = page.locator('[data-key="c"]').count() > 0
        with effort.of_one():
            match place % 4:
                case 0:
                    effort.press("u")
                    expect(button).to_have_text(texts["deny" if appealed else "keep"])
                    effort.press("Control+Enter")
                    wanted, state = Review.UPHELD, Appeal.State.DENIED
                case 1 if can_change:
                    effort.press("c", "2")
                    expect(button).to_contain_text(texts["hour"])
                    effort.press("Control+Enter")
                    wanted, state = Review.CHANGED, Appeal.State.APPROVED
                case 2:
                    effort.press("l", "2")
                    if appealed:
                        expect(button).to_have_text(texts["grant"])
                    effort.press("Control+Enter")
                    wanted, state = Review.LIFTED, Appeal.State.APPROVED
                case _:
                    effort.press("u", "3", "Control+Enter")
                    wanted, state = Review.UPHELD, Appeal.State.DENIED
        if place == 19:
            break
        ban = decided(page, ban_id)
        assert ban.review == wanted
        assert not appealed or ban.appeal.state == state
        waiting.discard(ban_id)
    expect(page.locator(".rq-empty")).to_be_visible()

    with capsys.disabled():
        print("\n" + effort.summary(f"queue by keys, {locale}"))  # noqa: T201 - the figures are the purpose
    assert max(effort.keys) <= MOST_KEYS
    assert effort.loads == 20
    assert len(waiting) == 1
    assert not LiveStreamBan.all_objects.waiting(timezone.now()).exists()
    reasons = set(AuditEntry.objects.filter(action="review_ban").values_list("reason", flat=True))
    assert (
        reasons
        == {
            "en-US": {"The recording shows it.", "Justified, but too hard.", "A misunderstanding.", "Hate speech."},
            "tr-TR": {"Kayıtta görülüyor.", "Haklı ama fazla ağır.", "Yanlış anlaşılma.", "Nefret söylemi."},
        }[locale]
    )

    page.keyboard.press("z")
    expect(page.get_by_text(texts["undone"])).to_be_visible()
    assert LiveStreamBan.all_objects.waiting(timezone.now()).count() == 1
