"""POST /api/v1/notifications/device-token, DELETE /api/v1/notifications/device-token/{id}"""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import services as accounts
from accounts import tokens
from accounts.models import Session, User
from common.models import AuditEntry
from common.times import wire_time
from reminders import services
from reminders.models import DeviceToken
from reminders.services.devices import MOST_DEVICES
from tests.accounts.identity_provider import AUDIENCE, ISSUER, RSA_KEY, pem_of
from tests.accounts.identity_provider import token as provider_token
from tests.conftest import Api, session_of
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.retaining import remove
from tests.test_statements import statements

DEVICES = "/api/v1/notifications/device-token"
TOKEN = "fcm-secret:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ-hQMRKRrZuJAEcl7B338qju59zJMjw2D"
DAY = timedelta(days=1)


def registered(user: User, token: str = TOKEN, *, now: datetime | None = None, **values: Any) -> DeviceToken:
    return services.register_device(by=user, now=now or timezone.now(), **{"token": token, "platform": "ios"} | values)


def owners() -> dict[str, str]:
    return dict(DeviceToken.objects.values_list("token", "user__username"))


# --- registering ----------------------------------------------------------------------------------


def test_a_token_is_registered_and_no_answer_shows_it(api: Api, viewer: User) -> None:
    response = api(viewer).post(DEVICES, {"token": TOKEN, "platform": "android", "deviceId": "pixel-7"})

    data = data_of(response)
    device = DeviceToken.objects.get()
    assert data == {
        "id": device.pk,
        "platform": "android",
        "deviceId": "pixel-7",
        "createdAt": wire_time(device.created_at),
        "updatedAt": wire_time(device.created_at),
    }
    assert (device.token, device.user) == (TOKEN, viewer)
    assert TOKEN not in response.content.decode()
    entry = AuditEntry.objects.get(action="register_device")
    assert (entry.target_type, entry.target_id, entry.actor_id) == ("devicetoken", device.pk, viewer.pk)
    assert entry.before == {}
    assert entry.after == {
        "user_id": viewer.pk,
        "session_id": device.session_id,
        "platform": "android",
        "device_id": "pixel-7",
    }


def test_a_device_without_a_name_has_none(api: Api, viewer: User) -> None:
    assert data_of(api(viewer).post(DEVICES, {"token": TOKEN, "platform": "web"}))["deviceId"] is None


def test_registering_again_keeps_the_row_and_is_stored_once_a_day(viewer: User, now: datetime) -> None:
    first = registered(viewer, now=now)

    for after in (timedelta(seconds=1), DAY - timedelta(seconds=1)):
        assert registered(viewer, now=now + after).updated_at == now
    assert AuditEntry.objects.filter(action="register_device").count() == 1
    again = registered(viewer, now=now + DAY)

    assert (again.pk, again.created_at, again.updated_at) == (first.pk, now, now + DAY)
    assert AuditEntry.objects.filter(action="register_device").count() == 2


def test_a_new_token_of_a_device_replaces_the_one_before(viewer: User, now: datetime) -> None:
    first = registered(viewer, "old", device_id="phone", now=now)
    registered(viewer, "other", device_id="tablet", now=now)
    second = registered(viewer, "new", device_id="phone", now=now)

    assert second.pk == first.pk
    assert set(owners()) == {"new", "other"}


def test_without_a_device_id_each_token_is_a_device_of_its_own(viewer: User) -> None:
    for token in ("one", "two"):
        registered(viewer, token)
    assert set(owners()) == {"one", "two"}


def test_a_token_that_another_user_had_moves_to_the_caller(viewer: User, stranger: User, now: datetime) -> None:
    first = registered(stranger, device_id="phone", now=now)
    registered(viewer, "old", device_id="phone", now=now)

    moved = registered(viewer, device_id="phone", platform="android", now=now + DAY)

    assert moved.pk == first.pk
    assert owners() == {TOKEN: "viewer"}
    entry = AuditEntry.objects.filter(action="register_device").latest("id")
    assert (entry.before["user_id"], entry.after["user_id"]) == (stranger.pk, viewer.pk)
    assert len(entry.after["removed"]) == 1


def test_a_user_has_at_most_ten_and_the_one_registered_longest_ago_makes_room(
    viewer: User, stranger: User, now: datetime
) -> None:
    registered(stranger, "foreign", now=now)
    for number in range(MOST_DEVICES):
        registered(viewer, f"{number}", now=now + number * timedelta(seconds=1))
    registered(viewer, "0", now=now + DAY)

    registered(viewer, "next", now=now + DAY)

    mine = {token for token, owner in owners().items() if owner == "viewer"}
    assert mine == {"0", *(f"{number}" for number in range(2, MOST_DEVICES)), "next"}
    assert owners()["foreign"] == "stranger"


def test_tokens_of_ended_sessions_are_removed_first(viewer: User, now: datetime) -> None:
    ended, lasting = (str(session_of(viewer).pk) for _ in range(2))
    registered(viewer, "lasting", session_id=lasting, now=now)
    registered(viewer, "ended", session_id=ended, now=now + timedelta(seconds=1))
    accounts.revoke(ended, now=now)

    registered(viewer, "next", session_id=lasting, now=now + timedelta(seconds=2))

    assert set(owners()) == {"lasting", "next"}


LONG = {"token": "must have at most 2048 characters", "deviceId": "must have at most 128 characters"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"token": None}, "token: must not be null"),
    ({"token": ""}, "token: must not be empty"),
    ({"token": 5}, "token: must be text"),
    ({"token": "x" * 2049}, f"token: {LONG['token']}"),
    ({"token": "a b"}, "token: must be printable ASCII characters without spaces"),
    ({"token": "şifre"}, "token: must be printable ASCII characters without spaces"),
    ({"platform": None}, "platform: must not be null"),
    ({"platform": "windows"}, "platform: must be one of ios, android, web"),
    ({"platform": "IOS"}, "platform: must be one of ios, android, web"),
    ({"deviceId": "x" * 129}, f"deviceId: {LONG['deviceId']}"),
    ({"deviceId": ""}, "deviceId: must not be empty"),
    ({"deviceid": "x"}, "deviceid: unknown; did you mean deviceId?"),
]


@pytest.mark.parametrize(("change", "reason"), BAD, ids=[str(change)[:40] for change, _ in BAD])
def test_invalid_values_are_refused_by_name_and_nothing_is_stored(
    change: dict[str, Any], reason: str, api: Api, viewer: User
) -> None:
    body = {"token": TOKEN, "platform": "ios"} | change
    response = api(viewer).post(DEVICES, body)

    assert_refused(response, 400, "validation_failed", reason)
    assert TOKEN not in response.content.decode()
    assert not DeviceToken.objects.exists()


def test_the_longest_token_and_a_subscription_of_a_browser_are_accepted(api: Api, viewer: User) -> None:
    subscription = json.dumps({"endpoint": "https://push.example.com/x", "keys": {"auth": "k"}}, separators=(",", ":"))
    for token in ("x" * 2048, subscription):
        data_of(api(viewer).post(DEVICES, {"token": token, "platform": "web"}))
    assert set(owners()) == {"x" * 2048, subscription}


@pytest.mark.parametrize("missing", ["token", "platform"])
def test_token_and_platform_are_required(missing: str, api: Api, viewer: User) -> None:
    body = {"token": TOKEN, "platform": "ios"}
    del body[missing]
    assert_refused(api(viewer).post(DEVICES, body), 400, "validation_failed", f"{missing}: is required")


def test_registering_needs_a_login(api: Api) -> None:
    body = {"token": TOKEN, "platform": "ios"}
    assert_refused(api().post(DEVICES, body), 401, "authentication_required")


# --- removing -------------------------------------------------------------------------------------


def test_a_user_removes_a_device(api: Api, viewer: User) -> None:
    client = api(viewer)
    made = data_of(client.post(DEVICES, {"token": TOKEN, "platform": "ios"}))

    assert data_of(client.delete(f"{DEVICES}/{made['id']}")) == made
    assert not DeviceToken.objects.exists()
    entry = AuditEntry.objects.get(action="remove_device")
    assert (entry.before["platform"], entry.after) == ("ios", {})
    assert_refused(client.delete(f"{DEVICES}/{made['id']}"), 404, "device_token_not_found")


def test_the_device_of_another_user_cannot_be_removed(api: Api, viewer: User, stranger: User) -> None:
    device = registered(viewer)
    assert_refused(api(stranger).delete(f"{DEVICES}/{device.pk}"), 404, "device_token_not_found")
    assert_refused(api().delete(f"{DEVICES}/{device.pk}"), 401, "authentication_required")
    assert DeviceToken.objects.exists()


# --- when a token holds ---------------------------------------------------------------------------


def holding(now: datetime) -> list[str]:
    return list(DeviceToken.objects.holding(now).values_list("token", flat=True).order_by("token"))


def test_a_token_ends_with_the_session_that_registered_it(api: Api, viewer: User) -> None:
    here, there = session_of(viewer), session_of(viewer)
    for session in (here, there):
        client, now = api(), timezone.now()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.AccessToken.of(session, now=now)}")
        data_of(client.post(DEVICES, {"token": session.pk, "platform": "ios"}))
    assert holding(timezone.now()) == sorted([here.pk, there.pk])

    accounts.revoke(here.pk, now=timezone.now())
    assert holding(timezone.now()) == [there.pk]

    accounts.log_out(viewer, now=timezone.now())
    assert holding(timezone.now()) == []


def test_a_token_ends_when_its_session_expires(viewer: User, now: datetime) -> None:
    session = session_of(viewer)
    registered(viewer, session_id=session.pk)

    assert holding(session.expires_at - timedelta(seconds=1)) == [TOKEN]
    assert holding(session.expires_at) == []


def test_a_token_without_a_session_holds_until_the_next_logout(viewer: User, now: datetime) -> None:
    User.objects.filter(pk=viewer.pk).update(identity_issuer="https://id.example.com", identity_subject="x")
    viewer.refresh_from_db()
    registered(viewer, now=now)
    assert holding(now) == [TOKEN]

    accounts.log_out(viewer, now=now + timedelta(seconds=1))
    assert holding(now + DAY) == []

    registered(viewer, now=now + timedelta(seconds=2))
    assert holding(now + DAY) == [TOKEN]


def test_a_token_of_the_identity_provider_names_no_session_of_ours(api: Api, db: None, settings: Any) -> None:
    settings.IDENTITY_ISSUER, settings.IDENTITY_AUDIENCE = ISSUER, AUDIENCE
    settings.IDENTITY_PUBLIC_KEY = pem_of(RSA_KEY)
    tokens.signed_claims.cache_clear()
    client = api()
    # Providers use the claim for sessions of their own.
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {provider_token(sid='0' * 24)}")

    data_of(client.post(DEVICES, {"token": TOKEN, "platform": "ios"}))

    assert DeviceToken.objects.get().session is None
    assert holding(timezone.now()) == [TOKEN]
    data_of(client.post("/api/v1/auth/logout"))
    assert holding(timezone.now()) == []


def test_the_session_of_a_purged_token_takes_it_along(viewer: User, now: datetime, settings: Any) -> None:
    session = session_of(viewer)
    registered(viewer, session_id=session.pk)
    registered(viewer, "other")
    accounts.revoke(session.pk, now=now - settings.SESSION_RETENTION - DAY)

    assert remove("sessions", now=now) == 1

    assert not Session.objects.exists()
    assert set(owners()) == {"other"}


# --- secrecy and races ----------------------------------------------------------------------------


def test_no_text_about_a_device_shows_its_token(viewer: User) -> None:
    device = registered(viewer)

    assert TOKEN not in f"{device} {device!r}"
    entries = AuditEntry.objects.values_list("before", "after", "reason", "actor_name")
    assert TOKEN not in json.dumps(list(entries))


@pytest.mark.django_db(transaction=True)
def test_of_two_users_with_one_new_token_the_last_one_has_it(viewer: User, stranger: User) -> None:
    users = [viewer, stranger] * 4

    rows = at_once(len(users), lambda number: registered(users[number], device_id="phone").pk)

    assert len(set(rows)) == 1
    assert len(owners()) == 1


@pytest.mark.django_db(transaction=True)
def test_two_users_who_exchange_their_devices_do_not_deadlock(viewer: User, stranger: User) -> None:
    for _ in range(5):
        registered(viewer, "first", device_id="a")
        registered(stranger, "second", device_id="b")

        def exchange(number: int) -> str:
            if number:
                return registered(viewer, "second", device_id="a").pk
            return registered(stranger, "first", device_id="b").pk

        at_once(2, exchange)

        assert owners() == {"first": "stranger", "second": "viewer"}


def test_the_number_of_statements_is_the_same_for_one_device_as_for_ten(viewer: User, now: datetime, api: Api) -> None:
    client = api(viewer)
    counts = []
    for number in range(MOST_DEVICES):
        body = {"token": f"{number}", "platform": "ios"}
        counts.append(len(statements(lambda body=body: data_of(client.post(DEVICES, body)))))  # type: ignore[misc]
    assert set(counts) == {6}
