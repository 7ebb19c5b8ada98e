"""Idempotency-Key: every changing operation, what is stored, and for how long."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.utils import timezone

from accounts.models import User
from bans.models import LiveStreamBan
from common import idempotency
from common.models import AuditEntry, StoredAnswer
from livestreams.models import LiveStream
from livestreams.services import cancel_stream
from tests.api.operations import Operation, World, operations
from tests.bans.people import BANS
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.hostile_forms import BOUNDARY, form_with
from tests.hostile_pictures import small_png
from tests.streams import STREAMS, make_stream, stream_url
from tests.test_statements import statements

CREATE = f"{STREAMS}/create"
RULE = "Idempotency-Key: must have 1 to 255 visible ASCII characters"
CHANGING = [operation for operation in operations() if operation.method != "GET"]
# Their answers are secret or end the caller's session.
WITHOUT_KEY = {"loginAuthV1", "refreshAuthV1", "revokeAuthTokenV1", "logoutAuthV1", "createLiveStreamMyCalendarV1"}


def headers_of(response: Any) -> dict[str, str]:
    """Without the headers that belong to a request and not to its answer."""
    of_request = {"X-Request-ID", "Vary", "RateLimit", "RateLimit-Policy"}
    return {name: value for name, value in response.headers.items() if name not in of_request}


def keyed(client: Any, method: str, path: str, body: Any = None, *, key: str = "one", **more: str) -> Any:
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = more.pop("content_type", "application/json")
    return client.generic(method, path, raw, kind, HTTP_IDEMPOTENCY_KEY=key, **more)


# --- every operation ------------------------------------------------------------------------------


def test_every_changing_operation_takes_a_key_apart_from_those_of_sessions() -> None:
    assert {str(operation) for operation in CHANGING if not operation.takes_key} == WITHOUT_KEY


@pytest.mark.parametrize("operation", [one for one in CHANGING if one.takes_key], ids=str)
def test_a_repeat_gets_the_stored_answer_and_changes_nothing(operation: Operation, world: World) -> None:
    first = world.call(operation, HTTP_IDEMPOTENCY_KEY="k1")
    assert first.status_code < 300
    written = list(AuditEntry.objects.exclude(action="log_in").values_list("id", flat=True))

    repeated = world.call(operation, HTTP_IDEMPOTENCY_KEY="k1")

    assert (repeated.status_code, repeated.content) == (first.status_code, first.content)
    assert headers_of(repeated) == headers_of(first) | {"Idempotent-Replayed": "true"}
    assert list(AuditEntry.objects.exclude(action="log_in").values_list("id", flat=True)) == written
    # A query is refused or unknown to every operation, so only the path is compared before.
    other = world.call(operation, raw=b' {"a": 1}', HTTP_IDEMPOTENCY_KEY="k1")
    if operation.has_body:
        assert_refused(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize("operation", [one for one in CHANGING if one.takes_key], ids=str)
@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\u00e9", "a\tb"])
def test_every_operation_refuses_a_malformed_key(key: str, operation: Operation, world: World) -> None:
    assert_refused(world.call(operation, HTTP_IDEMPOTENCY_KEY=key), 400, "validation_failed", RULE)
    assert not StoredAnswer.objects.exists()


@pytest.mark.parametrize("operation", [one for one in CHANGING if not one.takes_key], ids=str)
def test_operations_of_sessions_ignore_the_key(operation: Operation, world: World) -> None:
    response = world.call(operation, HTTP_IDEMPOTENCY_KEY="a b")

    assert response.status_code in {200, 201}
    assert not StoredAnswer.objects.exists()


@pytest.mark.parametrize("operation", [one for one in operations() if one.method == "GET"], ids=str)
def test_reads_ignore_the_key(operation: Operation, world: World) -> None:
    assert world.call(operation, HTTP_IDEMPOTENCY_KEY="a b").status_code == 200
    assert not StoredAnswer.objects.exists()


# --- the key --------------------------------------------------------------------------------------


def test_a_key_may_have_255_characters_of_any_kind_but_spaces(api: Api, creator: User) -> None:
    for key in ("!", "~" * 255, '"7f9c,24e8"'):
        assert keyed(api(creator), "POST", CREATE, {"title": "Talk"}, key=key).status_code == 201


def test_another_path_method_or_query_with_the_key_is_refused(api: Api, creator: User) -> None:
    client, one, two = api(creator), make_stream(creator), make_stream(creator)
    data_of(keyed(client, "POST", stream_url(one, "start")))

    for method, path in (
        ("POST", stream_url(two, "start")),
        ("POST", stream_url(one, "end")),
        ("DELETE", stream_url(one)),
    ):
        assert_refused(keyed(client, method, path), 422, "idempotency_key_reused")
    assert data_of(client.get(stream_url(one)))["status"] == "active"


def test_the_key_belongs_to_its_caller(api: Api, creator: User, stranger: User) -> None:
    mine = data_of(keyed(api(creator), "POST", CREATE, {"title": "Talk"}), 201)

    theirs = keyed(api(stranger), "POST", CREATE, {"title": "Talk"})

    assert "Idempotent-Replayed" not in theirs.headers
    assert data_of(theirs, 201)["creator"]["_id"] == stranger.pk
    assert mine["creator"]["_id"] == creator.pk


def test_another_session_of_the_caller_gets_the_stored_answer(api: Api, creator: User) -> None:
    answers = [keyed(api(creator), "POST", CREATE, {"title": "Talk"}) for _ in range(3)]

    assert len({answer.content for answer in answers}) == 1
    assert LiveStream.objects.count() == 1


def test_without_a_token_the_key_is_no_way_in(api: Api, creator: User) -> None:
    keyed(api(creator), "POST", CREATE, {"title": "Talk"})

    assert_refused(keyed(api(), "POST", CREATE, {"title": "Talk"}), 401, "authentication_required")


def test_a_form_is_the_same_with_another_boundary(api: Api, creator: User) -> None:
    client, first = api(creator), form_with(small_png())
    second = first.replace(f"--{BOUNDARY}".encode(), b"--elsewhere")
    created = keyed(client, "POST", CREATE, first, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    assert created.status_code == 201

    repeated = keyed(client, "POST", CREATE, second, content_type="multipart/form-data; boundary=elsewhere")

    assert repeated.content == created.content
    assert LiveStream.objects.count() == 1


def test_a_repeated_bulk_ban_has_the_same_batch(api: Api, creator: User, viewer: User) -> None:
    client = api(creator)
    body = {"liveStreamId": make_stream(creator).pk, "targets": [viewer.pk]}

    first, second = (data_of(keyed(client, "POST", f"{BANS}/bulk", body)) for _ in range(2))

    assert first["batchId"] == second["batchId"]
    assert first["batchId"] is not None
    assert LiveStreamBan.objects.count() == 1


# --- what is stored -------------------------------------------------------------------------------


def test_a_refusal_is_stored_even_if_the_state_changes_later(api: Api, creator: User, now: datetime) -> None:
    client, stream = api(creator), make_stream(creator, "active")
    refused = keyed(client, "POST", stream_url(stream, "cancel"))
    assert_refused(refused, 409, "stream_not_cancellable")
    LiveStream.objects.update(status="scheduled", started_at=None)
    assert LiveStream.objects.get().status == "scheduled"

    repeated = keyed(client, "POST", stream_url(stream, "cancel"))

    assert repeated.content == refused.content
    assert repeated.headers["Idempotent-Replayed"] == "true"
    assert repeated.headers["X-Error-Code"] == "stream_not_cancellable"
    assert keyed(client, "POST", stream_url(stream, "cancel"), key="two").status_code == 200


@pytest.mark.parametrize(("error", "status"), [(OperationalError("gone"), 503), (RuntimeError("bug"), 500)])
def test_a_failure_is_not_stored_so_that_a_repeat_can_succeed(
    error: Exception, status: int, api: Api, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api(creator)

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("livestreams.reads.new_stream", fails)  # after the service has returned
        assert keyed(client, "POST", CREATE, {"title": "Talk"}).status_code == status
    assert not StoredAnswer.objects.exists()
    assert not LiveStream.objects.exists(), "the change is rolled back with its answer"

    assert keyed(client, "POST", CREATE, {"title": "Talk"}).status_code == 201
    assert LiveStream.objects.count() == 1


def test_a_picture_is_removed_when_the_answer_cannot_be_stored(
    api: Api, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(idempotency, "_store", fails)
    kind = f"multipart/form-data; boundary={BOUNDARY}"

    refused = keyed(api(creator), "POST", CREATE, form_with(small_png()), content_type=kind)

    assert refused.status_code == 500
    assert not LiveStream.objects.exists()
    assert [path for path in django_settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


def test_answers_are_stored_encrypted(api: Api, creator: User) -> None:
    keyed(api(creator), "POST", CREATE, {"title": "Evening talk"}, key="secret-key")

    (row,) = StoredAnswer.objects.values()
    everything = repr([bytes(row["answer"]), bytes(row["fingerprint"]), row["key"]])
    assert "Evening" not in everything
    assert "secret-key" not in everything


def test_after_secret_key_was_changed_a_repeat_is_refused_and_changes_nothing(
    api: Api, creator: User, settings: Any
) -> None:
    keyed(api(creator), "POST", CREATE, {"title": "Talk"})
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key of more than fifty characters, for this test"

    assert_refused(keyed(api(creator), "POST", CREATE, {"title": "Talk"}), 422, "idempotency_key_reused")
    settings.SECRET_KEY_FALLBACKS = [old]
    assert keyed(api(creator), "POST", CREATE, {"title": "Talk"}).headers["Idempotent-Replayed"] == "true"
    assert LiveStream.objects.count() == 1


def test_a_request_without_a_key_runs_no_more_statements_and_stores_nothing(api: Api, creator: User) -> None:
    client: Any = api(creator)

    plain = statements(lambda: client.post(CREATE, {"title": "Talk"}, format="json"))
    with_key = statements(lambda: keyed(client, "POST", CREATE, {"title": "Talk"}))

    assert not any("common_storedanswer" in sql for sql in plain)
    assert len(with_key) == len(plain) + 3, "the lock, the stored answer, and storing it"


# --- for how long ---------------------------------------------------------------------------------


def expire_all(**by: Any) -> None:
    StoredAnswer.objects.update(expires_at=timezone.now() - timedelta(**by))


def test_a_key_is_free_again_after_its_hours(api: Api, creator: User, now: datetime) -> None:
    client = api(creator)
    first = data_of(keyed(client, "POST", CREATE, {"title": "Talk"}), 201)
    (stored,) = StoredAnswer.objects.all()
    assert timedelta(hours=24) <= stored.expires_at - now < timedelta(hours=24, minutes=1)
    expire_all(seconds=1)

    second = keyed(client, "POST", CREATE, {"title": "Another talk"})

    assert data_of(second, 201)["id"] != first["id"]
    assert StoredAnswer.objects.get().expires_at > now
    assert keyed(client, "POST", CREATE, {"title": "Another talk"}).content == second.content


# --- services that are called inside --------------------------------------------------------------


def test_other_services_may_cancel_meanwhile(api: Api, creator: User, now: datetime) -> None:
    """A repeat shows the state at the time of the first request, as its stored answer does."""
    client, stream = api(creator), make_stream(creator)
    call: Callable[[], Any] = lambda: keyed(client, "PATCH", stream_url(stream), {"title": "Moved"})  # noqa: E731
    first = call()
    cancel_stream(stream.pk, by=creator, now=now)

    assert call().content == first.content
    assert data_of(client.get(stream_url(stream)))["status"] == "cancelled_by_host"
