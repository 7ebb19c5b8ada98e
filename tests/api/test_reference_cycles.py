"""A request leaves no reference cycles to the garbage collector, and no objects in memory."""

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.handlers.wsgi import WSGIHandler

from accounts.models import User
from common.fields import new_object_id
from edges.services import Cursor
from edges.services.revocations import FROM_THE_BEGINNING
from livestreams.models import Status
from tests.api.wsgi import connections_kept_open, send
from tests.bans.people import BANS, check_url, make_ban
from tests.conftest import make_user, token_of
from tests.reminders.asking import NOTIFICATIONS, notified_of_start
from tests.streams import STREAMS, make_stream, stream_url

pytestmark = pytest.mark.slow

REQUESTS = 50
WARMING_UP = 5


@dataclass
class Server:
    """Requests as the production server passes them. Django's test client would create reference cycles itself."""

    handler: WSGIHandler
    token: str

    def ask(self, method: str, path: str, body: bytes = b"", *, authorization: str | None = None) -> int:
        """Send one request. Returns its status."""
        path, _, query = path.partition("?")
        header = authorization or f"Bearer {self.token}"
        status, _, _ = send(self.handler, method, path, query, body, HTTP_AUTHORIZATION=header)
        return status


@pytest.fixture
def server(creator: User) -> Iterator[Server]:
    with connections_kept_open():
        yield Server(WSGIHandler(), token_of(creator))


def left_in_cycles(call: Callable[[], Any], times: int) -> list[str]:
    """The types of objects in reference cycles after `times` calls. The collector is disabled meanwhile."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(times):
            call()
        gc.collect()
        return [type(left).__qualname__ for left in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


type Call = Callable[[Server, User], Callable[[], int]]


def reading(server: Server, creator: User) -> Callable[[], int]:
    path = stream_url(make_stream(creator))
    return lambda: server.ask("GET", path)


def listing(server: Server, creator: User) -> Callable[[], int]:
    for _ in range(3):
        make_stream(creator)
    return lambda: server.ask("GET", f"{STREAMS}?limit=2&status=scheduled")


def creating(server: Server, creator: User) -> Callable[[], int]:
    body = json.dumps({"title": "Evening talk", "plannedStartDate": "2040-01-01T20:00:00Z"}).encode()
    return lambda: server.ask("POST", f"{STREAMS}/create", body)


def changing(method: str, action: str, body: bytes = b"") -> Call:
    def call(server: Server, creator: User) -> Callable[[], int]:
        paths = [stream_url(make_stream(creator), action) for _ in range(REQUESTS + WARMING_UP)]
        return lambda: server.ask(method, paths.pop(), body)

    return call


def cancelling_again(server: Server, creator: User) -> Callable[[], int]:
    path = stream_url(make_stream(creator, Status.CANCELLED_BY_HOST), "cancel")
    return lambda: server.ask("POST", path)


def reading_the_unknown(server: Server, creator: User) -> Callable[[], int]:
    path = f"{STREAMS}/{new_object_id()}"
    return lambda: server.ask("GET", path)


def joining(server: Server, creator: User) -> Callable[[], int]:
    body = json.dumps({"liveStreamId": make_stream(creator, Status.ACTIVE).pk}).encode()
    return lambda: server.ask("POST", f"{STREAMS}/join", body)


def checking(*, banned: bool) -> Call:
    def call(server: Server, creator: User) -> Callable[[], int]:
        stream, viewer = make_stream(creator), make_user("viewer")
        if banned:
            make_ban(viewer, stream)
        return lambda: server.ask("GET", check_url(viewer, stream))

    return call


def banning(server: Server, creator: User) -> Callable[[], int]:
    stream = make_stream(creator)
    fans = [make_user(f"fan{number}") for number in range(REQUESTS + WARMING_UP)]

    def ask() -> int:
        body = {"liveStreamId": stream.pk, "targetUserId": fans.pop().pk}
        return server.ask("POST", BANS, json.dumps(body).encode())

    return ask


def kept_out(server: Server, creator: User) -> Callable[[], int]:
    """A read of another's stream from which a ban blocks the caller."""
    stream = make_stream(make_user("host"))
    make_ban(creator, stream)
    return lambda: server.ask("GET", stream_url(stream))


def following(server: Server, creator: User) -> Callable[[], int]:
    """A read of revocations by an edge when there is one."""
    creator.user_permissions.add(Permission.objects.get(codename="enforce"))
    stream = make_stream(creator)
    make_ban(make_user("viewer"), stream)
    since = Cursor(stream.pk, FROM_THE_BEGINNING)
    return lambda: server.ask("GET", f"{stream_url(stream, 'revocations')}?since={since}")


def reminding(server: Server, creator: User) -> Callable[[], int]:
    streams = [make_stream(creator).pk for _ in range(REQUESTS + WARMING_UP)]
    return lambda: server.ask("POST", f"{STREAMS}/{streams.pop()}/reminder", b'{"minute": 15}')


def reading_notifications(server: Server, creator: User) -> Callable[[], int]:
    notified_of_start(creator, make_stream(creator))
    return lambda: server.ask("GET", NOTIFICATIONS)


def asking(method: str, path: str, body: bytes = b"", authorization: str | None = None) -> Call:
    return lambda server, creator: lambda: server.ask(method, path, body, authorization=authorization)


CALLS: dict[str, tuple[Call, int]] = {
    "read": (reading, 200),
    "list": (listing, 200),
    "me": (asking("GET", "/api/v1/users/me"), 200),
    "join": (joining, 200),
    "ban check of who is banned": (checking(banned=True), 200),
    "ban check of who is not": (checking(banned=False), 200),
    "ban": (banning, 201),
    "a read while banned": (kept_out, 403),
    "revocations": (following, 200),
    "set a reminder": (reminding, 200),
    "notifications": (reading_notifications, 200),
    "create": (creating, 201),
    "edit": (changing("PATCH", "", b'{"title": "Moved"}'), 200),
    "cancel": (changing("POST", "cancel"), 200),
    "delete": (changing("DELETE", ""), 200),
    "a second cancel": (cancelling_again, 409),
    "an unknown stream": (reading_the_unknown, 404),
    "an unknown address": (asking("GET", "/api/v1/nothing"), 404),
    "a malformed id": (asking("GET", f"{STREAMS}/x"), 400),
    "a wrong query": (asking("GET", f"{STREAMS}?limit=0"), 400),
    "broken JSON": (asking("POST", f"{STREAMS}/create", b"{"), 400),
    "a wrong body": (asking("POST", f"{STREAMS}/create", b'{"title": 5}'), 400),
    "a title too long": (asking("POST", f"{STREAMS}/create", b'{"title": "%s"}' % (b"x" * 141)), 400),
    "a price too high": (asking("POST", f"{STREAMS}/create", b'{"title": "x", "price": 1e9}'), 400),
    "a guest too many": (asking("POST", f"{STREAMS}/create", b'{"title": "x", "guests": ["a", "b"]}'), 400),
    "a choice that is none": (asking("GET", f"{STREAMS}?sortBy=x&status=y"), 400),
    "a wrong token": (asking("GET", STREAMS, authorization="Bearer x"), 401),
    "a wrong method": (asking("PUT", STREAMS), 405),
    "a wrong login": (asking("POST", "/api/v1/auth/login", b"{}"), 400),
}


@pytest.mark.parametrize(("call", "status"), CALLS.values(), ids=CALLS)
def test_a_request_leaves_no_reference_cycles(call: Call, status: int, server: Server, creator: User) -> None:
    ask = call(server, creator)
    for _ in range(WARMING_UP):
        assert ask() == status

    assert left_in_cycles(ask, REQUESTS) == []


@pytest.mark.slow
def test_five_thousand_requests_leave_no_objects_in_memory(server: Server, creator: User) -> None:
    asks = [CALLS[name][0](server, creator) for name in ("read", "list", "an unknown stream", "a wrong token")]

    def ask(times: int) -> int:
        """The number of objects that the collector tracks afterwards."""
        for _ in range(times):
            for each in asks:
                each()
        gc.collect()
        return len(gc.get_objects())

    before = ask(50)
    after = ask(1_250)

    # One object for each request would be 5,000 objects.
    assert after - before < 100
