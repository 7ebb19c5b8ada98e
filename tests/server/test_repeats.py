"""Requests with one Idempotency-Key at several server processes, some of which are killed."""

import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from common.models import AuditEntry, StoredAnswer
from livestreams.models import LiveStream
from tests.backends import waiting_locks
from tests.conftest import token_of
from tests.patience import PATIENCE, wait_until
from tests.server.killing import AT_ONCE
from tests.servers import Answer, Server, running_server
from tests.streams import STREAMS

CREATE = f"{STREAMS}/create"
KILLING: dict[str, Any] = {"workers": 1, "DJANGO_SETTINGS_MODULE": "tests.server.killing_settings"}
pytestmark = pytest.mark.django_db(transaction=True)


def created(server: Server, token: str) -> Answer:
    return server.call("POST", CREATE, token=token, body={"title": "Talk"}, idempotency_key="one")


def header(answer: Answer, name: str) -> str | None:
    return {key.lower(): value for key, value in answer.headers.items()}.get(name)


def created_at_last(servers: list[Server], token: str) -> Answer:
    """As a client does: repeat after a lost connection and after 409, at the next server."""
    for attempt in range(60):
        try:
            answer = created(servers[attempt % len(servers)], token)
        except (HTTPException, OSError):
            time.sleep(0.2)
            continue
        if answer.status < 300:
            return answer
        assert (answer.status, header(answer, "x-error-code")) in (
            (409, "idempotency_key_in_use"),
            (503, "server_busy"),
        )
        assert int(header(answer, "retry-after") or 0) >= 1
        time.sleep(0.2)
    raise AssertionError("no answer after 60 attempts")


def audited() -> list[str]:
    return list(AuditEntry.objects.exclude(action="log_in").values_list("action", flat=True))


def test_fifty_requests_at_two_processes_of_which_one_is_killed_make_one_row(creator: User) -> None:
    token = token_of(creator)

    with (
        running_server(**KILLING, KILLED="killed_on_request") as killed,
        running_server(workers=1, DATABASE_LOCK_SECONDS="20", DATABASE_STATEMENT_SECONDS="20") as other,
        ThreadPoolExecutor(50) as pool,
    ):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE livestreams_livestream IN SHARE MODE")  # no stream can be inserted
            first = pool.submit(created_at_last, [killed, other], token)
            wait_until(lambda: waiting_locks() == 1)
            rest = [pool.submit(created_at_last, [other, killed][:: 1 - 2 * (n % 2)], token) for n in range(49)]
            time.sleep(0.5)  # they are refused with 409 while the first one is running
            with pytest.raises((HTTPException, OSError)):
                killed.call("GET", AT_ONCE)
        answers = [first.result(PATIENCE), *(one.result(PATIENCE) for one in rest)]

    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert sorted(header(answer, "idempotent-replayed") or "" for answer in answers) == [""] + ["true"] * 49
    assert LiveStream.all_objects.count() == StoredAnswer.objects.count() == 1
    assert audited() == ["create_stream"]


def test_a_server_killed_before_the_answer_is_stored_has_changed_nothing(creator: User) -> None:
    token = token_of(creator)

    with running_server(**KILLING, KILLED="killed_before_commit") as killed:
        with pytest.raises((HTTPException, OSError)):
            created(killed, token)
        assert not LiveStream.all_objects.exists()
        assert not StoredAnswer.objects.exists()
    with running_server(workers=1) as server:
        answer = created_at_last([server], token)

    assert header(answer, "idempotent-replayed") is None
    assert LiveStream.all_objects.count() == 1
    assert audited() == ["create_stream"]


def test_a_server_killed_after_the_commit_has_stored_the_answer(creator: User) -> None:
    token = token_of(creator)

    with (
        running_server(**KILLING, KILLED="killed_after_commit") as killed,
        pytest.raises((HTTPException, OSError)),
    ):
        created(killed, token)
    assert LiveStream.all_objects.count() == 1
    with running_server(workers=1) as server:
        answer = created_at_last([server], token)

    assert header(answer, "idempotent-replayed") == "true"
    assert answer.json()["data"]["id"] == LiveStream.all_objects.get().pk
    assert audited() == ["create_stream"]
