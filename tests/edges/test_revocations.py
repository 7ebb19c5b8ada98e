"""GET /api/v1/live-stream/{id}/revocations"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Permission
from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.models import User
from common.times import wire_time
from edges import services, waiting
from edges.models import Revocation
from edges.services import Cursor, record_revocations
from livestreams.models import LiveStream
from tests.conftest import Api, make_user, token_of
from tests.envelope import assert_refused, data_of
from tests.patience import PATIENCE, wait_until
from tests.servers import Server, running_server
from tests.streams import STREAMS, make_stream, stream_url

AN_HOUR = timedelta(hours=1)


@pytest.fixture
def edge(db: None) -> User:
    """The service account of a media edge or chat server."""
    edge = make_user("edge")
    edge.user_permissions.add(Permission.objects.get(codename="enforce", content_type__app_label="livestreams"))
    return edge


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator)


def record(stream: LiveStream, user: User, action: str = "BLOCK", until: datetime | None = None) -> None:
    record_revocations(stream.pk, [(user.pk, action, until)], now=timezone.now())


def read(api: Api, edge: User, stream: LiveStream, since: str | None = None) -> dict[str, Any]:
    query = {} if since is None else {"since": since}
    data: dict[str, Any] = data_of(api(edge).get(stream_url(stream, "revocations"), query))
    return data


def people(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["userId"], each["action"]) for each in data["list"]]


# --- the list -------------------------------------------------------------------------------------


def test_without_a_cursor_all_bans_that_hold_are_listed(
    api: Api, edge: User, stream: LiveStream, viewer: User, stranger: User, now: datetime
) -> None:
    record(stream, viewer)
    record(stream, stranger, "CHAT_ONLY", now + AN_HOUR)

    data = read(api, edge, stream)

    assert data["list"] == [
        {"userId": viewer.pk, "action": "BLOCK", "until": None, "at": data["list"][0]["at"]},
        {"userId": stranger.pk, "action": "CHAT_ONLY", "until": wire_time(now + AN_HOUR), "at": data["list"][1]["at"]},
    ]


def test_lifted_and_expired_bans_are_not_listed_without_a_cursor(
    api: Api, edge: User, stream: LiveStream, viewer: User, stranger: User, now: datetime
) -> None:
    record(stream, viewer)
    record(stream, viewer, "LIFTED", now + AN_HOUR)
    record(stream, stranger, "BLOCK", now)

    assert people(read(api, edge, stream)) == []


def test_with_a_cursor_only_newer_revocations_are_listed(
    api: Api, edge: User, stream: LiveStream, viewer: User, stranger: User
) -> None:
    record(stream, viewer)
    first = read(api, edge, stream)
    record(stream, stranger)
    record(stream, viewer, "LIFTED")

    second = read(api, edge, stream, first["cursor"])

    assert people(second) == [(stranger.pk, "BLOCK"), (viewer.pk, "LIFTED")]
    assert second["cursor"] != first["cursor"]


def test_each_user_is_listed_once_with_the_latest_revocation(
    api: Api, edge: User, stream: LiveStream, viewer: User
) -> None:
    record(stream, viewer)
    start = read(api, edge, stream)["cursor"]
    for action in ("LIFTED", "BLOCK", "CHAT_ONLY"):
        record(stream, viewer, action)

    assert people(read(api, edge, stream, start)) == [(viewer.pk, "CHAT_ONLY")]


def test_a_lifted_ban_has_no_end(api: Api, edge: User, stream: LiveStream, viewer: User, now: datetime) -> None:
    record(stream, viewer)
    start = read(api, edge, stream)["cursor"]
    record(stream, viewer, "LIFTED", now + AN_HOUR)

    assert read(api, edge, stream, start)["list"][0]["until"] is None


def test_revocations_beyond_the_limit_are_listed_in_the_next_call(
    api: Api, edge: User, stream: LiveStream, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edges.services.revocations.LARGEST_PAGE", 3)
    crowd = [make_user(f"raider{number}") for number in range(7)]
    record_revocations(stream.pk, [(user.pk, "BLOCK", None) for user in crowd], now=now)

    pages = [read(api, edge, stream)]
    for _ in range(2):
        pages.append(read(api, edge, stream, pages[-1]["cursor"]))

    assert [len(page["list"]) for page in pages] == [3, 3, 1]
    assert [user for page in pages for user, _ in people(page)] == [user.pk for user in crowd]


def test_revocations_of_other_streams_are_not_listed(
    api: Api, edge: User, stream: LiveStream, creator: User, viewer: User
) -> None:
    record(make_stream(creator), viewer)

    assert people(read(api, edge, stream)) == []


def test_a_ban_that_is_rolled_back_is_never_listed(api: Api, edge: User, stream: LiveStream, viewer: User) -> None:
    with transaction.atomic():
        record(stream, viewer)
        transaction.set_rollback(True)

    assert people(read(api, edge, stream)) == []


def test_many_revocations_are_one_statement(stream: LiveStream, now: datetime, django_assert_num_queries: Any) -> None:
    crowd = [make_user(f"raider{number}") for number in range(50)]

    with django_assert_num_queries(1):
        record_revocations(stream.pk, [(user.pk, "BLOCK", None) for user in crowd], now=now)

    assert list(Revocation.objects.order_by("pk").values_list("user", flat=True)) == [user.pk for user in crowd]


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["viewer", "creator", "moderator"])
def test_other_users_are_refused(person: str, api: Api, stream: LiveStream, request: Any) -> None:
    response = api(request.getfixturevalue(person)).get(stream_url(stream, "revocations"))

    assert_refused(response, 403, "not_a_service_account")


def test_a_superuser_may_read(api: Api, stream: LiveStream, db: None) -> None:
    assert people(read(api, make_user("root", is_superuser=True), stream)) == []


def test_an_unknown_stream_is_missing(api: Api, edge: User) -> None:
    assert_refused(api(edge).get(f"{STREAMS}/{'0' * 24}/revocations"), 404, "stream_not_found")


def test_reading_revocations_needs_a_token(api: Api, stream: LiveStream) -> None:
    assert_refused(api().get(stream_url(stream, "revocations")), 401, "authentication_required")


def cursors(stream: LiveStream, other: LiveStream) -> dict[str, str]:
    return {
        "garbage": "garbage!",
        "number": "7",
        "of another stream": str(Cursor(other.pk, 0)),
        "from a database that was restored": str(Cursor(stream.pk, 9_999_999)),
        "longer than any": "A" * 64,
        "beyond all numbers": "_" * 27,
    }


@pytest.mark.parametrize(
    "kind",
    [
        "garbage",
        "number",
        "of another stream",
        "from a database that was restored",
        "longer than any",
        "beyond all numbers",
    ],
)
def test_an_unusable_cursor_is_refused(kind: str, api: Api, edge: User, stream: LiveStream, creator: User) -> None:
    cursor = cursors(stream, make_stream(creator))[kind]

    response = api(edge).get(stream_url(stream, "revocations"), {"since": cursor})

    reason = "since: is no cursor of this stream; leave it out to begin anew"
    assert_refused(response, 400, "validation_failed", reason)


# --- commit order -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_slow_transaction_cannot_commit_behind_the_cursor(
    api: Api, edge: User, stream: LiveStream, viewer: User, stranger: User
) -> None:
    """The second ban of a stream gets its number only after the first has committed."""
    written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            record(stream, viewer)
            written.set()
            assert may_commit.wait(PATIENCE)
        connections.close_all()

    def fast() -> None:
        assert written.wait(PATIENCE)
        record(stream, stranger)
        connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        banning = [pool.submit(slow), pool.submit(fast)]
        assert written.wait(PATIENCE)
        sleep(0.3)
        before = read(api, edge, stream)
        may_commit.set()
        for each in banning:
            each.result(PATIENCE)

    assert people(before) == []
    assert people(read(api, edge, stream, before["cursor"])) == [(viewer.pk, "BLOCK"), (stranger.pk, "BLOCK")]


# --- waiting ------------------------------------------------------------------------------------------


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LONGEST_WAIT", 1)


type Wait = Callable[[], Future[tuple[dict[str, Any], float]]]


@pytest.fixture
def polling(listening: None, api: Api, edge: User, stream: LiveStream) -> Any:
    """A function that starts a poll in a thread. Its future gives the response and the time of the response."""
    client, cursor = api(edge), read(api, edge, stream)["cursor"]
    with ThreadPoolExecutor(20) as pool:

        def begin() -> Future[tuple[Any, float]]:
            def poll() -> tuple[Any, float]:
                try:
                    return client.get(stream_url(stream, "revocations"), {"since": cursor}), monotonic()
                finally:
                    connections.close_all()

            return pool.submit(poll)

        yield begin


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("short_waits")
def test_a_poll_without_revocations_ends_empty_with_the_same_cursor(polling: Any, stream: LiveStream) -> None:
    began = monotonic()

    response, ended = polling().result(PATIENCE)

    data = data_of(response)
    assert data["list"] == []
    assert Cursor.parsed(data["cursor"]) == Cursor(stream.pk, 0)
    assert "Retry-After" not in response.headers
    assert ended - began >= 1


@pytest.mark.django_db(transaction=True)
def test_a_waiting_poll_is_woken_by_the_commit(polling: Any, stream: LiveStream, viewer: User) -> None:
    poll = polling()
    wait_until(lambda: waiting.LISTENER._is_listening)
    with transaction.atomic():
        record(stream, viewer)
        sleep(0.3)
        assert not poll.done()
    committed = monotonic()

    response, ended = poll.result(PATIENCE)

    assert people(data_of(response)) == [(viewer.pk, "BLOCK")]
    assert ended - committed < waiting.LONGEST_WAIT / 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("short_waits")
def test_a_poll_beyond_the_limit_is_answered_at_once(polling: Any, settings: Any) -> None:
    settings.WAITING_POLLS = 3

    answered = [poll.result(PATIENCE) for poll in [polling() for _ in range(5)]]

    at_once = [response for response, _ in answered if "Retry-After" in response.headers]
    assert len(at_once) == 2
    for response in at_once:
        assert data_of(response)["list"] == []
        assert response.headers["Retry-After"] == "2"


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_is_replaced_and_no_ban_is_missed(polling: Any, stream: LiveStream, viewer: User) -> None:
    poll = polling()
    wait_until(lambda: waiting.LISTENER._is_listening)
    info = connection.connection.info
    with psycopg.connect(host=info.host, port=info.port, user=info.user, dbname=info.dbname, autocommit=True) as other:
        (ended,) = other.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        ).fetchone() or (0,)
        assert ended == 1
        wait_until(lambda: not waiting.LISTENER._is_listening)
    record(stream, viewer)

    response, _ = poll.result(PATIENCE)

    assert people(data_of(response)) == [(viewer.pk, "BLOCK")]


@pytest.mark.django_db(transaction=True)
def test_an_edge_gets_a_ban_before_its_poll_is_over_and_requests_are_not_starved(
    edge: User, stream: LiveStream, viewer: User
) -> None:
    """Over real HTTP, with two processes and more waiting polls than threads for requests."""
    token = token_of(edge)
    address = stream_url(stream, "revocations")

    def poll(server: Server, since: str) -> tuple[Any, float]:
        return server.call("GET", f"{address}?since={since}", token=token), monotonic()

    with running_server(workers=2) as server, ThreadPoolExecutor(12) as pool:
        start = server.call("GET", address, token=token).json()["data"]["cursor"]
        polls = [pool.submit(poll, server, start) for _ in range(12)]
        sleep(1.5)
        assert not any(each.done() for each in polls)
        reads = [server.call("GET", stream_url(stream), token=token).status for _ in range(50)]
        assert not any(each.done() for each in polls)

        record(stream, viewer)
        committed = monotonic()
        answered = [each.result(PATIENCE) for each in polls]

    assert reads == [200] * 50
    for answer, ended in answered:
        assert people(answer.json()["data"]) == [(viewer.pk, "BLOCK")]
        assert ended - committed < waiting.LONGEST_WAIT / 2


@pytest.mark.usefixtures("no_dead_rows")
def test_revocations_are_read_with_an_index(stream: LiveStream, viewer: User, now: datetime) -> None:
    record_revocations(stream.pk, [(viewer.pk, "BLOCK", None)] * 5000, now=now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE edges_revocation")
        cursor.execute(
            "EXPLAIN SELECT id FROM edges_revocation WHERE stream_id = %s AND id > 4990 ORDER BY id LIMIT 1000",
            [bytes.fromhex(stream.pk)],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan
    assert services.revocations_after(Cursor(stream.pk, 0), now=now).rows[0][0] == viewer.pk
