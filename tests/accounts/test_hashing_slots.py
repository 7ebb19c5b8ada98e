"""Password hashes run in a limited number of slots: without a free slot or place in the queue, a login is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from accounts import hashing, services
from accounts.hashing import HashingSlots, LoginBusy
from accounts.models import LoginCounter, Session, User
from tests.admin.pages import text_of
from tests.conftest import PASSWORD, Api, make_user
from tests.envelope import assert_refused
from tests.patience import PATIENCE
from tests.races import at_once

BUSY = "too many people are logging in at this moment; try again in a second"
NEW = "a quite different horse"


def api_login(username: str, password: str) -> Callable[[Api], Any]:
    return lambda api: api().post("/api/v1/auth/login", {"username": username, "password": password})


def admin_login(api: Api) -> Any:
    return Client().post("/admin/login/", {"username": "boss", "password": PASSWORD})


def password_form(api: Api) -> Any:
    client = Client()
    client.force_login(User.objects.get(username="boss"))
    return client.post(
        "/admin/password_change/", {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    )


# All operations over HTTP that compute a hash.
HASHING = {
    "login with the right password": api_login("boss", PASSWORD),
    "login with a wrong password": api_login("boss", "guess"),
    "login with an unknown name": api_login("nobody", "guess"),
    "login of an inactive user": api_login("gone", PASSWORD),
    "login of a user of the identity provider": api_login("ada", "guess"),
    "login to the admin": admin_login,
    "change of one's own password": password_form,
}


@pytest.fixture
def people(db: None) -> None:
    make_user("boss", is_staff=True)
    make_user("gone", is_active=False)
    User.objects.create_user("ada", None)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each hash that ran, the number of slots that were taken meanwhile."""
    encode, taken = MD5PasswordHasher.encode, []

    def watched(self: MD5PasswordHasher, password: str, salt: str) -> str:
        taken.append(hashing.slots._running)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", watched)
    return taken


@pytest.mark.parametrize("call", HASHING.values(), ids=HASHING.keys())
def test_each_hash_runs_in_a_slot(call: Callable[[Api], Any], people: None, api: Api, hashed: list[int]) -> None:
    call(api)

    assert hashed
    assert set(hashed) == {1}
    assert hashing.slots._running == 0


@pytest.mark.parametrize("call", HASHING.values(), ids=HASHING.keys())
def test_without_a_free_slot_nothing_is_hashed_counted_or_changed(
    call: Callable[[Api], Any], people: None, api: Api, hashed: list[int], settings: Any
) -> None:
    settings.PASSWORD_HASHING_QUEUE = 0
    before = User.objects.get(username="boss").password

    with hashing.slots.one():
        answer = call(api)

    assert hashed == []
    assert not LoginCounter.objects.exists()
    assert not Session.objects.exists()
    assert User.objects.get(username="boss").password == before
    if answer.headers["Content-Type"].startswith("application/json"):
        assert_refused(answer, 503, "login_busy", BUSY)
        assert answer.headers["Retry-After"] == "1"
    else:
        assert answer.status_code == 200
        assert BUSY in text_of(answer)


def test_a_client_over_its_limit_takes_no_slot(people: None, api: Api, settings: Any) -> None:
    settings.PASSWORD_HASHING_QUEUE = 0
    for _ in range(10):
        api_login("boss", "guess")(api)

    with hashing.slots.one():
        assert_refused(api_login("boss", PASSWORD)(api), 429, "too_many_failed_logins")


def test_hashes_run_up_to_the_slots_wait_up_to_the_queue_and_the_rest_is_refused(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "LONGEST_WAIT", 20.0)
    settings.PASSWORD_HASHING_SLOTS, settings.PASSWORD_HASHING_QUEUE = 2, 3
    slots, open_up = HashingSlots(), Event()
    running: list[int] = []
    refused: list[int] = []

    def hash_something(number: int) -> bool:
        try:
            with slots.one():
                running.append(slots._running)
                open_up.wait(PATIENCE)
        except LoginBusy:
            refused.append(number)
            if len(refused) == 7:
                open_up.set()
            return False
        return True

    done = at_once(12, hash_something)

    assert (done.count(True), done.count(False)) == (5, 7)
    assert max(running) == 2
    assert (slots._running, slots._waiting) == (0, 0)


def test_a_wait_for_a_slot_ends_after_two_seconds(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hashing.LONGEST_WAIT == 2.0
    monkeypatch.setattr(hashing, "LONGEST_WAIT", 0.05)
    slots = HashingSlots()

    def try_one() -> None:
        with slots.one():
            raise AssertionError("the slot was taken")

    with slots.one(), ThreadPoolExecutor(1) as pool, pytest.raises(LoginBusy):
        pool.submit(try_one).result(PATIENCE)
    assert (slots._running, slots._waiting) == (0, 0)


def test_a_slot_is_free_again_after_a_crash(creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(User, "check_password", crash)
        with pytest.raises(ZeroDivisionError):
            services.check_credentials("creator", PASSWORD, now=now)

    assert services.check_credentials("creator", PASSWORD, now=now) == creator
