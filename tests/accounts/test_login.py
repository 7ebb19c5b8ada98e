"""POST /api/v1/auth/login"""

from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AbstractBaseUser
from pytest_django import DjangoAssertNumQueries

from accounts import services
from accounts.login_limits import TooManyFailures
from accounts.models import Session, User
from accounts.services import logins
from common.models import AuditEntry
from tests.accounts.wire import summary_of
from tests.conftest import PASSWORD, Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once

LOGIN = "/api/v1/auth/login"


def credentials(user: User, password: str = PASSWORD) -> dict[str, str]:
    return {"username": user.username, "password": password}


def test_login_answers_with_a_pair_of_tokens_and_the_user(api: Api, creator: User) -> None:
    data = data_of(api().post(LOGIN, credentials(creator)))

    assert list(data) == ["accessToken", "refreshToken", "expiresIn", "refreshExpiresIn", "user"]
    assert data["expiresIn"] == 3600
    assert data["refreshExpiresIn"] == 2592000
    assert data["user"] == summary_of(creator)


def test_answers_with_tokens_are_not_cacheable(api: Api, creator: User) -> None:
    answer = api().post(LOGIN, {"username": "creator", "password": PASSWORD})
    assert answer.headers["Cache-Control"] == "no-store, no-transform"


def test_the_access_token_names_issuer_user_and_session_and_lives_an_hour(api: Api, creator: User) -> None:
    data = data_of(api().post(LOGIN, credentials(creator)))

    claims = jwt.decode(data["accessToken"], django_settings.JWT_SIGNING_KEY, algorithms=["HS256"], issuer="kumanda")
    assert claims["sub"] == creator.pk
    assert claims["sid"] == Session.objects.get().pk
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["jti"]


def test_the_access_token_authenticates_calls(api: Api, creator: User) -> None:
    client = api()
    token = data_of(client.post(LOGIN, credentials(creator)))["accessToken"]

    assert data_of(client.get("/api/v1/users/me", HTTP_AUTHORIZATION=f"Bearer {token}"))["_id"] == creator.pk


@pytest.mark.parametrize("username", ["CREATOR", "Creator", "creator"])
def test_the_username_is_case_insensitive(api: Api, creator: User, username: str) -> None:
    data_of(api().post(LOGIN, {"username": username, "password": PASSWORD}))


def test_spaces_around_the_password_are_significant(api: Api, creator: User) -> None:
    assert_refused(api().post(LOGIN, credentials(creator, f" {PASSWORD}")), 401, "wrong_credentials")


def test_a_wrong_password_an_unknown_and_an_inactive_user_get_the_same_answer(api: Api, creator: User) -> None:
    make_user("gone", is_active=False)

    for attempt in (
        {"username": "creator", "password": "guess"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "gone", "password": PASSWORD},
    ):
        assert_refused(api().post(LOGIN, attempt), 401, "wrong_credentials", "the username or the password is wrong")
    assert not Session.objects.exists()


def test_a_login_of_an_unknown_user_computes_a_hash_too(
    db: None, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(logins, "make_password", hashed.append)

    with pytest.raises(services.WrongCredentials):
        services.log_in("nobody", "guess", now=now)

    assert hashed == ["guess"]


def test_a_user_of_the_identity_provider_has_no_password_here(api: Api, db: None) -> None:
    User.objects.create_user("ada", None, identity_issuer="https://id.example", identity_subject="1")

    assert_refused(api().post(LOGIN, {"username": "ada", "password": "!"}), 401, "wrong_credentials")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"password": "x"}, "username: is required"),
        ({"username": "x"}, "password: is required"),
        ({"username": "", "password": "x"}, "username: must not be empty"),
        ({"username": None, "password": "x"}, "username: must not be null"),
        ({"username": 5, "password": "x"}, "username: must be text"),
        (
            {"username": "x" * 151, "password": "x"},
            "username: must have at most 150 characters",
        ),
        ({"username": "a\0b", "password": "x"}, "username: Null characters are not allowed."),
    ],
)
def test_a_malformed_body_names_field_and_rule(api: Api, body: dict[str, Any], reason: str) -> None:
    assert_refused(api().post(LOGIN, body), 400, "validation_failed", reason)


@pytest.mark.parametrize("body", ["[]", "5", "null", '"text"'])
def test_a_body_that_is_no_object_is_refused(api: Api, body: str) -> None:
    assert_refused(api().post(LOGIN, body, content_type="application/json"), 400, "validation_failed")


def test_a_wrong_method_and_a_wrong_type_of_body_are_refused(api: Api) -> None:
    assert_refused(api().get(LOGIN), 405, "method_not_allowed")
    assert_refused(api().post(LOGIN, "a=b", content_type="text/plain"), 415, "unsupported_media_type")


def test_a_login_leaves_one_audit_row(api: Api, creator: User) -> None:
    data_of(api().post(LOGIN, credentials(creator), HTTP_X_REQUEST_ID="login-1"))

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id) == ("log_in", Session.objects.get().pk)
    assert (entry.actor_id, entry.actor_name) == (creator.pk, "creator")
    assert (entry.entry_point, entry.request_id) == ("api", "login-1")


def test_ten_failures_within_five_minutes_block_the_client_with_that_name(api: Api, creator: User) -> None:
    for _ in range(10):
        assert_refused(api().post(LOGIN, credentials(creator, "guess")), 401, "wrong_credentials")

    refused = api().post(LOGIN, credentials(creator))

    assert_refused(refused, 429, "too_many_failed_logins", "too many failed logins; try again in 5 minutes")
    assert 290 <= int(refused.headers["Retry-After"]) <= 300


def test_a_limit_of_a_username_is_case_insensitive(creator: User, now: datetime) -> None:
    fail(creator.username.upper(), 10, now=now)

    with pytest.raises(TooManyFailures):
        services.log_in(creator.username, PASSWORD, now=now)


def test_an_unknown_username_is_limited_too(db: None, now: datetime) -> None:
    fail("nobody", 10, now=now)

    with pytest.raises(TooManyFailures):
        services.log_in("nobody", "guess", now=now)


def test_the_longest_name_is_counted_even_when_lower_case_is_longer(db: None, now: datetime) -> None:
    fail("İ" * 150, 10, now=now)

    with pytest.raises(TooManyFailures):
        services.log_in("İ" * 150, "guess", now=now)


def test_a_block_ends_with_its_window(creator: User, now: datetime) -> None:
    fail(creator.username, 10, now=now)

    with pytest.raises(TooManyFailures) as refused:
        services.log_in(creator.username, PASSWORD, now=now + timedelta(minutes=4))
    assert refused.value.retry_after == 60
    assert services.log_in(creator.username, PASSWORD, now=now + timedelta(minutes=5)).user == creator


def test_failures_of_an_old_window_do_not_count(creator: User, now: datetime) -> None:
    fail(creator.username, 9, now=now)
    fail(creator.username, 9, now=now + timedelta(minutes=5))

    assert services.log_in(creator.username, PASSWORD, now=now + timedelta(minutes=5)).user == creator


def test_a_success_forgets_the_failures(creator: User, now: datetime) -> None:
    fail(creator.username, 9, now=now)
    services.log_in(creator.username, PASSWORD, now=now)

    fail(creator.username, 9, now=now)

    assert services.log_in(creator.username, PASSWORD, now=now).holds(now)


@pytest.mark.django_db(transaction=True)
def test_of_forty_concurrent_guesses_ten_are_answered_as_wrong(creator: User, now: datetime) -> None:
    def guess(_number: int) -> type[Exception]:
        with pytest.raises((services.WrongCredentials, TooManyFailures)) as refused:
            services.log_in("creator", "guess", now=now)
        return refused.type

    answers = at_once(40, guess)

    assert answers.count(services.WrongCredentials) == 10
    assert answers.count(TooManyFailures) == 30


@pytest.mark.django_db(transaction=True)
def test_a_right_guess_after_the_tenth_failure_is_refused_although_it_began_before(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PASSWORD_HASHING_SLOTS = 2
    check_password = AbstractBaseUser.check_password

    def slowly(self: AbstractBaseUser, password: str) -> bool:
        """While this right password is checked, others fail."""
        monkeypatch.setattr(AbstractBaseUser, "check_password", check_password)
        at_once(10, lambda _: fail("creator", 1, now=now))
        return check_password(self, password)

    monkeypatch.setattr(AbstractBaseUser, "check_password", slowly)

    with pytest.raises(TooManyFailures):
        services.log_in("creator", PASSWORD, now=now)
    assert not Session.objects.exists()


@pytest.mark.parametrize("change", ["password", "deactivation"])
def test_a_login_that_began_before_all_sessions_were_ended_creates_none_afterwards(
    change: str, creator: User, moderator: User, now: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PASSWORD_HASHING_SLOTS = 2
    check_password = AbstractBaseUser.check_password

    def slowly(self: AbstractBaseUser, password: str) -> bool:
        """While this right password is checked, the account changes."""
        monkeypatch.setattr(AbstractBaseUser, "check_password", check_password)
        if change == "password":
            services.change_own_password(creator, PASSWORD, "a quite different horse", now=now)
        else:
            services.deactivate_user(creator.pk, by=moderator, now=now, reason="Stolen.")
        return check_password(self, password)

    monkeypatch.setattr(AbstractBaseUser, "check_password", slowly)

    with pytest.raises(services.WrongCredentials):
        services.log_in("creator", PASSWORD, now=now)
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_twenty_concurrent_valid_logins_all_succeed(creator: User, now: datetime) -> None:
    sessions = at_once(20, lambda _: services.log_in("creator", PASSWORD, now=now).pk)

    assert len(set(sessions)) == 20


def test_a_login_runs_a_fixed_number_of_statements(
    creator: User, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # user, known address, counters, [counters, forget, remember], [lock, session, audit]; the brackets are savepoints
    with django_assert_num_queries(13):
        services.log_in("creator", PASSWORD, now=now)


def fail(username: str, times: int, *, now: datetime) -> None:
    for _ in range(times):
        with pytest.raises(services.WrongCredentials):
            services.log_in(username, "guess", now=now)
