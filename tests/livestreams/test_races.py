"""A hundred concurrent calls on one stream, over real HTTP to two server processes: one succeeds per transition."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from common.models import AuditEntry
from livestreams.models import LIFECYCLE, Action, LiveStream, Status
from tests.conftest import make_user, token_of
from tests.races import at_once
from tests.servers import Answer, Server, running_server
from tests.streams import make_stream, stream_url

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 100
CALLS = {
    "start": ("POST", "start"),
    "end": ("POST", "end"),
    "cancel": ("POST", "cancel"),
    "delete": ("DELETE", ""),
}
VERBS = {
    "start_stream": Action.START,
    "end_stream": Action.END,
    "cancel_stream": Action.CANCEL_BY_HOST,
    "delete_stream": Action.DELETE,
}


@pytest.fixture(scope="module")
def server(database_of_tests: str) -> Iterator[Server]:
    with running_server(workers=2, database=database_of_tests) as server:
        yield server


def call(server: Server, action: str, stream: LiveStream, token: str) -> Answer:
    """Retries on 503, as clients do that honour Retry-After: a hundred calls may be more than there are threads."""
    method, path = CALLS[action]
    for _ in range(20):
        answer = server.call(method, stream_url(stream, path), token=token)
        if answer.status != 503:
            return answer
        time.sleep(1)
    raise AssertionError("the server stays busy")


def moves_of(stream: LiveStream) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(target_id=stream.pk, action__in=VERBS).order_by("id"))


def assert_the_audit_trail_is_in_the_true_order(stream: LiveStream, first: Status) -> None:
    """Each row continues from the status of the one before, by an allowed action; the last one equals the stream."""
    status, deleted = first, False
    for entry in moves_of(stream):
        assert not deleted
        action = VERBS[entry.action]
        assert action in LIFECYCLE[status]
        assert entry.before.get("status", status) == status
        status = LIFECYCLE[status][action]
        assert entry.after.get("status", status) == status
        deleted = action is Action.DELETE
    stored = LiveStream.all_objects.get(pk=stream.pk)
    assert (stored.status, stored.is_deleted) == (status, deleted)


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("start", Status.SCHEDULED, Status.ACTIVE),
        ("end", Status.ACTIVE, Status.ENDED),
        ("cancel", Status.PREPARING, Status.CANCELLED_BY_HOST),
        ("delete", Status.ENDED, Status.ENDED),
    ],
)
def test_of_a_hundred_equal_calls_one_succeeds_and_the_others_are_refused(
    action: str, before: Status, after: Status, server: Server
) -> None:
    creator = make_user("creator")
    token = token_of(creator)
    stream = make_stream(creator, before, now=timezone.now() - timedelta(hours=1))
    made = len(moves_of(stream))

    answers = at_once(AT_ONCE, lambda _: call(server, action, stream, token))

    refused = 404 if action == "delete" else 409
    assert Counter(answer.status for answer in answers) == {200: 1, refused: AT_ONCE - 1}
    assert len(moves_of(stream)) == made + 1
    assert LiveStream.all_objects.get(pk=stream.pk).status == after
    for answer in answers:
        assert answer.json()["statusCode"] == answer.status


def test_a_hundred_different_calls_follow_the_lifecycle_and_are_all_audited(server: Server) -> None:
    creator = make_user("creator")
    token = token_of(creator)
    for _ in range(4):
        stream = make_stream(creator, Status.SCHEDULED)

        def one_of_four(number: int, stream: LiveStream = stream) -> Answer:
            return call(server, list(CALLS)[number % len(CALLS)], stream, token)

        answers = at_once(AT_ONCE, one_of_four)

        statuses = Counter(answer.status for answer in answers)
        assert set(statuses) <= {200, 404, 409}
        assert statuses[200] == len(moves_of(stream))
        assert_the_audit_trail_is_in_the_true_order(stream, Status.SCHEDULED)


def test_of_fifty_streams_of_a_creator_started_at_once_one_becomes_active(server: Server) -> None:
    creator = make_user("creator")
    token = token_of(creator)
    streams = [make_stream(creator) for _ in range(50)]

    answers = at_once(50, lambda number: call(server, "start", streams[number], token))

    assert Counter(answer.status for answer in answers) == {200: 1, 409: 49}
    assert LiveStream.objects.filter(status=Status.ACTIVE).count() == 1
    assert {answer.headers["x-error-code"] for answer in answers if answer.status == 409} == {"already_live"}


def test_a_logged_out_users_access_token_is_refused_at_once_by_every_process(server: Server) -> None:
    token = token_of(make_user("creator"))
    me = [server.call("GET", "/api/v1/users/me", token=token).status for _ in range(20)]
    assert set(me) == {200}

    assert server.call("POST", "/api/v1/auth/logout", token=token).status == 200

    # Each call opens a new connection; twenty of them reach both processes.
    answers = [server.call("GET", "/api/v1/users/me", token=token) for _ in range(20)]
    assert {(answer.status, answer.headers["x-error-code"]) for answer in answers} == {(401, "session_ended")}
