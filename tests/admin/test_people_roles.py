"""What each role may see and do on the pages of people. What is refused changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.models import PersonNote, Session, User
from bans.models import LiveStreamBan
from common.models import AuditEntry
from livestreams.models import LiveStream, Status
from tests.admin.conftest import Office, permit
from tests.admin.pages import action_url, list_url, page_url
from tests.conftest import make_user, session_of
from tests.streams import make_stream

VIEW = ("view_user", "view_livestream", "view_livestreamban", "view_auditentry", "view_session")
NOTES = ("view_personnote", "add_personnote")
ROLES: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "viewer": VIEW,
    "moderator": (*VIEW, *NOTES, "moderate"),
    "senior": (*VIEW, *NOTES, "moderate", "change_user"),
    "ops": (*VIEW, "view_personnote", "change_user", "change_livestream"),
}
EVERY = ("stranger", "member", *ROLES, "superuser")
SUPERUSER = {"superuser"}
VIEWERS = {"viewer", "moderator", "senior", "ops"} | SUPERUSER
READERS = {"moderator", "senior", "ops"} | SUPERUSER
MODERATORS = {"moderator", "senior"} | SUPERUSER
CHANGERS = {"senior", "ops"} | SUPERUSER

REASON = {"reason": "Spam."}

type World = dict[str, Any]
type Call = Callable[[Client, World], Any]


@pytest.fixture
def world(creator: User) -> World:
    mia = make_user("mia", name="Mia", surname="Öztürk")
    session_of(mia)
    author = make_user("author", is_staff=True)
    note = services.add_note(mia.pk, "Warned.", by=author, now=timezone.now())
    return {"mia": mia, "note": note, "stream": make_stream(creator, Status.ACTIVE)}


def ban_form(world: World) -> dict[str, str]:
    return {"step": "ban", "stream": world["stream"].pk, "action_type": "BLOCK", "duration": "1h"} | REASON


def url(name: str, *rows: Any) -> str:
    return reverse(f"admin:{name}", args=[row.pk for row in rows])


# The pages, and who may read them.
PAGES: dict[str, tuple[Call, set[str]]] = {
    "list": (lambda client, world: client.get(list_url(User), {"q": "ozturk"}), VIEWERS),
    "page": (lambda client, world: client.get(page_url(world["mia"])), VIEWERS),
    "bans": (lambda client, world: client.get(page_url(world["mia"]), {"tab": "bans"}), VIEWERS),
    "sessions": (lambda client, world: client.get(page_url(world["mia"]), {"tab": "sessions"}), VIEWERS),
    "trail": (lambda client, world: client.get(page_url(world["mia"]), {"tab": "trail"}), VIEWERS),
    "notes": (lambda client, world: client.get(page_url(world["mia"]), {"tab": "notes"}), READERS),
    "form of a note": (lambda client, world: client.get(url("add_note", world["mia"])), MODERATORS),
    "form of a ban": (lambda client, world: client.get(url("ban_person", world["mia"])), MODERATORS),
    "form of deactivation": (lambda client, world: client.get(action_url(world["mia"], "deactivate_user")), CHANGERS),
}
# The changes, and who may make them.
CHANGES: dict[str, tuple[Call, set[str]]] = {
    "ban": (lambda client, world: client.post(url("ban_person", world["mia"]), ban_form(world)), MODERATORS),
    "add a note": (lambda client, world: client.post(url("add_note", world["mia"]), {"text": "Again."}), MODERATORS),
    "delete a note": (lambda client, world: client.post(url("delete_note", world["mia"], world["note"])), SUPERUSER),
    "end sessions": (lambda client, world: client.post(action_url(world["mia"], "log_out"), REASON), CHANGERS),
    "deactivate": (lambda client, world: client.post(action_url(world["mia"], "deactivate_user"), REASON), CHANGERS),
}


@pytest.fixture
def client_of(office: Office, client: Client, db: None) -> Callable[[str], Client]:
    def logged_in(role: str) -> Client:
        if role == "stranger":
            return client
        if role == "member":
            return office(make_user("someone"))
        if role == "superuser":
            return office(User.objects.create_superuser("root"))
        return office(permit(make_user(f"a-{role}", is_staff=True), ROLES[role]))

    return logged_in


def state(world: World) -> tuple[Any, ...]:
    """Everything that the changes could change."""
    user = User.objects.get(pk=world["mia"].pk)
    return (
        user.is_active,
        user.session_epoch,
        list(PersonNote.objects.order_by("pk").values_list("text", flat=True)),
        LiveStreamBan.objects.count(),
        Session.objects.filter(user=user, ended_at__isnull=True).count(),
        AuditEntry.objects.count(),
        LiveStream.objects.count(),
    )


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", EVERY)
def test_who_may_read(role: str, page: str, world: World, client_of: Callable[[str], Client]) -> None:
    read, allowed = PAGES[page]
    answer = read(client_of(role), world)
    if role in allowed:
        assert answer.status_code == 200
    elif role in {"stranger", "member"}:
        assert answer.headers["Location"].startswith(reverse("admin:login"))
    else:
        # A tab that one may not see is refused like one that does not exist.
        assert answer.status_code == (400 if page == "notes" and role == "viewer" else 403)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", EVERY)
def test_who_may_change(role: str, change: str, world: World, client_of: Callable[[str], Client]) -> None:
    make, allowed = CHANGES[change]
    client = client_of(role)
    before = state(world)

    answer = make(client, world)

    # Strangers are sent to the login page.
    assert answer.status_code == (302 if role in allowed or role == "stranger" else 403)
    assert (state(world) != before) is (role in allowed)


@pytest.mark.parametrize("role", ROLES)
def test_a_page_offers_what_the_role_may_do(role: str, world: World, client_of: Callable[[str], Client]) -> None:
    answer = client_of(role).get(page_url(world["mia"]))
    offered = {
        url("ban_person", world["mia"]): MODERATORS,
        url("add_note", world["mia"]): MODERATORS,
        action_url(world["mia"], "deactivate_user"): CHANGERS,
        action_url(world["mia"], "log_out"): CHANGERS,
    }
    for address, allowed in offered.items():
        assert (address in answer.content.decode()) is (role in allowed), address
