"""POST /api/v1/auth/refresh at real server processes: races, lost answers, locks."""

from datetime import datetime
from http.client import HTTPException

import pytest
from django.db import transaction

from accounts import tokens
from accounts.models import RefreshedPair, Session, User
from tests.conftest import session_of
from tests.races import at_once
from tests.servers import Answer, Server, running_server

REFRESH = "/api/v1/auth/refresh"


def token_of(user: User, now: datetime) -> str:
    return str(tokens.RefreshToken.of(session_of(user), now=now))


def refreshed(server: Server, token: str) -> Answer:
    return server.call("POST", REFRESH, body={"refreshToken": token})


def refreshes() -> int:
    return Session.objects.get().refreshes


@pytest.mark.django_db(transaction=True)
def test_twenty_refreshes_at_two_processes_give_one_pair_and_rotate_once(creator: User, now: datetime) -> None:
    token = token_of(creator, now)

    with running_server(workers=1) as one, running_server(workers=1) as other:
        answers = at_once(20, lambda number: refreshed((one, other)[number % 2], token))

    assert {answer.status for answer in answers} == {200}
    pairs = [answer.json()["data"] for answer in answers]
    assert all(pair == pairs[0] for pair in pairs)
    assert refreshes() == 1
    assert RefreshedPair.objects.count() == 1
    assert Session.objects.get().ended_at is None


@pytest.mark.django_db(transaction=True)
def test_a_retry_after_the_server_was_killed_before_it_answered_gets_the_pair(creator: User, now: datetime) -> None:
    token = token_of(creator, now)

    with (
        running_server(workers=1, DJANGO_SETTINGS_MODULE="tests.accounts.dying_settings") as dying,
        pytest.raises((HTTPException, OSError)),
    ):
        refreshed(dying, token)

    assert refreshes() == 1
    with running_server(workers=1) as server:
        answer = refreshed(server, token)
        assert answer.status == 200
        pair = answer.json()["data"]
        assert server.call("GET", "/api/v1/users/me", token=pair["accessToken"]).status == 200
        assert refreshed(server, pair["refreshToken"]).status == 200
    assert refreshes() == 2


@pytest.mark.django_db(transaction=True)
def test_a_refresh_that_waits_too_long_for_another_one_is_answered_with_retry_after(
    creator: User, now: datetime
) -> None:
    token = token_of(creator, now)

    with running_server(workers=1, DATABASE_LOCK_SECONDS="0.5") as server:
        with transaction.atomic():
            Session.objects.for_update().get()  # as another refresh does until it commits
            refused = refreshed(server, token)
        then = refreshed(server, token)

    assert refused.status == 409
    headers = {name.lower(): value for name, value in refused.headers.items()}
    assert headers["x-error-code"] == "refresh_in_progress"
    assert int(headers["retry-after"]) >= 1
    assert then.status == 200
    assert Session.objects.get().ended_at is None
