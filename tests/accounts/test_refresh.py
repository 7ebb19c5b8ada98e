"""POST /api/v1/auth/refresh"""

from base64 import b64decode
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from accounts import services, tokens
from accounts.models import RefreshedPair, Session, User
from accounts.services import sessions
from common.models import AuditEntry
from tests.conftest import Api, make_user, session_of
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


def test_access_tokens_stay_valid_after_a_refresh(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)
    access = tokens.AccessToken.of(session, now=now)
    client = api()
    data_of(client.post(REFRESH, {"refreshToken": refresh_token_of(session, now)}))

    data_of(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {access}"))


def let_pass(seconds: float) -> None:
    """Move the times of the last refreshes into the past."""
    RefreshedPair.objects.update(until=F("until") - timedelta(seconds=seconds))


def test_a_retry_within_a_minute_gets_the_same_pair_again(
    api: Api, creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api()
    token = refresh_token_of(session_of(creator), now)
    first = client.post(REFRESH, {"refreshToken": token})

    for seconds in (1, 30, 59):
        monkeypatch.setattr(timezone, "now", lambda seconds=seconds: now + timedelta(seconds=seconds))
        assert data_of(client.post(REFRESH, {"refreshToken": token})) == data_of(first)

    assert Session.objects.get().refreshes == 1
    pair = data_of(first)
    data_of(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {pair['accessToken']}"))
    data_of(client.post(REFRESH, {"refreshToken": pair["refreshToken"]}))


def test_each_of_two_refreshes_within_a_minute_can_be_repeated(api: Api, creator: User, now: datetime) -> None:
    client = api()
    first = refresh_token_of(session_of(creator), now)
    second = data_of(client.post(REFRESH, {"refreshToken": first}))
    third = data_of(client.post(REFRESH, {"refreshToken": second["refreshToken"]}))

    assert data_of(client.post(REFRESH, {"refreshToken": first})) == second
    assert data_of(client.post(REFRESH, {"refreshToken": second["refreshToken"]})) == third
    assert Session.objects.get().ended_at is None


def test_a_refresh_token_used_again_after_a_minute_ends_the_session_for_both_owners(
    api: Api, creator: User, now: datetime
) -> None:
    client = api()
    copied = refresh_token_of(session_of(creator), now)
    pair = data_of(client.post(REFRESH, {"refreshToken": copied}))
    let_pass(61)

    assert_refused(client.post(REFRESH, {"refreshToken": copied}), 401, "refresh_token_reused")

    assert Session.objects.get().ended_at is not None
    assert_refused(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {pair['accessToken']}"), 401, "session_ended")
    assert_refused(client.post(REFRESH, {"refreshToken": pair["refreshToken"]}), 401, "refresh_token_invalid")


@pytest.mark.parametrize(("seconds", "repeated"), [(59, True), (60, True), (61, False)])
def test_the_window_is_a_minute_from_the_refresh(creator: User, now: datetime, seconds: int, repeated: bool) -> None:
    session = session_of(creator)
    asked = session.pk, session.refresh_id
    first = services.refresh(*asked, now=now, sign=tokens.signed_pair)
    later = now + timedelta(seconds=seconds)

    if repeated:
        assert services.refresh(*asked, now=later, sign=tokens.signed_pair) == first
    else:
        with pytest.raises(services.RefreshTokenReused):
            services.refresh(*asked, now=later, sign=tokens.signed_pair)


def test_refreshes_leave_no_audit_row_and_a_reuse_leaves_one_with_their_number(
    api: Api, creator: User, now: datetime
) -> None:
    client = api()
    token = refresh_token_of(session_of(creator), now)

    for _ in range(3):
        client.post(REFRESH, {"refreshToken": token})
        let_pass(61)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("end_session", "refresh token used twice")
    session = Session.objects.get()
    assert session.refreshed_at is not None
    assert session.refreshed_at >= now
    assert (entry.after["refreshes"], datetime.fromisoformat(entry.after["refreshed_at"])) == (1, session.refreshed_at)


def by_logout(api: Api, session: Session, now: datetime) -> None:
    data_of(api(session.user).post("/api/v1/auth/logout"))


def by_revocation(api: Api, session: Session, now: datetime) -> None:
    session.refresh_from_db()
    data_of(api().post("/api/v1/auth/revoke-token", {"refreshToken": refresh_token_of(session, now)}))


def by_deactivation(api: Api, session: Session, now: datetime) -> None:
    boss = make_user("boss", is_staff=True, is_superuser=True)
    services.deactivate_user(session.user_id, by=boss, now=now, reason="Stolen.")


def by_another_password(api: Api, session: Session, now: datetime) -> None:
    services.replace_password(session.user, "a quite different horse", by=None, now=now)


@pytest.mark.parametrize("end", [by_logout, by_revocation, by_deactivation, by_another_password])
def test_what_ends_the_session_removes_its_stored_pairs(api: Api, creator: User, now: datetime, end: Any) -> None:
    session = session_of(creator)
    token = refresh_token_of(session, now)
    data_of(api().post(REFRESH, {"refreshToken": token}))
    assert RefreshedPair.objects.exists()

    end(api, session, now)

    assert not RefreshedPair.objects.exists()
    assert api().post(REFRESH, {"refreshToken": token}).status_code == 401


def by_expiry(session: Session, now: datetime) -> None:
    Session.objects.filter(pk=session.pk).update(created_at=now - timedelta(days=1), expires_at=now)


def by_an_inactive_user(session: Session, now: datetime) -> None:
    """As SQL of an operator does it: the services also end the sessions."""
    User.objects.filter(pk=session.user_id).update(is_active=False)


@pytest.mark.parametrize("end", [by_expiry, by_an_inactive_user])
@pytest.mark.parametrize("is_retry", [False, True])
def test_neither_a_refresh_nor_its_retry_gets_a_pair_after_the_end(
    creator: User, now: datetime, end: Any, is_retry: bool
) -> None:
    session = session_of(creator)
    asked = session.pk, session.refresh_id
    if is_retry:
        services.refresh(*asked, now=now, sign=tokens.signed_pair)
    end(session, now)

    with pytest.raises(services.RefreshTokenInvalid):
        services.refresh(*asked, now=now, sign=tokens.signed_pair)

    assert RefreshedPair.objects.count() == is_retry
    assert Session.objects.get().ended_at is None


def test_only_a_wait_for_the_lock_is_called_a_refresh_in_progress(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise OperationalError("the connection is lost")

    session = session_of(creator)
    monkeypatch.setattr(sessions, "_refresh", lost)

    with pytest.raises(OperationalError, match="the connection is lost"):
        services.refresh(session.pk, session.refresh_id, now=now, sign=tokens.signed_pair)


def test_stored_pairs_cannot_be_read_without_the_secret_key(
    api: Api, creator: User, now: datetime, settings: Any
) -> None:
    client = api()
    session = session_of(creator)
    token = refresh_token_of(session, now)
    pair = data_of(client.post(REFRESH, {"refreshToken": token}))

    stored = bytes(RefreshedPair.objects.get().pair)
    for part in (pair["accessToken"], pair["refreshToken"]):
        assert part.encode() not in stored
        assert part.split(".")[1].encode() not in b64decode(stored, altchars=b"-_")

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "x" * 50, [settings.SECRET_KEY]
    assert data_of(client.post(REFRESH, {"refreshToken": token})) == pair
    settings.SECRET_KEY_FALLBACKS = []
    assert_refused(client.post(REFRESH, {"refreshToken": token}), 401, "refresh_token_invalid")
    assert Session.objects.get().ended_at is None


def test_stored_pairs_are_removed_by_the_next_refresh_and_by_the_job(creator: User, now: datetime) -> None:
    session = session_of(creator)
    first = session.refresh_id
    services.refresh(session.pk, first, now=now, sign=tokens.signed_pair)
    session.refresh_from_db()
    later = now + timedelta(seconds=61)

    services.refresh(session.pk, session.refresh_id, now=later, sign=tokens.signed_pair)

    assert [pair.refresh_id for pair in RefreshedPair.objects.all()] == [session.refresh_id]
    assert services.forget_refreshed_pairs(now=later + timedelta(seconds=60)) == 0
    assert services.forget_refreshed_pairs(now=later + timedelta(seconds=61)) == 1
    assert not RefreshedPair.objects.exists()


def test_the_audit_trail_has_no_secret_of_a_session(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)
    data_of(api().post(REFRESH, {"refreshToken": refresh_token_of(session, now)}))
    services.revoke(session.pk, now=now)

    written = str([(entry.before, entry.after) for entry in AuditEntry.objects.all()])
    assert session.refresh_id not in written
    assert Session.objects.get().refresh_id not in written


@pytest.mark.django_db(transaction=True)
def test_twenty_concurrent_refreshes_rotate_once_and_all_get_the_same_pair(
    api: Api, creator: User, now: datetime
) -> None:
    token = refresh_token_of(session_of(creator), now)

    answers = at_once(20, lambda _: data_of(api().post(REFRESH, {"refreshToken": token})))

    assert all(answer == answers[0] for answer in answers)
    assert Session.objects.get().refreshes == 1


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "[" * 4000, f"{'W' * 3000}.e30.x"])
def test_garbage_is_refused(api: Api, db: None, token: str) -> None:
    assert_refused(api().post(REFRESH, {"refreshToken": token}), 401, "refresh_token_invalid")


def test_a_token_of_another_signer_is_refused(api: Api, creator: User, now: datetime) -> None:
    claims = tokens.RefreshToken.of(session_of(creator), now=now).payload | {"iss": "kumanda"}
    forged = jwt.encode(claims, "another key that is long enough for HS256", algorithm="HS256")

    assert_refused(api().post(REFRESH, {"refreshToken": forged}), 401, "refresh_token_invalid")


def test_an_access_token_is_refused_as_a_refresh_token(api: Api, creator: User, now: datetime) -> None:
    access = str(tokens.AccessToken.of(session_of(creator), now=now))

    assert_refused(api().post(REFRESH, {"refreshToken": access}), 401, "refresh_token_invalid")


def test_an_expired_token_is_refused_and_ends_nothing(api: Api, creator: User, now: datetime) -> None:
    expired = refresh_token_of(session_of(creator), now - timedelta(days=30, seconds=1))

    assert_refused(api().post(REFRESH, {"refreshToken": expired}), 401, "refresh_token_invalid")
    assert Session.objects.get().ended_at is None


def test_a_session_expires_thirty_days_after_its_last_refresh(creator: User, now: datetime) -> None:
    session = session_of(creator)
    later = now + timedelta(days=29)

    services.refresh(session.pk, session.refresh_id, now=later, sign=tokens.signed_pair)

    session.refresh_from_db()
    with pytest.raises(services.RefreshTokenInvalid):
        services.refresh(session.pk, session.refresh_id, now=later + timedelta(days=30), sign=tokens.signed_pair)


def test_a_deleted_session_and_a_deactivated_user_are_refused(
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
