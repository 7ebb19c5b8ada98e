"""The command palette: people, streams and bans that the user may see, folded, with bounded work."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client

from accounts.models import User
from bans.models import LiveStreamBan
from common.admin.palette import MOST
from livestreams.models import LiveStream, Status
from tests.admin.conftest import Office, permit
from tests.admin.pages import list_url, page_url, statements_of, text_of
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

ALL = ("view_user", "view_livestream", "view_livestreamban")
KINDS: dict[str, type[Model]] = {"view_user": User, "view_livestream": LiveStream, "view_livestreamban": LiveStreamBan}


@pytest.fixture
def client_of_moderator(office: Office, db: None) -> Client:
    return office(permit(make_user("defne", is_staff=True), ALL))


@pytest.fixture
def world(creator: User) -> dict[str, Any]:
    mia = make_user("mia", name="Mia", surname="Öztürk")
    asked = make_stream(creator, title="Bana her şeyi sor")
    return {"mia": mia, "asked": asked, "ban": make_ban(mia, asked)}


def results(client: Client, text: str) -> list[tuple[str, str]]:
    """The address and the title of each result that is no list."""
    answer = client.get("/admin/search/", {"s": text})
    assert answer.status_code == 200
    if not answer.content:
        return []
    return [(str(one.link), one.title) for one in answer.context["results"] if one.icon != "tag"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("OZTURK mia", ["mia", "ban"]),
        ("seyi bana", ["asked", "ban"]),
        ("sor öztürk", ["ban"]),
        ("YILMAZ sor", ["asked"]),
        ("zzz", []),
        ("m", []),
        ("\u200b", []),
        ("x" * 1000, []),
    ],
)
def test_people_streams_and_bans_are_found_by_words(
    text: str, names: list[str], world: dict[str, Any], client_of_moderator: Client
) -> None:
    found = [address for address, _title in results(client_of_moderator, text)]
    assert found == [page_url(world[name]) for name in names]


@pytest.mark.parametrize("name", ["mia", "asked", "ban"])
def test_a_row_is_found_by_its_id(name: str, world: dict[str, Any], client_of_moderator: Client) -> None:
    assert page_url(world[name]) in dict(results(client_of_moderator, world[name].pk.upper()))


def test_results_say_what_they_are(world: dict[str, Any], client_of_moderator: Client) -> None:
    shown = text_of(client_of_moderator.get("/admin/search/", {"s": "öztürk"}))
    assert "Mia Öztürk • Person · @mia" in shown
    assert "@mia · Bana her şeyi sor • Ban · may not watch · in force · unreviewed" in shown
    shown = text_of(client_of_moderator.get("/admin/search/", {"s": "şeyi"}))
    assert "Bana her şeyi sor • Stream · @creator · scheduled" in shown


@pytest.mark.parametrize("permission", ALL)
def test_a_user_finds_only_what_the_user_may_see(permission: str, world: dict[str, Any], office: Office) -> None:
    client = office(permit(make_user("half", is_staff=True), (permission,)))
    found = [results(client, text) for text in ("öztürk", "bana")]
    for one in found:
        assert {address.startswith(list_url(KINDS[permission])) for address, _title in one} <= {True}
    assert any(found)


def test_a_permission_that_was_taken_away_ends_the_search_at_once(world: dict[str, Any], office: Office) -> None:
    member = permit(make_user("half", is_staff=True), ALL)
    client = office(member)
    assert results(client, "öztürk")
    member.user_permissions.remove(*Permission.objects.filter(codename="view_user"))
    assert page_url(world["mia"]) not in dict(results(client, "öztürk"))


def test_what_was_just_made_is_found(world: dict[str, Any], client_of_moderator: Client) -> None:
    assert results(client_of_moderator, "gölge") == []
    stream = make_stream(world["mia"], title="Işık ve gölge")
    assert results(client_of_moderator, "gölge") == [(page_url(stream), "Işık ve gölge")]


def test_the_exact_username_and_live_streams_come_first(client_of_moderator: Client, creator: User) -> None:
    for number in range(60):
        make_user(f"ada{number:02}", name="Ada")
    ada = make_user("ada", name="Zzz")
    make_stream(creator, title="Ada talks")
    live = make_stream(creator, Status.ACTIVE, title="Ada is live")
    make_stream(make_user("host"), title="Ada talks again")

    found = results(client_of_moderator, "ada")

    assert found[0] == (page_url(ada), "Zzz")
    assert len([address for address, _title in found if address.startswith(list_url(User))]) == MOST + 1
    assert found[MOST] == (f"{list_url(User)}?q=ada", "All people with these words")
    assert found[MOST + 1] == (page_url(live), "Ada is live")


def test_names_are_escaped(client_of_moderator: Client, creator: User) -> None:
    make_stream(creator, title="<img src=x onerror=alert(1)> talk")
    page = client_of_moderator.get("/admin/search/", {"s": "talk"}).content.decode()
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_a_search_costs_the_same_for_many_rows(client_of_moderator: Client, creator: User) -> None:
    def cost() -> int:
        return statements_of(client_of_moderator, "/admin/search/", {"s": "evening öztürk"})

    hosts = [make_user(f"host{number}", name="Öztürk", surname="Evening") for number in range(12)]
    make_ban(creator, make_stream(hosts[0]))
    one = cost()
    for host in hosts[1:]:
        make_ban(creator, make_stream(host))
    assert cost() == one


@pytest.mark.parametrize("who", ["nobody", "member"])
def test_only_staff_search(who: str, client: Client, office: Office, creator: User) -> None:
    client = office(creator) if who == "member" else client
    assert client.get("/admin/search/", {"s": "mia"}).status_code == 302
