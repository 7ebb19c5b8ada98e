"""GET and PATCH /api/v1/notifications/channels"""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from reminders import services
from reminders.models import MutedChannel
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once

CHANNELS = "/api/v1/notifications/channels"


@pytest.fixture(autouse=True)
def _all_channels(settings: Any) -> None:
    settings.NOTIFICATION_CHANNELS = dict(settings.KNOWN_CHANNELS)


def test_all_channels_are_on_by_default(api: Api, viewer: User) -> None:
    assert data_of(api(viewer).get(CHANNELS)) == {"inbox": True, "webhook": True, "email": True}


def test_only_configured_channels_are_listed(api: Api, viewer: User, settings: Any) -> None:
    settings.NOTIFICATION_CHANNELS = {}
    MutedChannel.objects.create(user=viewer, channel="email")
    assert data_of(api(viewer).get(CHANNELS)) == {"inbox": True}


def test_a_channel_is_switched_off_and_on(api: Api, viewer: User, stranger: User) -> None:
    client = api(viewer)
    assert data_of(client.patch(CHANNELS, {"email": False})) == {"inbox": True, "webhook": True, "email": False}
    assert data_of(client.get(CHANNELS))["email"] is False
    assert data_of(api(stranger).get(CHANNELS))["email"] is True
    assert data_of(client.patch(CHANNELS, {"email": True, "webhook": False, "inbox": True})) == {
        "inbox": True,
        "webhook": False,
        "email": True,
    }
    entries = AuditEntry.objects.filter(action="choose_channels", target_id=viewer.pk, actor_id=viewer.pk)
    assert [(entry.before, entry.after) for entry in entries.order_by("id")] == [
        ({"email": True}, {"email": False}),
        ({"webhook": True}, {"webhook": False}),
        ({"email": False}, {"email": True}),
    ]


def test_a_call_that_changes_nothing_writes_no_audit_row(api: Api, viewer: User) -> None:
    client = api(viewer)
    for body in ({"email": True}, {"inbox": True}):
        data_of(client.patch(CHANNELS, body))
    assert not AuditEntry.objects.filter(action="choose_channels").exists()


BAD = {
    "inbox: cannot be switched off": {"inbox": False, "email": False},
    "email: must be true or false": {"email": "no"},
    "webhook: must not be null": {"webhook": None, "email": False},
    "body: must be a JSON object": [],
    "body: must have at least one of inbox, webhook, email": {},
}


@pytest.mark.parametrize(("rule", "body"), BAD.items(), ids=BAD)
def test_an_invalid_body_is_refused_and_changes_nothing(rule: str, body: Any, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).patch(CHANNELS, body), 400, "validation_failed", rule)
    assert not MutedChannel.objects.exists()


def test_a_channel_that_is_not_configured_is_refused(api: Api, viewer: User, settings: Any) -> None:
    settings.NOTIFICATION_CHANNELS = {"webhook": settings.KNOWN_CHANNELS["webhook"]}
    rule = "email: is no channel of this service"
    assert_refused(api(viewer).patch(CHANNELS, {"webhook": False, "email": False}), 400, "validation_failed", rule)
    assert not MutedChannel.objects.exists()


@pytest.mark.parametrize("method", ["get", "patch"])
def test_channels_need_a_login(method: str, api: Api) -> None:
    assert_refused(getattr(api(), method)(CHANNELS), 401, "authentication_required")


@pytest.mark.django_db(transaction=True)
def test_ten_concurrent_calls_switch_it_off_once() -> None:
    viewer, now = make_user("viewer"), timezone.now()

    def switch(_: int) -> bool:
        return services.choose_channels(by=viewer, now=now, wanted={"email": False})["email"]

    assert Counter(at_once(10, switch)) == {False: 10}
    assert AuditEntry.objects.filter(action="choose_channels").count() == 1


def test_the_audit_row_has_the_time_of_the_call(viewer: User, now: datetime) -> None:
    services.choose_channels(by=viewer, now=now, wanted={"email": False})
    assert AuditEntry.objects.get(action="choose_channels").at == now
