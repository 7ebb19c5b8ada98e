"""Every admin action in every state and role: what a page offers succeeds, and what it does not offer is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from bans import services as bans
from bans.admin.actions import USUAL_NAMES
from bans.models import BulkRequest, LiveStreamBan, ReportCase
from common.admin import ActionAdmin
from common.models import AuditEntry
from livestreams import services as streams
from livestreams.models import LiveStream, Status
from reminders.models import Delivery
from tests.admin.conftest import CHANGE_PERMISSIONS, Office, join, permit
from tests.admin.notifying import notify_of_start
from tests.admin.pages import action_url, change_many, list_url, messages_of, page_url
from tests.bans.people import lapsed_ban, make_ban
from tests.bans.reporting import make_report
from tests.bans.requesting import make_request
from tests.conftest import make_user
from tests.streams import make_stream

REASON = {"reason": "A test of all of them."}
Review = LiveStreamBan.Review
BLOCK, CHAT_ONLY = LiveStreamBan.ActionType.BLOCK, LiveStreamBan.ActionType.CHAT_ONLY
# Actions with a form; `sent_to` fills it in so that it changes any ban.
CHANGES = ("change_ban", "overrule_change")


@pytest.fixture
def moderator(db: None) -> User:
    return join(permit(make_user("moderator", is_staff=True), CHANGE_PERMISSIONS), "Moderators")


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "password")


@pytest.fixture
def reader(reader: User) -> User:
    models = ("livestream", "user", "livestreamban", "bulkrequest", "reportcase", "delivery")
    return permit(reader, tuple(f"view_{model}" for model in models))


# --- states ---------------------------------------------------------------------------------------


def all_streams() -> list[Any]:
    made = [make_stream(make_user(f"host-of-{status}"), status) for status in Status]
    for status in set(Status) - {Status.ACTIVE}:
        stream = make_stream(make_user(f"deleted-{status}"), status)
        streams.delete_stream(stream.pk, by=None, now=timezone.now())
        made.append(LiveStream.all_objects.get(pk=stream.pk))
    return made


def all_users() -> list[Any]:
    made = [make_user("plain"), make_user("staff", is_staff=True), User.objects.create_superuser("other", "p")]
    made += [make_user("gone", is_active=False), make_user("gone-staff", is_active=False, is_staff=True)]
    made += [make_user("of-provider", identity_issuer="https://id.example", identity_subject="1"), make_user("logged")]
    accounts.log_in("logged", "correct horse battery staple", now=timezone.now())
    return made + list(User.objects.filter(username__in=("moderator", "root")))


def all_bans(moderator: User, root: User) -> list[Any]:
    """Bans in every state: reviewed or not, by different moderators; appealed or not; timed, lapsed, lifted."""
    faster = make_user("faster", is_staff=True)
    host = make_user("host")
    made: list[LiveStreamBan] = []

    def ban(**fields: Any) -> LiveStreamBan:
        made.append(make_ban(make_user(f"banned{len(made)}"), make_stream(host), **fields))
        return made[-1]

    def verdict(one: LiveStreamBan, by: User, verdict: Review) -> LiveStreamBan:
        changes = {"expires_at": timezone.now() + timedelta(days=2)} if verdict == Review.CHANGED else None
        bans.review_ban(one.pk, by=by, now=timezone.now(), verdict=verdict, reason="Seen.", changes=changes)
        return one

    def appeal(one: LiveStreamBan) -> None:
        bans.appeal_ban(one.pk, by=one.target, now=timezone.now(), text="No.")

    soon = timezone.now() + timedelta(hours=5)
    for fields in (
        {},
        {"action_type": CHAT_ONLY},
        {"expires_at": soon},
        {"action_type": CHAT_ONLY, "expires_at": soon},
    ):
        ban(**fields)
        appeal(ban(**fields))
    for by in (faster, moderator, root):
        for given in (Review.UPHELD, Review.CHANGED, Review.LIFTED):
            verdict(ban(), by, given)
    appeal(verdict(ban(), faster, Review.UPHELD))
    appeal(verdict(ban(), faster, Review.CHANGED))
    bans.lift_ban(ban().pk, by=host, now=timezone.now())
    made.append(lapsed_ban(make_user("lapsed"), make_stream(host)))
    made.append(verdict(lapsed_ban(make_user("lapsed-upheld"), make_stream(host)), faster, Review.UPHELD))
    became_staff = verdict(ban(), faster, Review.LIFTED)
    User.objects.filter(pk=became_staff.target_id).update(is_staff=True)
    banned_anew = verdict(ban(), faster, Review.LIFTED)
    make_ban(banned_anew.target, banned_anew.stream)
    for one in (ban(), verdict(ban(), faster, Review.UPHELD)):
        streams.delete_stream(one.stream_id, by=None, now=timezone.now())
    return list(LiveStreamBan.all_objects.order_by("pk"))


def all_deliveries() -> list[Any]:
    made = []
    for number, state in enumerate(Delivery.State):
        for true in (True, False):
            host = make_user(f"notified-host-{number}-{true}")
            stream = make_stream(host)
            delivery = notify_of_start(stream, [make_user(f"notified{number}-{true}")])
            is_open = state == Delivery.State.PENDING
            Delivery.objects.filter(pk=delivery.pk).update(
                state=state,
                closed_at=None if is_open else timezone.now(),
                next_attempt_at=timezone.now() if is_open else None,
            )
            if not true:
                streams.end_stream(stream.pk, by=host, now=timezone.now())
            made.append(Delivery.objects.get(pk=delivery.pk))
    return made


def all_cases(moderator: User) -> list[Any]:
    """Cases in every state, of a deleted stream too, and one of a stream of the moderator."""
    faster, reporter = make_user("faster", is_staff=True), make_user("reporter")
    made = [make_report(reporter, make_stream(make_user(f"reported{number}"))).case for number in range(4)]
    bans.dismiss_case(made[1].pk, by=faster, now=timezone.now(), reason="Seen.")
    bans.mark_acted_on(made[2].pk, by=faster, now=timezone.now(), reason="Ended.")
    streams.delete_stream(made[3].stream_id, by=None, now=timezone.now())
    made.append(make_report(reporter, make_stream(moderator)).case)
    return list(ReportCase.objects.filter(pk__in=[case.pk for case in made]).order_by("pk"))


def all_requests(moderator: User) -> list[Any]:
    """Bulk requests in every state, and one of the moderator."""
    faster, now = make_user("faster", is_staff=True), timezone.now()
    made = [
        make_request(make_stream(make_user(f"raided{number}")), [make_user(f"raider{number}")]) for number in range(4)
    ]
    bans.approve_request(made[1].pk, by=faster, now=now, reason="Seen.")
    bans.reject_request(made[2].pk, by=faster, now=now, reason="Seen.")
    BulkRequest.objects.filter(pk=made[3].pk).update(expires_at=now - timedelta(hours=1))
    made.append(make_request(make_stream(make_user("raided")), [make_user("raider")], by=moderator))
    return list(BulkRequest.objects.filter(pk__in=[one.pk for one in made]).order_by("pk"))


WORLDS: dict[type, Callable[[User, User], list[Any]]] = {
    LiveStream: lambda moderator, root: all_streams(),
    User: lambda moderator, root: all_users(),
    LiveStreamBan: all_bans,
    BulkRequest: lambda moderator, root: all_requests(moderator),
    ReportCase: lambda moderator, root: all_cases(moderator),
    Delivery: lambda moderator, root: all_deliveries(),
}


def test_every_page_with_admin_actions_has_its_states_here() -> None:
    with_actions = {model for model, pages in admin.site._registry.items() if isinstance(pages, ActionAdmin)}
    assert with_actions == WORLDS.keys()


# --- requests -------------------------------------------------------------------------------------


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back whatever happens in the block."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def sent_to(action: str, row: Any) -> dict[str, str]:
    if action not in CHANGES:
        return REASON
    other = CHAT_ONLY if row.action_type == BLOCK else BLOCK
    end = f"{row.expires_at:%Y-%m-%dT%H:%M:%S}" if row.expires_at else ""
    return REASON | {"action_type": other, "expires_at": end, "appeal": "denied"}


def posted(client: Client, address: str, sent: dict[str, str]) -> Any:
    client.cookies.pop("messages", None)  # of calls that were rolled back
    return client.post(address, sent)


def happens(call: Callable[[], Any], row: Any) -> bool:
    """Whether the call writes an audit row. Its changes are rolled back."""
    with rolled_back():
        before = AuditEntry.objects.filter(target_id=row.pk).count()
        answer = call()
        happened = AuditEntry.objects.filter(target_id=row.pk).count() > before
        if answer.status_code == 302:
            assert happened == any(message.startswith("1 ") for message in messages_of(answer))
    return happened


@pytest.mark.slow
@pytest.mark.parametrize("who", ["reader", "moderator", "root"])
@pytest.mark.parametrize("model", WORLDS)
def test_an_action_succeeds_if_its_page_has_a_button_for_it_and_is_refused_otherwise(
    model: type[Any], who: str, request: Any, office: Office, moderator: User, root: User
) -> None:
    rows = WORLDS[model](moderator, root)
    user = User.objects.get(pk=request.getfixturevalue(who).pk)
    model_admin: Any = admin.site._registry[model]
    actions = [action for action in dict.fromkeys(model_admin.actions_detail) if action != "set_profile_photo"]
    client, offered_at_all = office(user), 0
    for row in rows:
        page = client.get(page_url(row)).content.decode()
        for action in actions:
            is_offered = f'"{action_url(row, action)}"' in page
            offered_at_all += is_offered
            if action in USUAL_NAMES:  # on the page of a ban, the form replaces it
                assert not is_offered
                continue
            happened = happens(lambda: posted(client, action_url(row, action), sent_to(action, row)), row)  # noqa: B023
            assert happened == is_offered, (action, row, row.__dict__)
    assert (offered_at_all > 0) == (who != "reader")


@pytest.mark.slow
@pytest.mark.parametrize("who", ["reader", "moderator", "root"])
@pytest.mark.parametrize("model", WORLDS)
def test_an_action_of_a_list_succeeds_for_exactly_the_rows_that_its_page_offers(
    model: type[Any], who: str, request: Any, office: Office, moderator: User, root: User
) -> None:
    rows = WORLDS[model](moderator, root)
    user = User.objects.get(pk=request.getfixturevalue(who).pk)
    client = office(user)
    listed = client.get(list_url(model))
    menu = [name for name, _label in listed.context["action_form"].fields["action"].choices if name] if (
        listed.context.get("action_form")
    ) else []  # fmt: skip
    assert bool(menu) == (who != "reader")
    for action in menu:
        page = change_many(client, action, rows)
        possible = {row.pk for row, _description in page.context["rows"]}
        refused = {row.pk for row, _description, _why in page.context["refused"]}
        assert possible | refused == {row.pk for row in rows}
        assert bool(possible) == ('name="reason"' in page.content.decode())
        for row in rows:
            chosen = {"action": action, "_selected_action": row.pk, "confirmed": "yes"} | REASON
            happened = happens(lambda: posted(client, list_url(model), chosen), row)  # noqa: B023
            assert happened == (row.pk in possible), (action, row, row.__dict__)


@pytest.mark.parametrize("action", ["overrule_uphold", "overrule_lift", "overrule_change"])
@pytest.mark.parametrize("many", [False, True])
def test_overruling_is_forbidden_to_moderators(
    action: str, many: bool, office: Office, moderator: User, creator: User, viewer: User
) -> None:
    ban = make_ban(viewer, make_stream(creator))
    faster = make_user("faster")
    bans.review_ban(ban.pk, by=faster, now=timezone.now(), verdict=Review.UPHELD, reason="Seen.")
    before, client = LiveStreamBan.all_objects.values().get(pk=ban.pk), office(moderator)
    if many:
        answer = change_many(client, action, [ban], confirmed="yes", **REASON)
        assert answer.status_code == (403 if action != "overrule_change" else 302)
    else:
        assert client.post(action_url(ban, action), REASON).status_code == 403
    assert LiveStreamBan.all_objects.values().get(pk=ban.pk) == before


def test_who_holds_the_permission_overrules_without_being_a_superuser(
    office: Office, moderator: User, creator: User, viewer: User
) -> None:
    ban = make_ban(viewer, make_stream(creator))
    bans.review_ban(ban.pk, by=make_user("faster"), now=timezone.now(), verdict=Review.UPHELD, reason="Seen.")
    moderator.user_permissions.add(Permission.objects.get(codename="overrule"))
    client = office(moderator)
    page = client.get(page_url(ban)).content.decode()

    assert action_url(ban, "overrule_lift") in page
    assert action_url(ban, "overrule_change") in page
    client.post(action_url(ban, "overrule_lift"), REASON)
    assert LiveStreamBan.all_objects.get(pk=ban.pk).review == Review.LIFTED


def test_the_page_of_a_stream_names_who_cancelled_it_and_people_read_that_its_host_did(
    office: Office, moderator: User, reader: User, creator: User, guest: User, api: Any
) -> None:
    by_moderator, by_host, by_guest = (make_stream(creator, guest=guest) for _ in range(3))
    office(moderator).post(action_url(by_moderator, "cancel_stream"), REASON)
    streams.cancel_stream(by_host.pk, by=creator, now=timezone.now())
    streams.cancel_stream(by_guest.pk, by=guest, now=timezone.now())

    pages = {one: office(reader).get(page_url(one)).content.decode() for one in (by_moderator, by_host, by_guest)}

    assert "cancelled by moderator moderator" in pages[by_moderator]
    assert "cancelled by its host (creator)" in pages[by_host]
    assert "cancelled by a guest (guest)" in pages[by_guest]
    entry = AuditEntry.objects.get(action="cancel_stream", target_id=by_moderator.pk)
    assert (entry.entry_point, entry.actor_name) == ("admin", "moderator")
    read = api(creator).get(f"/api/v1/live-stream/{by_moderator.pk}")
    assert "cancelled_by_host" in read.content.decode()
    assert "moderator" not in read.content.decode()
