"""Every address outside the OpenAPI document × the callers, most of them pages of the admin, compared with a table."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from accounts import services
from accounts.models import User
from common.models import AuditEntry
from livestreams.models import LiveStream
from reminders.channels.email import unsubscribe_address
from reminders.services import create_calendar_address
from tests.admin.notifying import notify_of_start
from tests.api.matrix import table
from tests.api.matrix.callers import ADMIN, CALLERS, DEACTIVATED, LOGGED_OUT, MODERATOR, NOBODY
from tests.api.matrix.cells import NONE, rolled_back, rows_written
from tests.api.matrix.world import World
from tests.api.operations import operations
from tests.bans.reporting import make_report
from tests.bans.requesting import make_request
from tests.streams import make_stream

# The world is in a transaction of the module; each test is a savepoint in it.
pytestmark = pytest.mark.django_db

CLERK = "staff without rights"
VISITORS = (*CALLERS, CLERK)
TITLE = "Evening talk of"  # of streams, which only moderators and admins may see
TABLE = "routes.md"
HEAD = """\
# Who may open what outside the API's operations

Compared with the service by `test_routes.py`; how to read and change it: `docs/security.md`, "The matrix".
The callers come with an admin session and an access token. *Deactivated user* and *logged-out token* were superusers
with an admin session, and then were deactivated, or ended all their sessions. A 302 says where it leads."""
# Rows that say who is here and end by themselves: any call renews its session, and the queue claims the ban that it
# opens, as docs/decisions/0036 says.
SESSION = {"django_session"}
CLAIMED = {"bans_reviewclaim"}
CELL = re.compile(r"\d{3}( login| admin| playground| schema)?")
QUERIES = {
    "admin/search/": "s=talk",
    "admin/autocomplete/": "app_label=bans&model_name=livestreamban&field_name=stream&term=",
}
# The addresses where a POST could change something, besides the admin actions.
POSTED = ("add/", "change/", "delete/", "logout/", "password_change/", "<str:token>")


def routes() -> list[str]:
    """The patterns of all addresses that are not operations of the OpenAPI document."""
    documented = {operation.path.removeprefix("/") for operation in operations()}

    def of(patterns: Any, before: str = "") -> Iterator[str]:
        for each in patterns:
            place = before + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from of(each.url_patterns, place)
            elif re.sub(r"<\w+:(\w+)>", r"{\1}", place) not in documented:
                yield place

    return sorted(set(of(get_resolver().url_patterns)))


def asked() -> list[table.Key]:
    """Each address with its methods."""
    found = [(route, "GET") for route in routes()]
    posted = (route for route in routes() if route.endswith(POSTED) or is_admin_action(route))
    return sorted(found + [(route, "POST") for route in posted])


def is_admin_action(route: str) -> bool:
    return "<path:object_id>/" in route and not route.endswith(("history/", "object_id>/", "r/<path:object_id>/"))


@dataclass(frozen=True)
class Visits:
    """The sessions of the visitors, and a row of each model."""

    world: World
    client: Client
    sessions: dict[str, str]
    users: dict[str, User]
    rows: dict[str, Model]

    def path(self, route: str) -> str:
        route = route.replace("<str:token>", unsubscribe_address(self.world.user(CALLERS[1]).pk).rpartition("/")[2])
        if "<str:secret>" in route:
            address = create_calendar_address(by=self.world.bystander, now=timezone.now())
            route = route.replace("<str:secret>", address.secret)
        route = route.replace("<path:content_type_id>", str(ContentType.objects.get_for_model(LiveStream).pk))
        if "<path:object_id>" in route:
            model = "livestreams.livestream" if "/r/" in route else ".".join(route.split("/")[1:3])
            route = route.replace("<path:object_id>", str(self.rows[model].pk))
        known = {r"^(?P<app_label>common|accounts|livestreams|bans|reminders)/$": "bans/", r"(?P<url>.*)$": "nothing"}
        for pattern, text in known.items():
            route = route.replace(pattern, text)
        return "/" + ("api/nothing" if route == "^api/" else route)

    def outcome(self, route: str, method: str, visitor: str) -> str:
        self.client.cookies = SimpleCookie({settings.SESSION_COOKIE_NAME: self.sessions[visitor]})
        authorization = self.world.authorization(visitor) if visitor in CALLERS else None
        headers = {"Authorization": authorization} if authorization else {}
        address = self.path(route) + (f"?{QUERIES[route]}" if route in QUERIES else "")
        sent = {"reason": "Spam.", "post": "yes", "title": "crafted", "username": "crafted", "action_type": "BLOCK"}
        with rolled_back():
            before = rows_written()
            response = (
                self.client.generic(method, address, headers=headers)
                if method == "GET"
                else self.client.post(address, sent, headers=headers)
            )
            after = rows_written()
            written = {name for name, counts in after.items() if counts != before.get(name)} - SESSION
            trail = AuditEntry._meta.db_table
            added = after.get(trail, NONE)[0] - before.get(trail, NONE)[0]
            actors = set(AuditEntry.objects.order_by("-id").values_list("actor_id", flat=True)[:added]) - {None}
        return ", ".join([_answer(response), *self._faults(response, method, visitor, written, actors)])

    def _faults(self, response: Any, method: str, visitor: str, written: set[str], actors: set[Any]) -> Iterator[str]:
        refused = response.status_code >= 400 or _answer(response) == "302 login"
        if written - (set() if refused else CLAIMED) and (refused or method == "GET"):
            yield f"wrote {' '.join(sorted(written))}"
        if visitor not in {MODERATOR, ADMIN} and TITLE in response.content.decode(errors="replace"):
            yield "shows a row"
        # The signed address in an email identifies its recipient.
        speaking = self.users.get(visitor)
        if actors and not response.request["PATH_INFO"].startswith("/unsubscribe/"):
            yield from () if speaking and actors == {speaking.pk} else [f"audited as {actors}"]


def _answer(response: Any) -> str:
    if response.status_code not in {301, 302}:
        return str(response.status_code)
    place = response.headers["Location"]
    names = {"/admin/login/": "login", "/admin/": "admin", "/api/docs/": "playground", "/api/schema/": "schema"}
    return f"{response.status_code} {next(name for start, name in names.items() if place.startswith(start))}"


@pytest.fixture(scope="module")
def visits(built: World) -> Visits:
    clerk = User.objects.create_user("clerk", is_staff=True)
    users = {name: built.user(name) for name in CALLERS if name != NOBODY} | {CLERK: clerk}
    leaving = User.objects.filter(pk__in=(users[DEACTIVATED].pk, users[LOGGED_OUT].pk))
    leaving.update(is_active=True, is_staff=True, is_superuser=True)
    sessions = {NOBODY: ""}
    for name, user in users.items():
        client = Client()
        user.refresh_from_db()
        client.force_login(user)
        sessions[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
    leaving.filter(pk=users[DEACTIVATED].pk).update(is_active=False)
    services.log_out(users[LOGGED_OUT], now=timezone.now())
    delivery = notify_of_start(make_stream(built.host), [built.bystander])
    chunk = delivery.chunk
    rows: list[Model] = [
        make_report(built.bystander, built.planned["creator"]).case,
        built.planned["creator"],
        built.bystander,
        built.bans["creator"],
        make_request(built.planned["creator"]),
        AuditEntry.objects.earliest("pk"),
        built.awaited.reminders.get(),
        chunk.round,
        chunk,
        delivery,
    ]
    return Visits(
        built, Client(raise_request_exception=False), sessions, users, {row._meta.label_lower: row for row in rows}
    )


@pytest.fixture(scope="module")
def found() -> Iterator[table.Cells]:
    cells: table.Cells = {}
    yield cells
    if table.is_writing():
        table.write(TABLE, cells, head=HEAD, columns=("address", "method"))


def test_the_table_has_a_row_for_each_address_and_a_column_for_each_visitor() -> None:
    right = table.read(TABLE)
    assert set(right) == {(_cell(route), method) for route, method in asked()}
    assert {tuple(row) for row in right.values()} == {VISITORS}
    for row in right.values():
        assert all(CELL.fullmatch(cell) for cell in row.values()), "a fault is never expected"


def sections() -> list[str]:
    """The addresses grouped by app and model, to have fewer tests with a savepoint each."""
    return sorted({_section(route) for route, _method in asked()})


def _section(route: str) -> str:
    of_model = re.match(r"admin/\w+/\w+/", route)
    return of_model[0] if of_model else route.partition("/")[0] or "root"


@pytest.mark.slow
@pytest.mark.parametrize("section", sections())
def test_each_visitor_is_answered_as_in_the_table(section: str, visits: Visits, found: table.Cells) -> None:
    answered: table.Cells = {
        (_cell(route), method): {visitor: visits.outcome(route, method, visitor) for visitor in VISITORS}
        for route, method in asked()
        if _section(route) == section
    }
    found |= answered
    if not table.is_writing():
        right = {key: row for key, row in table.read(TABLE).items() if key in answered}
        assert not (wrong := table.differences(right, answered)), "\n".join(wrong)


def _cell(route: str) -> str:
    """Replace `|`, which separates the columns of the table."""
    return "/" + route.replace("|", "∣")
