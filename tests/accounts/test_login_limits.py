"""Limits on failed logins, and whom they apply to."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from rest_framework.test import APIClient

from accounts import login_limits, services
from accounts.login_limits import (
    FAILURES_OF_ADDRESS,
    FAILURES_OF_CLIENT,
    FAILURES_OF_NAME,
    Client,
    TooManyFailures,
)
from accounts.models import KnownAddress, LoginCounter, User
from tests.conftest import PASSWORD, Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.retaining import remove

LOGIN = "/api/v1/auth/login"
ADMIN_LOGIN = "/admin/login/"
HOME = "198.51.100.1"


def log_in(username: str, password: str, address: str, *, now: datetime) -> User:
    return services.check_credentials(username, password, now=now, client=Client(address))


def outcome(call: Callable[[], Any]) -> str:
    try:
        call()
    except services.WrongCredentials:
        return "wrong"
    except TooManyFailures:
        return "refused"
    return "in"


def guess(username: str, address: str, *, now: datetime, times: int = 1) -> list[str]:
    return [outcome(lambda: log_in(username, "guess", address, now=now)) for _ in range(times)]


def guess_from_everywhere(username: str, *, now: datetime) -> None:
    """More failures than the limit of one username, from many addresses with few guesses each."""
    outcomes = [guess(username, f"192.0.2.{number}", now=now, times=2) for number in range(60)]
    assert sum(pair.count("wrong") for pair in outcomes) == FAILURES_OF_NAME


# --- one client with one name -----------------------------------------------------------------------


def test_ten_wrong_guesses_of_another_client_do_not_lock_out_the_user(creator: User, now: datetime) -> None:
    assert guess("creator", "192.0.2.1", now=now, times=12) == ["wrong"] * 10 + ["refused"] * 2

    assert log_in("creator", PASSWORD, HOME, now=now) == creator


def test_a_client_over_its_limit_is_refused_with_the_right_password_too(creator: User, now: datetime) -> None:
    guess("creator", "192.0.2.1", now=now, times=FAILURES_OF_CLIENT)

    with pytest.raises(TooManyFailures):
        log_in("creator", PASSWORD, "192.0.2.1", now=now)


def test_addresses_of_one_ipv6_network_are_one_client(creator: User, now: datetime) -> None:
    outcomes = [guess("creator", f"2001:db8::{number:x}", now=now)[0] for number in range(1, 13)]

    assert outcomes == ["wrong"] * 10 + ["refused"] * 2
    assert log_in("creator", PASSWORD, "2001:db8:0:1::1", now=now) == creator


def test_callers_without_an_address_are_one_client(creator: User, now: datetime) -> None:
    assert guess("creator", "", now=now, times=11)[-1] == "refused"


# --- one address with many names ----------------------------------------------------------------------


def test_one_address_may_fail_a_hundred_times_over_all_names(creator: User, now: datetime) -> None:
    outcomes = [guess(f"name-{number}", "192.0.2.1", now=now)[0] for number in range(FAILURES_OF_ADDRESS + 5)]

    assert outcomes == ["wrong"] * FAILURES_OF_ADDRESS + ["refused"] * 5
    with pytest.raises(TooManyFailures):
        log_in("creator", PASSWORD, "192.0.2.1", now=now)
    assert log_in("creator", PASSWORD, HOME, now=now) == creator


def test_a_login_of_their_own_does_not_reset_the_address_of_an_attacker(
    creator: User, stranger: User, now: datetime
) -> None:
    for number in range(FAILURES_OF_ADDRESS):
        guess(f"name-{number}", "192.0.2.1", now=now)
        if number % 10 == 9 and number < FAILURES_OF_ADDRESS - 1:
            log_in("stranger", PASSWORD, "192.0.2.1", now=now)

    assert guess("one-more", "192.0.2.1", now=now) == ["refused"]


# --- one name from many addresses ---------------------------------------------------------------------------


def test_a_username_under_distributed_attack_can_log_in_from_a_known_address(creator: User, now: datetime) -> None:
    log_in("creator", PASSWORD, HOME, now=now - timedelta(days=89))
    guess_from_everywhere("creator", now=now)

    assert log_in("creator", PASSWORD, HOME, now=now) == creator
    assert guess("creator", HOME, now=now, times=11) == ["wrong"] * 10 + ["refused"]


@pytest.mark.parametrize("days", [None, 90])
def test_an_address_without_a_login_for_ninety_days_is_not_known(
    days: int | None, creator: User, now: datetime
) -> None:
    if days is not None:
        log_in("creator", PASSWORD, HOME, now=now - timedelta(days=days))
    guess_from_everywhere("creator", now=now)

    with pytest.raises(TooManyFailures) as refused:
        log_in("creator", PASSWORD, HOME, now=now)
    assert refused.value.retry_after == 300
    assert log_in("creator", PASSWORD, HOME, now=now + timedelta(minutes=5)) == creator


def test_an_address_is_known_for_one_user_only(creator: User, stranger: User, now: datetime) -> None:
    log_in("stranger", PASSWORD, "192.0.2.200", now=now)
    guess_from_everywhere("creator", now=now)

    assert guess("creator", "192.0.2.200", now=now) == ["refused"]


def test_a_name_that_nobody_has_is_limited_in_the_same_way(db: None, now: datetime) -> None:
    guess_from_everywhere("nobody", now=now)

    assert guess("nobody", HOME, now=now) == ["refused"]


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_guesses_from_eighty_addresses_fifty_are_answered_as_wrong(creator: User, now: datetime) -> None:
    outcomes = at_once(80, lambda number: guess("creator", f"192.0.2.{number}", now=now)[0])

    assert (outcomes.count("wrong"), outcomes.count("refused")) == (FAILURES_OF_NAME, 30)


@pytest.mark.django_db(transaction=True)
def test_concurrent_guesses_with_two_usernames_do_not_deadlock(now: datetime) -> None:
    """Each locks the counters of the address and of its own username, in the order of their keys."""
    outcomes = at_once(40, lambda number: guess(f"name-{number % 2}", "192.0.2.1", now=now)[0])

    assert (outcomes.count("wrong"), outcomes.count("refused")) == (20, 20)


# --- known devices, through HTTP --------------------------------------------------------------------


def api_login(client: APIClient, password: str, address: str) -> Any:
    return client.post(LOGIN, {"username": "creator", "password": password}, REMOTE_ADDR=address)


def admin_login(client: Browser, password: str, address: str) -> Any:
    return client.post(ADMIN_LOGIN, {"username": "creator", "password": password}, REMOTE_ADDR=address)


def test_a_device_is_known_at_another_address_by_its_cookie(api: Api, creator: User, now: datetime) -> None:
    phone = api()
    data_of(api_login(phone, PASSWORD, HOME))
    guess_from_everywhere("creator", now=now)

    data_of(api_login(phone, PASSWORD, "203.0.113.7"))
    assert_refused(api_login(api(), PASSWORD, "203.0.113.8"), 429, "too_many_failed_logins")


def test_a_browser_in_the_admin_is_known_at_another_address_by_its_cookie(creator: User, now: datetime) -> None:
    User.objects.update(is_staff=True)
    browser = Browser()
    assert admin_login(browser, PASSWORD, HOME).status_code == 302
    guess_from_everywhere("creator", now=now)

    assert admin_login(browser, PASSWORD, "203.0.113.7").status_code == 302
    assert admin_login(Browser(), PASSWORD, "203.0.113.8").status_code == 200


def test_failures_of_others_behind_the_same_address_do_not_lock_out_a_known_device(
    api: Api, creator: User, now: datetime
) -> None:
    phone = api()
    data_of(api_login(phone, PASSWORD, HOME))
    guess("creator", HOME, now=now, times=FAILURES_OF_CLIENT)
    for number in range(FAILURES_OF_ADDRESS):
        guess(f"name-{number}", HOME, now=now)

    data_of(api_login(phone, PASSWORD, HOME))


def test_a_known_device_has_a_limit_of_its_own_at_any_address(api: Api, creator: User) -> None:
    phone = api()
    data_of(api_login(phone, PASSWORD, HOME))

    statuses = [api_login(phone, "guess", f"192.0.2.{number}").status_code for number in range(12)]

    assert statuses == [401] * 10 + [429] * 2


def test_a_cookie_that_is_forged_expired_or_of_another_user_has_no_effect(
    api: Api, creator: User, stranger: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, faker, forgotten = api(), api(), api()
    data_of(other.post(LOGIN, {"username": "stranger", "password": PASSWORD}, REMOTE_ADDR="192.0.2.201"))
    faker.cookies["device"] = f"{creator.pk}:0123456789abcdef0123456789abcdef:1tXyZa:forged"
    with monkeypatch.context() as patch:
        long_ago = now.timestamp() - 91 * 86_400
        patch.setattr("django.core.signing.time.time", lambda: long_ago)
        data_of(api_login(forgotten, PASSWORD, HOME))
    guess_from_everywhere("creator", now=now)

    for client in (other, faker, forgotten):
        assert_refused(api_login(client, PASSWORD, "203.0.113.9"), 429, "too_many_failed_logins")


def test_the_cookie_is_http_only_and_limited_to_the_path_of_logins(api: Api, creator: User, settings: Any) -> None:
    settings.SECURE = True

    cookie = api_login(api(), PASSWORD, HOME).cookies["device"]

    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")
    assert (cookie["path"], cookie["max-age"]) == (LOGIN, 90 * 86_400)
    assert creator.username not in cookie.value


def test_a_refused_login_sets_no_cookie(api: Api, creator: User) -> None:
    assert "device" not in api_login(api(), "guess", HOME).cookies
    assert "device" not in admin_login(Browser(), "guess", HOME).cookies


# --- what is stored -------------------------------------------------------------------------------------


def test_neither_names_nor_addresses_are_stored(creator: User, now: datetime) -> None:
    log_in("creator", PASSWORD, HOME, now=now)
    guess("creator", "192.0.2.1", now=now)

    stored = [bytes(key) for key in LoginCounter.objects.values_list("key", flat=True)]
    stored += [bytes(address) for address in KnownAddress.objects.values_list("address", flat=True)]
    assert len(stored) == 4
    assert all(len(key) == 32 for key in stored)
    for text in (b"creator", b"192.0.2.1", HOME.encode()):
        assert not any(text in key for key in stored)


def test_a_known_address_is_stored_once(creator: User, now: datetime) -> None:
    log_in("creator", PASSWORD, HOME, now=now)
    log_in("creator", PASSWORD, HOME, now=now + timedelta(days=1))

    assert KnownAddress.objects.get().last_login_at == now + timedelta(days=1)


def test_purging_deletes_expired_counters_and_old_known_addresses(creator: User, now: datetime) -> None:
    log_in("creator", PASSWORD, HOME, now=now - timedelta(days=90))
    log_in("creator", PASSWORD, "198.51.100.2", now=now - timedelta(days=89))
    guess("creator", "192.0.2.1", now=now - login_limits.WINDOW)
    guess("creator", "192.0.2.2", now=now)

    assert remove("failed_logins", now=now) == 2  # of the client and of the name
    assert remove("known_addresses", now=now) == 1

    assert KnownAddress.objects.get().last_login_at == now - timedelta(days=89)
    assert not LoginCounter.objects.filter(window_started_at__lt=now).exists()
    assert LoginCounter.objects.exists()


# --- the message ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (61, "2 minutes"), (300, "5 minutes")],
)
def test_the_refusal_says_how_long_to_wait(seconds: int, said: str) -> None:
    assert TooManyFailures(seconds).reasons == [f"too many failed logins; try again in {said}"]


def test_unknown_known_and_inactive_usernames_run_the_same_queries(
    creator: User, now: datetime, django_assert_num_queries: Any
) -> None:
    make_user("gone", is_active=False)
    for username in ("creator", "nobody", "gone"):
        with django_assert_num_queries(4):  # user, known address, counters before and after the hash
            guess(username, HOME, now=now)


def test_the_openapi_document_has_the_limits_of_the_code(api: Api) -> None:
    written = " ".join(api().get("/api/schema/").content.decode().split())

    assert (
        f"Within {login_limits.WINDOW.seconds // 60} minutes, {FAILURES_OF_CLIENT} logins may fail from one address "
        f"with one username, {FAILURES_OF_ADDRESS} from one address, and {FAILURES_OF_NAME} with one"
    ) in written
