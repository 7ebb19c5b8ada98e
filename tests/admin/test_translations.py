"""Every text of every page of the admin, Django's and Unfold's included, is translated to Turkish.

Each page is read in both languages. A text that is the same in both is not translated, unless it consists of
data and of words in `SAME_IN_BOTH`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from accounts.services import time_zones
from bans.models import LiveStreamBan
from common.error_pages import TEXTS
from tests.admin.page_texts import has_words, texts_of, without
from tests.admin.pages import action_url, list_url
from tests.admin.world import World, addresses, make_world, texts_of_rows
from tests.conftest import PASSWORD

# Word: why it is the same in both languages.
SAME_IN_BOTH = {
    "Kumanda": "the name of the service",
    "API": "the same abbreviation",
    "English": "languages are listed in their own words",
    "Türkçe": "languages are listed in their own words",
    "ban": "moderators say the same word in Turkish",
    "spam": "the same word",
}


@pytest.fixture(autouse=True)
def _language_of_the_thread() -> Iterator[None]:
    with translation.override(None):
        yield


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def client(world: World) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(world.root)
    return client


type Ask = Callable[[str], Any]


class Comparison:
    def __init__(self, world: World) -> None:
        zones = {part for zone in time_zones() for part in (zone, zone.partition("/")[0])}
        known = texts_of_rows(world) | zones | set(SAME_IN_BOTH)
        self.data = without(known | {word[:1].upper() + word[1:] for word in known})
        self.found: dict[str, str] = {}
        self.pages = 0

    def compare(self, name: str, ask: Ask) -> None:
        """`ask` gets a page in the language that it is given. What is no HTML page is left out."""
        english = ask("en")
        if english.status_code == 302 or "html" not in english.headers.get("Content-Type", "") or not english.content:
            return
        assert english.status_code < 500 or name == str(english.status_code), name
        self.pages += 1
        texts = set(texts_of(english.content.decode())) & set(texts_of(ask("tr").content.decode()))
        for text in sorted(texts):
            if has_words(text, self.data):
                self.found.setdefault(text, name)


@pytest.fixture
def comparison(world: World) -> Comparison:
    return Comparison(world)


def getting(client: Client, address: str, **query: str) -> Ask:
    return lambda language: client.get(address, query, headers={"Accept-Language": language})


def posting(client: Client, address: str, data: dict[str, Any]) -> Ask:
    return lambda language: client.post(address, data, headers={"Accept-Language": language})


def confirming(client: Client, action: str, rows: list[Any]) -> Ask:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return posting(client, list_url(type(rows[0])), chosen)


@pytest.mark.timeout(600)
def test_every_page(world: World, client: Client, comparison: Comparison) -> None:
    for name, address in addresses(world):
        comparison.compare(name, getting(client, address))
    assert comparison.pages > 100
    assert comparison.found == {}


def test_lists_without_rows_and_with_filters_and_pages_of_actions_on_many_rows(
    world: World, client: Client, comparison: Comparison
) -> None:
    for model, model_admin in admin.site._registry.items():
        comparison.compare(f"no {model.__name__}", getting(client, list_url(model), q="zzzzzz"))
        rows = world.rows[model._meta.label_lower]
        for action in getattr(model_admin, "admin_actions", ()):
            comparison.compare(f"{action.name} of many", confirming(client, action.name, rows[:5]))
    comparison.compare("search", getting(client, reverse("admin:search"), s="a"))
    comparison.compare("search without results", getting(client, reverse("admin:search"), s="zzzzzz"))
    assert comparison.pages > 20
    assert comparison.found == {}


def test_forms_with_errors_and_messages_after_changes(world: World, client: Client, comparison: Comparison) -> None:
    ban = world.rows["bans.livestreamban"][0]
    user = world.rows["accounts.user"][0]
    wrong = {"old_password": "wrong", "new_password1": "a", "new_password2": "b"}
    comparison.compare("password", posting(client, reverse("admin:password_change"), wrong))
    comparison.compare("no password", posting(client, reverse("admin:password_change"), {}))
    comparison.compare("preferences", posting(client, reverse("admin:preferences"), {"language": "xx"}))
    comparison.compare("no reason", posting(client, action_url(ban, "uphold_ban"), {}))
    comparison.compare(
        "no change", posting(client, action_url(ban, "change_ban"), {"reason": "Küfür etti.", "action_type": "BLOCK"})
    )
    comparison.compare("no picture", posting(client, action_url(user, "set_profile_photo"), {}))
    comparison.compare("nothing chosen", posting(client, list_url(type(ban)), {"action": "uphold_ban"}))
    for row in world.rows["bans.livestreamban"][:4]:
        for action in ("uphold_ban", "lift_ban"):
            comparison.compare(f"{action} {row}", partial(changed, client, row, action))
    assert comparison.pages > 10
    assert comparison.found == {}


def changed(client: Client, row: Any, action: str, language: str) -> Any:
    """The page with the message after a change; it is a refusal the second time."""
    headers = {"Accept-Language": language}
    return client.post(action_url(row, action), {"reason": "Küfür etti."}, headers=headers, follow=True)


def logged_out(world: World, language: str) -> Any:
    client = Client()
    client.force_login(world.root)
    return client.post(reverse("admin:logout"), headers={"Accept-Language": language})


def test_pages_before_and_after_a_login(world: World, comparison: Comparison) -> None:
    stranger, login = Client(), reverse("admin:login")
    comparison.compare("login", getting(stranger, login))
    comparison.compare("empty login", posting(stranger, login, {}))
    comparison.compare("wrong login", posting(stranger, login, {"username": "melis", "password": "wrong"}))
    comparison.compare("no staff", posting(stranger, login, {"username": "melis", "password": PASSWORD}))
    viewer = Client()
    viewer.force_login(User.objects.get(username="melis"))
    comparison.compare("login as somebody else", getting(viewer, login))
    comparison.compare("logged out", lambda language: logged_out(world, language))
    assert comparison.pages == 6
    assert comparison.found == {}


@pytest.mark.parametrize("status", sorted(TEXTS))
def test_pages_of_errors(
    status: int, world: World, client: Client, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {500: RuntimeError("a fault"), 503: OperationalError("no database"), 413: RequestDataTooBig("too large")}

    def fail(*_: Any, **__: Any) -> None:
        raise faults[status]

    newcomer = Client()
    newcomer.force_login(User.objects.get(username="volkan"))
    bans = list_url(LiveStreamBan)
    if status in faults:
        monkeypatch.setattr(admin.site._registry[LiveStreamBan], "get_queryset", fail)
    asks: dict[int, Ask] = {
        400: getting(client, bans, unknown="1"),
        403: getting(newcomer, bans),
        404: getting(client, "/admin/nothing/"),
        405: getting(client, reverse("admin:logout")),
    }
    ask = asks.get(status, getting(client, bans))
    assert ask("en").status_code == status
    comparison.compare(str(status), ask)
    assert comparison.pages == 1
    assert comparison.found == {}
