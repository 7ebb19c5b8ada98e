"""Forms of the admin in a browser: saving one changed field changes nothing else."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.forms import BaseForm, DateTimeField
from django.utils import timezone
from playwright.sync_api import Browser, FilePayload, Page, expect

from accounts.models import Session, User
from accounts.services import deactivate_user, log_in
from bans import services as bans
from bans.admin.actions import ChangeForm
from bans.models import Appeal, BulkRequest, LiveStreamBan, ReportCase
from common.admin.forms import MomentField
from common.models import AuditEntry
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from reminders.models import Delivery, Reminder
from tests.admin import browsing
from tests.admin.notifying import notify_of_start
from tests.admin.pages import action_url, list_url
from tests.admin.test_users import picture
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.bans.requesting import make_request
from tests.browser import OWED
from tests.conftest import PASSWORD, make_user
from tests.streams import make_stream

pytestmark = [pytest.mark.django_db(transaction=True), *OWED]

LANGUAGES = ("en-GB", "tr-TR")
WATCHED = (User, Session, LiveStream, LiveStreamBan, BulkRequest, ReportCase, Appeal, Reminder, Delivery)
REVIEWED = {"review", "reviewed_by_id", "reviewed_at", "updated_at"}
NEW_PASSWORD = "a quite different horse"
REASON = "Seen in a browser."

type Rows = dict[tuple[type[Model], str], dict[str, Any]]


def rows() -> Rows:
    found: Rows = {}
    for model in WATCHED:
        values: Any = model._base_manager.order_by("pk").values()
        for row in values:
            found[model, row["id"]] = dict(row)
    return found


def changed(before: Rows, after: Rows) -> dict[tuple[type[Model], str], set[str]]:
    """The columns that differ, by row. Asserts that no row was added or removed."""
    assert before.keys() == after.keys()
    differing = {key: {name for name, value in row.items() if after[key][name] != value} for key, row in before.items()}
    return {key: names for key, names in differing.items() if names}


def audited() -> tuple[str, set[str]]:
    entry = AuditEntry.objects.exclude(action__in=("deny_appeal", "approve_appeal")).latest("pk")
    assert entry.before.keys() == entry.after.keys()
    return entry.action, set(entry.after)


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", PASSWORD)


@pytest.fixture
def open_in(browser: Browser, live_server: Any, root: User) -> Iterator[Callable[[str], Page]]:
    """Opens a page in a language, with a superuser logged in."""
    contexts = []

    def opened(locale: str) -> Page:
        contexts.append(browser.new_context(locale=locale, base_url=live_server.url))
        page = contexts[-1].new_page()
        browsing.log_in(page, "/admin/", root)
        return page

    yield opened
    for context in contexts:
        context.close()


def save(page: Page, reason: str = REASON) -> None:
    page.locator("#id_reason").fill(reason)
    page.locator("form:has(#id_reason) button[type=submit]").click()
    page.wait_for_load_state()


# --- the form of a change -------------------------------------------------------------------------


def end_of(ban: LiveStreamBan) -> Any:
    return LiveStreamBan.all_objects.get(pk=ban.pk).expires_at


@pytest.fixture
def ban() -> LiveStreamBan:
    """A ban with a pending appeal. Its end has microseconds, as those of bans with `durationSeconds` have."""
    end = (timezone.now() + timedelta(days=3)).replace(microsecond=123456)
    ban = make_ban(
        make_user("troublemaker"), make_stream(make_user("creator"), "active"), expires_at=end, reason="spam"
    )
    bans.appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text="It was my brother.")
    return ban


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_kind_is_changed_and_the_end_and_the_appeal_stay_as_they_were(
    locale: str, ban: LiveStreamBan, open_in: Callable[[str], Page]
) -> None:
    page, before, end = open_in(locale), rows(), end_of(ban)
    page.goto(action_url(ban, "change_ban"))
    expect(page.locator("#id_expires_at")).to_have_value(re.compile(re.escape(f"{end:%Y-%m-%dT%H:%M}")))
    expect(page.get_by_text("UTC").first).to_be_visible()
    page.locator("#id_action_type").select_option("CHAT_ONLY")

    save(page)  # refused, because the decision on the appeal is missing
    assert changed(before, rows()) == {}
    page.locator("#id_appeal").select_option("approved")
    save(page)

    appeal = Appeal.objects.get()
    assert changed(before, rows()) == {
        (LiveStreamBan, ban.pk): {"action_type", *REVIEWED},
        (Appeal, appeal.pk): {"state", "updated_at"},
    }
    assert (end_of(ban), appeal.state) == (end, "approved")
    assert audited() == ("review_ban", {"action_type", *REVIEWED} - {"updated_at"})


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_end_is_changed_emptied_or_left_alone(
    locale: str, ban: LiveStreamBan, open_in: Callable[[str], Page]
) -> None:
    bans.withdraw_appeal(ban.pk, by=ban.target, now=timezone.now())
    page, before = open_in(locale), rows()

    page.goto(action_url(ban, "change_ban"))
    save(page)
    assert changed(before, rows()) == {}
    expect(page.locator("#id_reason")).to_be_visible()  # the form is shown again

    page.goto(action_url(ban, "change_ban"))
    page.locator("#id_expires_at").fill("")
    save(page)
    assert changed(before, rows()) == {}
    expect(page.locator("#id_no_end")).to_be_visible()

    page.goto(action_url(ban, "change_ban"))
    page.locator("#id_expires_at").fill("2040-01-01T12:30:15")
    save(page)
    assert changed(before, rows()) == {(LiveStreamBan, ban.pk): {"expires_at", *REVIEWED}}
    assert end_of(ban).isoformat() == "2040-01-01T12:30:15+00:00"

    before = rows()
    page.goto(action_url(ban, "change_ban"))
    page.locator("#id_no_end").check()
    save(page)
    assert changed(before, rows()) == {(LiveStreamBan, ban.pk): {"expires_at", "reviewed_at", "updated_at"}}
    assert end_of(ban) is None

    before = rows()
    page.goto(action_url(ban, "change_ban"))
    expect(page.locator("#id_no_end")).to_have_count(0)
    page.locator("#id_action_type").select_option("CHAT_ONLY")
    save(page)
    assert changed(before, rows()) == {(LiveStreamBan, ban.pk): {"action_type", "reviewed_at", "updated_at"}}
    assert end_of(ban) is None


def test_a_superuser_overrules_with_the_same_form(ban: LiveStreamBan, open_in: Callable[[str], Page]) -> None:
    faster = make_user("faster", is_staff=True)
    bans.review_ban(ban.pk, by=faster, now=timezone.now(), verdict=LiveStreamBan.Review.UPHELD, reason="Clear.")
    page, before, end = open_in("en-GB"), rows(), end_of(ban)
    page.goto(action_url(ban, "overrule_change"))
    expect(page.locator("#id_appeal")).to_have_value("denied")
    page.locator("#id_action_type").select_option("CHAT_ONLY")
    save(page)
    assert changed(before, rows()) == {(LiveStreamBan, ban.pk): {"action_type", *REVIEWED}}
    assert end_of(ban) == end
    assert audited()[0] == "overrule_review"


# --- the reason of every admin action ----------------------------------------------------------------------


def test_every_admin_action_changes_its_own_columns_and_records_its_reason(open_in: Callable[[str], Page]) -> None:
    now = timezone.now()
    creator, judge = make_user("creator"), make_user("judge")
    end = now + timedelta(days=30)

    def a_ban(**fields: Any) -> LiveStreamBan:
        number = LiveStreamBan.all_objects.count()
        return make_ban(make_user(f"banned{number}"), make_stream(creator), expires_at=end, **fields)

    def upheld() -> LiveStreamBan:
        ban = a_ban()
        bans.review_ban(ban.pk, by=judge, now=now, verdict=LiveStreamBan.Review.UPHELD, reason="Clear.")
        return ban

    def lifted() -> LiveStreamBan:
        ban = a_ban()
        bans.review_ban(ban.pk, by=judge, now=now, verdict=LiveStreamBan.Review.LIFTED, reason="No.")
        return ban

    gone = make_stream(creator)
    delete_stream(gone.pk, by=creator, now=now)
    inactive = make_user("inactive")
    boss = User.objects.get(username="root")
    deactivate_user(inactive.pk, by=boss, now=now, reason="Spam.")
    log_in("creator", PASSWORD, now=now)
    delivery = notify_of_start(make_stream(make_user("host")), [make_user("waiting")])
    Delivery.objects.filter(pk=delivery.pk).update(state="failed", closed_at=now, next_attempt_at=None, attempts=9)
    reporter = make_user("reporter")
    cases_of_reports = [make_report(reporter, make_stream(creator)).case for _ in range(2)]
    raider, raided = make_user("raider"), make_stream(creator)
    requests = [make_request(raided, people) for people in ([raider], [raider, make_user("other")])]
    make_ban(raider, raided)  # so that the approval finds nothing to do
    approved = {"state", "decided_by_id", "decided_at", "updated_at"}
    decided = {"state", "decision", "decided_by_id", "decided_at", "updated_at"}
    stream = {"status", "updated_at", "revision"}
    removed = {"deleted_at", "deleted_by_id", "updated_at", "revision"}
    out = {"session_epoch"}
    cases: list[tuple[Any, str, set[str]]] = [
        (a_ban(), "uphold_ban", REVIEWED),
        (a_ban(), "lift_ban", REVIEWED | {"deleted_at", "deleted_by_id"}),
        (a_ban(action_type="CHAT_ONLY"), "block_watching", REVIEWED | {"action_type"}),
        (a_ban(), "block_writing", REVIEWED | {"action_type"}),
        (a_ban(), "end_in_an_hour", REVIEWED | {"expires_at"}),
        (a_ban(), "end_in_a_day", REVIEWED | {"expires_at"}),
        (a_ban(), "end_in_a_week", REVIEWED | {"expires_at"}),
        (a_ban(), "hold_until_lifted", REVIEWED | {"expires_at"}),
        (upheld(), "overrule_lift", REVIEWED | {"deleted_at", "deleted_by_id"}),
        (lifted(), "overrule_uphold", REVIEWED | {"deleted_at", "deleted_by_id"}),
        (make_stream(creator, "active"), "end_stream", stream | {"ended_at"}),
        (make_stream(creator), "cancel_stream", stream),
        (make_stream(creator), "delete_stream", removed),
        (gone, "restore_stream", removed),
        (creator, "log_out", out),
        (make_user("plain"), "deactivate_user", {"is_active", "updated_at", *out}),
        (inactive, "activate_user", {"is_active", "updated_at"}),
        (cases_of_reports[0], "dismiss_case", decided),
        (cases_of_reports[1], "mark_acted_on", decided),
        (requests[0], "approve_request", approved),
        (requests[1], "reject_request", approved),
        (delivery, "send_again", {"state", "closed_at", "next_attempt_at", "attempts"}),
    ]
    actions = {name for pages in admin.site._registry.values() for name in getattr(pages, "actions", ())}
    assert {action for _row, action, _columns in cases} == actions, "an admin action has no case"
    page = open_in("en-GB")
    for row, action, columns in cases:
        before = rows()
        page.goto(action_url(row, action))
        save(page, f"Reason of {action}")
        differing = changed(before, rows())
        assert differing.pop((type(row), row.pk)) == columns, action
        assert all(model is Session for model, _pk in differing), action
        assert AuditEntry.objects.filter(target_id=row.pk).latest("pk").reason == f"Reason of {action}"


# --- the other forms ------------------------------------------------------------------------------


def test_a_photo_is_set_and_nothing_else(open_in: Callable[[str], Page]) -> None:
    user = make_user("creator")
    page, before = open_in("en-GB"), rows()
    page.goto(action_url(user, "set_profile_photo"))
    page.locator("#id_photo").set_input_files(
        FilePayload(name="picture.png", mimeType="image/png", buffer=picture().getvalue())
    )
    page.locator("form:has(#id_photo) button[type=submit]").click()
    page.wait_for_load_state()
    assert changed(before, rows()) == {(User, user.pk): {"profile_photo_id", "updated_at"}}


def test_a_password_is_changed_and_nothing_else(open_in: Callable[[str], Page], root: User) -> None:
    page, before = open_in("tr-TR"), rows()
    page.goto("/admin/password_change/")
    for field, text in (("old_password", PASSWORD), ("new_password1", NEW_PASSWORD), ("new_password2", NEW_PASSWORD)):
        page.locator(f"#id_{field}").fill(text)
    page.locator("form:has(#id_old_password) [type=submit]").click()
    page.wait_for_load_state()
    assert changed(before, rows()) == {(User, root.pk): {"password", "session_epoch", "updated_at"}}
    assert User.objects.get(pk=root.pk).check_password(NEW_PASSWORD)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_day_from_the_date_picker_selects_the_rows_of_that_day(locale: str, open_in: Callable[[str], Page]) -> None:
    make_stream(make_user("creator"), title="Of today")
    page, before = open_in(locale), rows()
    page.goto(list_url(LiveStream))
    today = f"{timezone.now():%d/%m/%Y}" if locale == "tr-TR" else f"{timezone.now():%Y-%m-%d}"
    page.locator("a.filter-open-button").click()
    for end in ("from", "to"):
        page.locator(f"#id_created_at_{end}_0").fill(today)
    apply_filters(page)
    expect(page).to_have_url(re.compile("created_at_to_0="))
    expect(page.locator("#result_list tbody tr")).to_have_count(1)

    # The values of the first time are not sent twice.
    page.locator("a.filter-open-button").click()
    expect(page.locator("#id_created_at_to_0")).to_have_value(today)
    page.locator("#id_created_at_to_0").fill("")
    apply_filters(page)
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert changed(before, rows()) == {}


def apply_filters(page: Page) -> None:
    page.locator("#changelist-filter button[type=submit]").click()
    page.wait_for_load_state()


def test_every_time_field_of_our_forms_is_a_moment_field() -> None:
    forms = [
        one
        for one in descendants(BaseForm)
        if re.match(r"(accounts|bans|common|edges|livestreams|reminders)\.", one.__module__)
    ]
    assert ChangeForm in forms
    times = [
        field for one in forms for field in getattr(one, "base_fields", {}).values() if isinstance(field, DateTimeField)
    ]
    assert times
    assert all(isinstance(field, MomentField) for field in times)


def descendants(of: type[Any]) -> Iterator[type[Any]]:
    for kind in of.__subclasses__():
        yield kind
        yield from descendants(kind)
