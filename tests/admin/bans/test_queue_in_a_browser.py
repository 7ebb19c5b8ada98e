"""The queue in a browser: by keys alone in two languages, by touch on a telephone, and in two windows at once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bans.models import Appeal, LiveStreamBan, ReviewClaim
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


def test_twelve_bans_are_decided_by_touch_on_a_telephone(entered: Entered, capsys: pytest.CaptureFixture[str]) -> None:
    make_moderator()
    list(waiting_bans(12, timezone.now()))
    page = entered(locale="en-US", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    effort = Effort(page)
    verdicts, decide = page.locator(".rq-verdict"), page.locator("#decide")

    for place in range(12):
        ban_id = shown(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        with effort.of_one():
            if place % 3 == 1 and page.locator('[data-key="c"]').count():
                effort.tap(verdicts.nth(2), page.locator(".rq-changes label", has_text="1 day"), decide)
                wanted = Review.CHANGED
            else:
                effort.tap(verdicts.nth(place % 3 // 2), decide)
                wanted = Review.LIFTED if place % 3 == 2 else Review.UPHELD
        assert decided(page, ban_id).review == wanted
    expect(page.locator(".rq-empty")).to_be_visible()

    with capsys.disabled():
        print("\n" + effort.summary("queue by touch, 390 px"))  # noqa: T201 - the figures are the purpose
    assert max(effort.taps) <= MOST_KEYS
    assert effort.loads == 12


def test_keys_are_ignored_while_typing_and_with_other_modifiers(entered: Entered) -> None:
    make_moderator()
    list(waiting_bans(2, timezone.now()))
    page = entered(locale="en-US")
    shown(page)
    for key in ("Shift+U", "Alt+u", "Control+u", "Meta+l", "F1", "9"):
        page.keyboard.press(key)
    expect(page.locator("[name=verdict]:checked")).to_have_count(0)
    page.locator("#id_reason").click()
    page.keyboard.type("ulc123 sz?")
    expect(page.locator("#id_reason")).to_have_value("ulc123 sz?")
    expect(page.locator("[name=verdict]:checked")).to_have_count(0)

    page.locator("h1").first.click()
    page.keyboard.press("Shift+?")
    dialog = page.get_by_text("Decide, and open the next ban")
    expect(dialog).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("[name=verdict]:checked")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("u")
    expect(page.locator("[name=verdict]:checked")).to_have_count(1)
    expect(page.locator("#id_reason")).to_have_value("ulc123 sz?")
    page.keyboard.press("2")
    expect(page.locator("#id_reason")).to_have_value("Insults or harassment. ulc123 sz?")


def test_two_moderators_see_each_other_and_the_slower_one_keeps_the_reason(entered: Entered) -> None:
    make_moderator("melis")
    make_moderator("defne")
    (ban,) = waiting_bans(1, timezone.now())
    path = f"/admin/bans/review/{ban.pk}/"
    first = entered("melis", path, locale="en-US")
    shown(first)
    first.locator("#id_reason").fill("It was a joke between friends.")

    second = entered("defne", path, locale="en-US")
    expect(second.get_by_text("melis is looking at this ban.")).to_be_visible()
    second.keyboard.press("u")
    second.keyboard.press("Control+Enter")
    assert LiveStreamBan.objects.get().review == Review.UNREVIEWED
    second.get_by_role("button", name="Take over").click()
    shown(second)
    expect(first.get_by_text("defne is looking at this ban.")).to_be_visible(timeout=2000)

    second.keyboard.press("u")
    second.keyboard.press("Control+Enter")
    expect(second.locator(".rq-empty")).to_be_visible()
    expect(first.get_by_text("defne was faster")).to_be_visible(timeout=2000)
    first.locator(".rq-verdict").nth(1).click()
    first.keyboard.press("Control+Enter")
    assert LiveStreamBan.objects.get().review == Review.UPHELD
    assert AuditEntry.objects.filter(action="review_ban").count() == 1
    expect(first.locator("#id_reason")).to_have_value("It was a joke between friends.")
    first.goto(path)
    expect(first.locator(".rq-kept textarea")).to_have_value("It was a joke between friends.")
    assert not ReviewClaim.objects.exists()


def test_why_a_decision_was_refused_stays_on_the_page(entered: Entered) -> None:
    make_moderator("melis")
    (ban,) = waiting_bans(1, timezone.now())
    page = entered("melis", f"/admin/bans/review/{ban.pk}/", locale="en-US")
    shown(page)
    page.evaluate("document.querySelector('[name=seen]').value = 'older'")
    page.keyboard.press("u")
    page.keyboard.press("Control+Enter")
    refusal = page.get_by_text("the ban was changed while the form was open")
    expect(refusal).to_be_visible()
    for _question in range(2):
        page.wait_for_event("requestfinished", lambda sent: "/claim/" in sent.url)
    expect(refusal).to_be_visible()

    page.keyboard.press("u")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".rq-empty")).to_be_visible()


def test_a_typed_reason_survives_the_end_of_the_session(entered: Entered) -> None:
    melis = make_moderator("melis")
    (ban,) = waiting_bans(1, timezone.now())
    page = entered("melis", f"/admin/bans/review/{ban.pk}/", locale="en-US")
    shown(page)
    page.keyboard.press("l")
    page.locator("#id_reason").fill("The person apologised.")
    page.locator("#id_message").fill("Welcome back.")
    page.context.clear_cookies()
    page.get_by_role("link", name="Log in").click()

    log_in(page, "melis")
    shown(page)
    expect(page.locator("#id_reason")).to_have_value("The person apologised.")
    expect(page.locator("#id_message")).to_have_value("Welcome back.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".rq-empty")).to_be_visible()
    row = LiveStreamBan.all_objects.get(pk=ban.pk)
    assert (row.review, row.reviewed_by, row.verdict_message) == (Review.LIFTED, melis, "Welcome back.")
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('kumanda-review'))") == []
