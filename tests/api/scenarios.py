"""Scenarios that lead an operation to each documented code."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import quote

import jwt
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.urls import resolve
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from accounts import hashing, services, tokens
from accounts.login_limits import FAILURES_OF_CLIENT
from accounts.models import RefreshedPair
from bans.services import lift_ban
from common import idempotency, pagination
from common.fields import new_object_id
from common.rate_limits.policies import NAMES, Limits, Policy
from livestreams.models import LiveStream, Status
from livestreams.services import delete_stream, edit_stream
from tests import servers
from tests.api.at_the_server import large_headers, long_address, no_free_thread, slow_body
from tests.api.of_pictures import (
    while_others_decode_pictures,
    while_the_disk_is_full,
    while_the_folder_cannot_be_written,
)
from tests.api.of_viewers import as_the_creator, before_the_end
from tests.api.operations import UNCHANGED, Operation, World
from tests.bans.people import lapsed_ban, make_ban, permitted
from tests.conftest import make_user
from tests.envelope import data_of
from tests.servers import free_port
from tests.streams import make_stream

type Scenario = Callable[[World, Operation, pytest.MonkeyPatch], Any]


def too_deep(world: World, operation: Operation, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As if there were more rows than pages reach; test_list_plans.py has a hundred thousand."""
    monkeypatch.setattr(pagination.Listing, "_count", lambda *_, **__: pagination.DEEPEST + 1)
    path = world.path(operation)
    return world.call(operation, path=f"{path}{'&' if '?' in path else '?'}limit=100&page=1001")


def invalid(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    if operation.variables:
        # No id, and longer than any name.
        return world.call(operation, path=world.path(operation, **dict.fromkeys(operation.variables, "UPPER" * 40)))
    if operation.query or not operation.has_body:
        return world.call(operation, path=f"{operation.path}?limit=101")
    return world.call(operation, body={})


def broken_json(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, raw=b'{"title": ')


def without_token(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, authorization="")


def garbage_as_token(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, authorization="Bearer garbage")


def token_of_yesterday(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    token = tokens.AccessToken.of(world.session(), now=timezone.now() - timedelta(days=1))
    return world.call(operation, authorization=f"Bearer {token}")


def token_after_logout(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    token = tokens.AccessToken.of(world.session(), now=timezone.now())
    services.log_out(world.caller, now=timezone.now())
    return world.call(operation, authorization=f"Bearer {token}")


def wrong_password(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, body={"username": world.creator.username, "password": "guess"})


def eleventh_wrong_password(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    for _attempt in range(FAILURES_OF_CLIENT):
        wrong_password(world, operation, patch)
    return world.call(operation)


def above_the_limit(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    # The caller of some operations is a service account, which has no limits.
    patch.setattr(django_settings, "UNLIMITED_PERMISSION", "no.such")
    patch.setattr(django_settings, "RATE_LIMITS", Limits(Policy(name, 1, 60) for name in NAMES))
    world.call(operation)
    return world.call(operation)


def while_no_slot_is_free(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(django_settings, "PASSWORD_HASHING_QUEUE", 0)
    with hashing.slots.one():
        return world.call(operation)


def access_token_as_refresh_token(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    access = tokens.AccessToken.of(world.session(), now=timezone.now())
    return world.call(operation, body={"refreshToken": str(access)})


def refresh_token_again(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    body = {"refreshToken": world.refresh_token()}
    data_of(world.call(operation, body=body))
    RefreshedPair.objects.all().delete()  # as a minute later
    return world.call(operation, body=body)


def while_another_refresh_holds_the_lock(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    def waited_in_vain(*_: Any, **__: Any) -> None:
        raise OperationalError from LockNotAvailable()

    body = {"refreshToken": world.refresh_token()}
    patch.setattr("accounts.services.sessions._refresh", waited_in_vain)
    return world.call(operation, body=body)


def as_a_stranger(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    if str(operation) == "restoreLiveStreamByIdV1":
        on(world, make_stream(world.creator))  # of a deleted one a stranger learns nothing
    return world.call(operation, by=world.stranger)


def banned(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    if str(operation) in {"acceptLiveStreamByIdGuestV1", "joinLiveStreamAsGuestV1"}:
        return as_a_guest_who_was_banned_before(world, operation)
    stream = world.stream
    stream.refresh_from_db()
    if stream.status == Status.ENDED:  # nobody can be banned from it
        stream = make_stream(world.creator)
        on(world, stream)
    make_ban(world.viewer, stream)
    return world.call(operation, by=world.viewer)


def as_a_guest_who_was_banned_before(world: World, operation: Operation) -> Any:
    """A guest cannot be banned, but a banned user can be made guest."""
    stream = make_stream(world.creator, guest=world.caller)
    make_ban(world.viewer, stream)
    edit_stream(stream.pk, by=world.creator, now=timezone.now(), changes={"guest": world.viewer.pk})
    on(world, stream)
    return world.call(operation, by=world.viewer)


def with_unknown(*names: str) -> Scenario:
    def scenario(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
        world.ids |= dict.fromkeys(names, new_object_id())
        world.ids["channelName"] = "talk-of-nobody-x7k2"
        return world.call(operation)

    return scenario


def id_with_a_slash(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    slashed = dict.fromkeys(operation.variables, quote("a/b", safe=""))
    return world.call(operation, path=world.path(operation, **slashed))


def on(world: World, stream: LiveStream) -> None:
    world.ids |= {"id": stream.pk, "liveStreamId": stream.pk}


def on_a_stream_that_is(status: Status) -> Scenario:
    def scenario(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
        on(world, make_stream(world.creator, status))
        return world.call(operation)

    return scenario


def of_the_caller_as_guest(status: Status, answer: str = "invited") -> Scenario:
    def scenario(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
        on(world, make_stream(world.creator, status, guest=world.caller, answer=answer))
        return world.call(operation)

    return scenario


def not_active(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    if str(operation) == "joinLiveStreamAsGuestV1":
        return of_the_caller_as_guest(Status.SCHEDULED)(world, operation, patch)
    return on_a_stream_that_is(Status.SCHEDULED)(world, operation, patch)


def deleted_by_a_moderator(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    stream = make_stream(world.creator)
    delete_stream(stream.pk, by=permitted("moderator", "moderate"), now=timezone.now())
    on(world, stream)
    return world.call(operation)


def for_a_moment_that_has_passed(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, body={"minute": 61})


def twice(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    assert world.call(operation).status_code < 300
    return world.call(operation)


def once_it_is_lifted(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    lift_ban(world.ids["id"], by=world.creator, now=timezone.now())
    return world.call(operation)


def once_it_has_lapsed(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["id"] = lapsed_ban(world.viewer, make_stream(world.creator)).pk
    return world.call(operation)


def without_an_appeal(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["id"] = make_ban(world.viewer, make_stream(world.creator)).pk
    return world.call(operation)


def banning_oneself(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["targetUserId"] = world.creator.pk
    return world.call(operation)


def a_moderator_banning_the_creator(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["targetUserId"] = world.creator.pk
    return world.call(operation, by=permitted("moderator", "moderate"))


def banning_the_guest(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    on(world, make_stream(world.creator, guest=world.viewer))
    return world.call(operation)


def banning_staff(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["targetUserId"] = make_user("clerk", is_staff=True).pk
    return world.call(operation)


def while_another_is_active(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    make_stream(world.creator, Status.ACTIVE)
    return world.call(operation)


def ten_megabytes(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, raw=b'"' + b"x" * 10_000_000 + b'"')


def text(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, raw=b"title=Evening", content_type="text/plain")


def crash(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    view: Any = resolve(world.path(operation).partition("?")[0]).func

    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError("SELECT secret FROM shelf")

    patch.setattr(view.cls, view.actions[operation.method.lower()], fail)
    return world.call(operation)


def lost_database(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    """PostgreSQL closes the connection of this process between two requests, as a restart does."""
    token = tokens.AccessToken.of(world.session(), now=timezone.now())
    body = world.body(operation)

    def call() -> Any:
        authorization = f"Bearer {token}" if operation.takes_token else ""
        return world.call(operation, body=body, authorization=authorization)

    with servers.lost_database():
        refused = call()
    assert call().status_code < 300, "the next request connects anew"
    return refused


def lost_identity_provider(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    issuer = f"http://127.0.0.1:{free_port()}"
    patch.setattr(django_settings, "IDENTITY_ISSUER", issuer)
    patch.setattr(django_settings, "IDENTITY_JWKS_URL", f"{issuer}/jwks")
    token = jwt.encode({"iss": issuer, "sub": "ada"}, "k" * 32, headers={"kid": "first"})
    return world.call(operation, authorization=f"Bearer {token}")


def while_the_first_is_running(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    """As if another connection held the lock; tests/server/test_repeats.py has two servers."""
    patch.setattr(idempotency.RUNNING, "try_take", lambda *_: False)
    return world.call(operation, HTTP_IDEMPOTENCY_KEY="one")


def key_of_another_body(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.call(operation, raw=b"{}", HTTP_IDEMPOTENCY_KEY="one")
    return world.call(operation, raw=None if operation.has_body else b"{ }", HTTP_IDEMPOTENCY_KEY="one")


def read_before_a_change(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, HTTP_IF_MATCH='"0123456789abcdef"')


def unchanged(world: World, operation: Operation, _: Any) -> Any:
    return world.call(operation, unless=world.call(operation).headers["ETag"])


SCENARIOS: dict[str, Scenario] = {
    "": lambda world, operation, _: world.call(operation),
    "already_appealed": twice,
    "already_banned": twice,
    "already_live": while_another_is_active,
    "already_reported": twice,
    "appeal_already_decided": twice,
    "appeal_not_found": without_an_appeal,
    "authentication_required": without_token,
    "ban_already_lifted": once_it_is_lifted,
    "ban_does_not_hold": once_it_has_lapsed,
    "ban_lapsed": once_it_has_lapsed,
    "ban_not_found": with_unknown("id"),
    "banned": banned,
    "batch_already_undone": twice,
    "batch_not_found": with_unknown("batchId"),
    "calendar_address_not_found": twice,
    "cannot_ban_creator": a_moderator_banning_the_creator,
    "cannot_ban_guest": banning_the_guest,
    "cannot_ban_oneself": banning_oneself,
    "cannot_ban_staff": banning_staff,
    "cannot_report_own_stream": as_the_creator,
    "deleted_by_others": deleted_by_a_moderator,
    "device_token_not_found": with_unknown("id"),
    "feedback_already_given": twice,
    "guest_answer_too_late": of_the_caller_as_guest(Status.ENDED),
    "guest_has_declined": of_the_caller_as_guest(Status.SCHEDULED, "declined"),
    "headers_too_large": large_headers,
    "idempotency_key_in_use": while_the_first_is_running,
    "idempotency_key_reused": key_of_another_body,
    "identity_provider_unavailable": lost_identity_provider,
    "internal_error": crash,
    "login_busy": while_no_slot_is_free,
    "malformed_request": broken_json,
    "moment_passed": for_a_moment_that_has_passed,
    "not_a_service_account": as_a_stranger,
    "not_member_or_moderator": as_a_stranger,
    "not_concerned_by_ban": as_a_stranger,
    "not_creator_or_moderator": as_a_stranger,
    "not_found": id_with_a_slash,
    "not_joined": as_a_stranger,
    "not_the_banned_person": as_a_stranger,
    "not_watched": as_a_stranger,
    "not_the_creator": as_a_stranger,
    "not_the_creator_or_guest": as_a_stranger,
    "not_the_guest": as_a_stranger,
    "notification_not_found": with_unknown("id"),
    "payload_too_large": ten_megabytes,
    "picture_slots_full": while_others_decode_pictures,
    "precondition_failed": read_before_a_change,
    "refresh_in_progress": while_another_refresh_holds_the_lock,
    "refresh_token_invalid": access_token_as_refresh_token,
    "page_too_deep": too_deep,
    "refresh_token_reused": refresh_token_again,
    "reminder_not_found": on_a_stream_that_is(Status.SCHEDULED),
    "request_timeout": slow_body,
    "server_busy": no_free_thread,
    "service_unavailable": lost_database,
    "session_ended": token_after_logout,
    "storage_full": while_the_disk_is_full,
    "storage_unavailable": while_the_folder_cannot_be_written,
    "stream_is_over": on_a_stream_that_is(Status.ENDED),
    "stream_not_active": not_active,
    "stream_not_awaited": on_a_stream_that_is(Status.ENDED),
    "stream_not_cancellable": on_a_stream_that_is(Status.ACTIVE),
    "stream_not_deletable": on_a_stream_that_is(Status.ACTIVE),
    "stream_not_deleted": on_a_stream_that_is(Status.SCHEDULED),
    "stream_not_editable": on_a_stream_that_is(Status.CANCELLED_BY_HOST),
    "stream_not_endable": on_a_stream_that_is(Status.SCHEDULED),
    "stream_not_ended": before_the_end,
    "stream_not_found": with_unknown("id", "liveStreamId", "streamId"),
    "stream_not_startable": on_a_stream_that_is(Status.ENDED),
    "stream_without_plan": on_a_stream_that_is(Status.PREPARING),
    "token_expired": token_of_yesterday,
    "token_invalid": garbage_as_token,
    "rate_limited": above_the_limit,
    "too_many_failed_logins": eleventh_wrong_password,
    "unsupported_media_type": text,
    UNCHANGED: unchanged,
    "uri_too_long": long_address,
    "user_not_found": with_unknown("userId", "targetUserId", "username"),
    "validation_failed": invalid,
    "wrong_credentials": wrong_password,
}
