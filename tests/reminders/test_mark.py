"""PATCH /api/v1/notifications/{id}/read, and the same under /api/v2"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from common.models import AuditEntry
from reminders import services
from reminders.models import Notification
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import NOTIFICATIONS, notified_of_start, read_url
from tests.streams import make_stream

MISSING = (404, "notification_not_found", "you have no notification with this id")
NO_BOOLEAN = "isRead: must be true or false"


@pytest.fixture
def notice(creator: User, viewer: User, now: datetime) -> Notification:
    return notified_of_start(viewer, make_stream(creator, now=now), now - timedelta(minutes=1))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_notification_is_marked_as_read_and_as_unread(
    version: str, api: Api, notice: Notification, viewer: User
) -> None:
    client = api(viewer)
    (unread,) = data_of(client.get(NOTIFICATIONS))["list"]

    read = data_of(client.patch(read_url(notice, version), {"isRead": True}))

    assert read == unread | {"read": True, "updatedAt": read["updatedAt"]}
    assert list(read) == list(unread)
    assert read["updatedAt"] > read["createdAt"]
    assert data_of(client.get(NOTIFICATIONS))["list"] == [read]
    assert data_of(client.patch(read_url(notice, version), {"isRead": False})) == unread


def test_marking_twice_changes_nothing(api: Api, notice: Notification, viewer: User, now: datetime) -> None:
    services.mark_notification(notice.pk, by=viewer, now=now - timedelta(seconds=30), read=True)
    client, entries = api(viewer), AuditEntry.objects.count()
    (before,) = data_of(client.get(NOTIFICATIONS))["list"]

    assert data_of(client.patch(read_url(notice), {"isRead": True})) == before
    assert AuditEntry.objects.count() == entries


def test_each_change_writes_one_audit_row(api: Api, notice: Notification, viewer: User) -> None:
    client = api(viewer)
    for wanted in (True, True, False, False):
        data_of(client.patch(read_url(notice), {"isRead": wanted}))

    rows = list(AuditEntry.objects.filter(action="mark_notification").order_by("id"))
    assert [(bool(row.before["read_at"]), bool(row.after["read_at"])) for row in rows] == [
        (False, True),
        (True, False),
    ]
    assert {(row.target_id, row.actor_id) for row in rows} == {(notice.pk, viewer.pk)}


def test_the_answer_is_in_the_language_of_the_call(api: Api, notice: Notification, viewer: User) -> None:
    data = data_of(api(viewer).patch(read_url(notice), {"isRead": True}, HTTP_X_LANGUAGE="tr"))

    assert (data["title"], data["message"]) == ("Şimdi canlı", "“Evening talk” başladı.")


BAD: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "isRead: is required"),
    "null": ({"isRead": None}, "isRead: must not be null"),
    "a word": ({"isRead": "yes"}, NO_BOOLEAN),
    "true as a word": ({"isRead": "true"}, NO_BOOLEAN),
    "one": ({"isRead": 1}, NO_BOOLEAN),
    "zero": ({"isRead": 0}, NO_BOOLEAN),
    "a list": ({"isRead": [True]}, NO_BOOLEAN),
    "another name": ({"read": True}, "read: unknown; did you mean isRead?"),
}


@pytest.mark.parametrize(("body", "reason"), BAD.values(), ids=BAD.keys())
def test_an_invalid_body_is_refused_and_changes_nothing(
    body: Any, reason: str, api: Api, notice: Notification, viewer: User
) -> None:
    assert_refused(api(viewer).patch(read_url(notice), body), 400, "validation_failed", reason)
    assert Notification.objects.get().read_at is None


def test_an_empty_body_is_refused(api: Api, notice: Notification, viewer: User) -> None:
    client: Any = api(viewer)
    refused = client.generic("PATCH", read_url(notice), b"", "application/json")
    assert_refused(refused, 400, "validation_failed", "isRead: is required")


def test_a_notification_of_another_user_is_missing_and_stays_unread(
    api: Api, notice: Notification, stranger: User
) -> None:
    assert_refused(api(stranger).patch(read_url(notice), {"isRead": True}), *MISSING)
    assert Notification.objects.get().read_at is None


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_unknown_id_is_missing_and_a_malformed_id_is_refused(version: str, api: Api, viewer: User) -> None:
    client = api(viewer)
    unknown = client.patch(f"/api/{version}/notifications/{'0' * 24}/read", {"isRead": True})
    assert_refused(unknown, *MISSING)
    malformed = client.patch(f"/api/{version}/notifications/x/read", {"isRead": True})
    assert_refused(malformed, 400, "validation_failed", "id: must be 24 lower-case hexadecimal characters")


def test_marking_needs_a_login(api: Api, notice: Notification) -> None:
    assert_refused(api().patch(read_url(notice), {"isRead": True}), 401, "authentication_required")
