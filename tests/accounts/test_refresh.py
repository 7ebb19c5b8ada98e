"""POST /api/v1/auth/refresh"""

from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.db.models import F

from accounts import services, tokens
from accounts.models import Session, User
from common.models import AuditEntry
from tests.conftest import Api, session_of
from tests.envelope import assert_refused, data_of
from tests.races import at_once

REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/users/me"


def refresh_token_of(session: Session, now: datetime) -> str:
    return str(tokens.RefreshToken.of(session, now=now))


def test_a_refresh_answers_with_a_new_pair_in_the_same_session(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)
    client = api()
    old = refresh_token_of(session, now)

    data = data_of(client.post(REFRESH, {"refreshToken": old}))

    assert list(data) == ["accessToken", "refreshToken", "expiresIn", "refreshExpiresIn", "user"]
    assert data["refreshToken"] != old
    assert data["user"]["_id"] == creator.pk
    data_of(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {data['accessToken']}"))
    data_of(client.post(REFRESH, {"refreshToken": data["refreshToken"]}))
    assert Session.objects.get().ended_at is None


def test_access_tokens_outlive_the_refresh(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)
    access = tokens.AccessToken.of(session, now=now)
    client = api()
    data_of(client.post(REFRESH, {"refreshToken": refresh_token_of(session, now)}))

    data_of(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {access}"))


def let_pass(seconds: float) -> None:
    """As if the last refresh of the one session lay further back."""
    Session.objects.update(expires_at=F("expires_at") - timedelta(seconds=seconds))


def test_a_refresh_token_used_twice_ends_the_session_for_both_owners(api: Api, creator: User, now: datetime) -> None:
    client = api()
    copied = refresh_token_of(session_of(creator), now)
    pair = data_of(client.post(REFRESH, {"refreshToken": copied}))
    let_pass(10)

    assert_refused(client.post(REFRESH, {"refreshToken": copied}), 401, "refresh_token_reused")

    assert Session.objects.get().ended_at is not None
    assert_refused(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {pair['accessToken']}"), 401, "session_ended")
    assert_refused(client.post(REFRESH, {"refreshToken": pair["refreshToken"]}), 401, "refresh_token_invalid")


def test_a_refresh_and_a_reuse_leave_one_audit_row_each(api: Api, creator: User, now: datetime) -> None:
    client = api()
    token = refresh_token_of(session_of(creator), now)

    for _ in range(3):
        client.post(REFRESH, {"refreshToken": token})
        let_pass(10)

    entries = AuditEntry.objects.order_by("id")
    assert [entry.action for entry in entries] == ["log_in", "refresh_session", "end_session"]
    assert entries[2].reason == "refresh token used twice"


def test_the_audit_trail_holds_nothing_that_could_continue_a_session(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)
    data_of(api().post(REFRESH, {"refreshToken": refresh_token_of(session, now)}))

    written = str([(entry.before, entry.after) for entry in AuditEntry.objects.all()])
    assert session.refresh_id not in written
    assert Session.objects.get().refresh_id not in written


@pytest.mark.django_db(transaction=True)
def test_of_twenty_refreshes_at_once_exactly_one_gets_a_new_pair(api: Api, creator: User, now: datetime) -> None:
    token = refresh_token_of(session_of(creator), now)

    answers = at_once(20, lambda _: api().post(REFRESH, {"refreshToken": token}))

    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    for answer in answers:
        if answer is not won[0]:
            assert_refused(answer, 401, "refresh_token_reused")
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "log_in",
        "refresh_session",
    ]


def test_an_app_that_refreshes_twice_at_the_same_moment_stays_logged_in(api: Api, creator: User, now: datetime) -> None:
    client = api()
    token = refresh_token_of(session_of(creator), now)
    pair = data_of(client.post(REFRESH, {"refreshToken": token}))

    assert_refused(client.post(REFRESH, {"refreshToken": token}), 401, "refresh_token_reused")

    data_of(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {pair['accessToken']}"))
    data_of(client.post(REFRESH, {"refreshToken": pair["refreshToken"]}))


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "[" * 4000, f"{'W' * 3000}.e30.x"])
def test_garbage_is_refused(api: Api, db: None, token: str) -> None:
    assert_refused(api().post(REFRESH, {"refreshToken": token}), 401, "refresh_token_invalid")


def test_a_token_of_another_signer_is_refused(api: Api, creator: User, now: datetime) -> None:
    claims = tokens.RefreshToken.of(session_of(creator), now=now).payload | {"iss": "kumanda"}
    forged = jwt.encode(claims, "another key that is long enough for HS256", algorithm="HS256")

    assert_refused(api().post(REFRESH, {"refreshToken": forged}), 401, "refresh_token_invalid")


def test_an_access_token_refreshes_nothing(api: Api, creator: User, now: datetime) -> None:
    access = str(tokens.AccessToken.of(session_of(creator), now=now))

    assert_refused(api().post(REFRESH, {"refreshToken": access}), 401, "refresh_token_invalid")


def test_an_expired_token_is_refused_and_ends_nothing(api: Api, creator: User, now: datetime) -> None:
    expired = refresh_token_of(session_of(creator), now - timedelta(days=30, seconds=1))

    assert_refused(api().post(REFRESH, {"refreshToken": expired}), 401, "refresh_token_invalid")
    assert Session.objects.get().ended_at is None


def test_a_session_lapses_thirty_days_after_its_last_refresh(creator: User, now: datetime) -> None:
    session = session_of(creator)
    later = now + timedelta(days=29)

    renewed = services.refresh(session.pk, session.refresh_id, now=later)

    with pytest.raises(services.RefreshTokenInvalid):
        services.refresh(renewed.pk, renewed.refresh_id, now=later + timedelta(days=30))


def test_a_session_that_is_gone_and_a_user_who_may_not_log_in_any_more_are_refused(
    api: Api, creator: User, guest: User, now: datetime
) -> None:
    gone, barred = session_of(creator), session_of(guest)
    gone_token, barred_token = refresh_token_of(gone, now), refresh_token_of(barred, now)
    gone.delete()
    User.objects.filter(pk=guest.pk).update(is_active=False)

    for token in (gone_token, barred_token):
        assert_refused(api().post(REFRESH, {"refreshToken": token}), 401, "refresh_token_invalid")


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_another_algorithm_is_refused(api: Api, creator: User, now: datetime, algorithm: str) -> None:
    claims = tokens.RefreshToken.of(session_of(creator), now=now).payload | {"iss": "kumanda"}
    key = "" if algorithm == "none" else django_settings.JWT_SIGNING_KEY
    forged = jwt.encode(claims, key, algorithm=algorithm)

    assert_refused(api().post(REFRESH, {"refreshToken": forged}), 401, "refresh_token_invalid")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "refreshToken: is required"),
        ({"refreshToken": None}, "refreshToken: must not be null"),
        ({"refreshToken": 1}, "refreshToken: must be text"),
        ({"refreshToken": "x" * 4097}, "refreshToken: must have at most 4096 characters"),
    ],
)
def test_a_malformed_body_names_field_and_rule(api: Api, body: dict[str, Any], reason: str) -> None:
    assert_refused(api().post(REFRESH, body), 400, "validation_failed", reason)
