"""The connections of a server process: few, shared, and replaced when the database has closed them."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client

from accounts.models import User
from tests.api.matrix.test_routes import routes
from tests.api.operations import operations
from tests.backends import backends
from tests.bans.people import make_ban, permitted
from tests.conftest import make_user, token_of
from tests.servers import running_server, terminated_connections
from tests.streams import make_stream

pytestmark = pytest.mark.django_db(transaction=True)


def connections_of_servers() -> int:
    return backends("application_name = 'kumanda serve'")


def paths(stream_id: str) -> Iterator[str]:
    """One for each address that can be read."""
    for route in {*routes(), *(each.path.removeprefix("/") for each in operations() if each.method == "GET")}:
        if "(?P" not in route and "^" not in route:
            yield "/" + re.sub(r"<\w+:\w+>|{\w+}", stream_id, route)


def test_no_address_fails_after_the_database_has_closed_the_connections() -> None:
    admin = User.objects.create_superuser("root", password="correct horse battery staple")
    stream = make_stream(make_user("creator"))
    token = token_of(admin)
    browser = Client()
    browser.force_login(admin)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    known = sorted(paths(stream.pk))
    assert len(known) > 150
    changed = {}
    with running_server(workers=1) as server:

        def status(path: str) -> int:
            return server.call("GET", path, token=None if path.startswith("/admin") else token, Cookie=cookie).status

        for path in known:
            if path.endswith("/revocations"):  # it waits
                continue
            before = status(path)
            terminated_connections()
            after = status(path)
            if before != after or after >= 500:
                changed[path] = (before, after)
    assert changed == {}


def test_threads_share_the_connections_of_the_pool() -> None:
    creator = make_user("creator")
    stream, token = make_stream(creator), token_of(creator)
    with running_server(workers=1, DATABASE_POOL_SIZE="2") as server, ThreadPoolExecutor(20) as threads:
        answers = threads.map(
            lambda _: server.call("GET", f"/api/v1/live-stream/{stream.pk}", token=token).status, range(200)
        )
        assert Counter(answers) == {200: 200}
        assert 1 <= connections_of_servers() <= 2


def test_calls_that_wait_for_revocations_or_a_hash_have_no_connection() -> None:
    creator, viewer, edge = make_user("creator"), make_user("viewer"), permitted("edge", "enforce")
    stream = make_stream(creator)
    token = token_of(edge)
    address = f"/api/v1/live-stream/{stream.pk}/revocations"
    with running_server(workers=1, DATABASE_POOL_SIZE="1") as server, ThreadPoolExecutor(16) as threads:
        since = server.call("GET", address, token=token).json()["data"]["cursor"]
        polls = [threads.submit(server.call, "GET", f"{address}?since={since}", token=token) for _ in range(10)]
        wrong = {"username": "creator", "password": "wrong"}
        logins = [threads.submit(server.call, "POST", "/api/v1/auth/login", body=wrong) for _ in range(4)]
        time.sleep(0.5)
        for _ in range(20):
            assert server.call("GET", "/api/v1/users/me", token=token).status == 200
        assert not any(each.done() for each in polls)
        assert connections_of_servers() == 2  # one of the pool, and one that listens
        make_ban(viewer, stream)
        assert {each.result().status for each in polls} == {200}
        assert {each.result().status for each in logins} <= {401, 503}
