"""POST /api/v1/live-stream/{id}/start, /end, /cancel and DELETE /api/v1/live-stream/{id}"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from common.models import AuditEntry
from livestreams import services
from livestreams.models import LIFECYCLE, Action, LiveStream, Status
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream, stream_url

type Move = Callable[[APIClient, str], Any]

MOVES: dict[str, tuple[Action, Move, str]] = {
    "start": (Action.START, lambda client, url: client.post(f"{url}/start"), "stream_not_startable"),
    "end": (Action.END, lambda client, url: client.post(f"{url}/end"), "stream_not_endable"),
    "cancel": (
        Action.CANCEL_BY_HOST,
        lambda client, url: client.post(f"{url}/cancel"),
        "stream_not_cancellable",
    ),
    "delete": (Action.DELETE, lambda client, url: client.delete(url), "stream_not_deletable"),
}


@pytest.fixture(params=list(MOVES.values()), ids=list(MOVES))
def move(request: pytest.FixtureRequest) -> tuple[Action, Move, str]:
    return request.param


@pytest.mark.parametrize("status", Status)
def test_each_call_follows_the_lifecycle(
    status: Status, move: tuple[Action, Move, str], api: Api, creator: User, guest: User
) -> None:
    action, call, code = move
    stream = make_stream(creator, status, guest=guest)
    client = api(creator)
    entries = AuditEntry.objects.count()

    response = call(client, stream_url(stream))

    if action in LIFECYCLE[status]:
        data = data_of(response)
        assert data["status"] == LIFECYCLE[status][action]
        assert AuditEntry.objects.count() == entries + 1
        assert AuditEntry.objects.latest("id").actor_name == "creator"
    else:
        assert_refused(response, 409, code)
        assert response.json()["errors"][1].startswith(f"the stream is {status.label}; it can only be ")
        assert AuditEntry.objects.count() == entries


def test_strangers_are_refused(move: tuple[Action, Move, str], api: Api, creator: User, stranger: User) -> None:
    _, call, _ = move
    stream = make_stream(creator)

    response = call(api(stranger), stream_url(stream))

    code = "not_the_creator_or_guest" if move[0] is Action.CANCEL_BY_HOST else "not_the_creator"
    assert_refused(response, 403, code)
    stream.refresh_from_db()
    assert stream.status == Status.SCHEDULED


def test_a_guest_may_cancel_and_nothing_else(
    move: tuple[Action, Move, str], api: Api, creator: User, guest: User
) -> None:
    action, call, _ = move
    stream = make_stream(creator, guest=guest)

    response = call(api(guest), stream_url(stream))

    if action is Action.CANCEL_BY_HOST:
        assert data_of(response)["status"] == "cancelled_by_guest"
    else:
        assert_refused(response, 403, "not_the_creator")


@pytest.mark.parametrize(
    ("id", "status", "code"), [("0" * 24, 404, "stream_not_found"), ("x", 400, "validation_failed")]
)
def test_an_unknown_id_is_a_404_and_a_malformed_one_a_400(
    id: str, status: int, code: str, move: tuple[Action, Move, str], api: Api, creator: User
) -> None:
    assert_refused(move[1](api(creator), f"{STREAMS}/{id}"), status, code)


def test_each_call_needs_a_token(move: tuple[Action, Move, str], api: Api, creator: User) -> None:
    assert_refused(move[1](api(), stream_url(make_stream(creator))), 401, "authentication_required")


def test_a_start_sets_its_time(api: Api, creator: User) -> None:
    data = data_of(api(creator).post(stream_url(make_stream(creator), "start")))

    assert data["startedAt"] == data["updatedAt"]
    assert data["endedAt"] is None


def test_a_second_active_stream_is_refused(api: Api, creator: User) -> None:
    make_stream(creator, "active")

    response = api(creator).post(stream_url(make_stream(creator), "start"))

    assert_refused(response, 409, "already_live", "you have an active stream already; end it before you start another")


def test_deleting_returns_when_and_by_whom_and_hides_the_stream(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    client = api(creator)

    data = data_of(client.delete(stream_url(stream)))

    assert data["deletedBy"] == creator.pk
    assert data["deletedAt"] == data["updatedAt"]
    assert_refused(client.delete(stream_url(stream)), 404, "stream_not_found")
    assert_refused(client.get(stream_url(stream)), 404, "stream_not_found")
    assert LiveStream.all_objects.filter(pk=stream.pk).exists()


def test_the_refusal_names_the_state_and_the_possible_actions(api: Api, creator: User) -> None:
    response = api(creator).post(stream_url(make_stream(creator, "ended"), "cancel"))

    assert_refused(response, 409, "stream_not_cancellable", "the stream is ended; it can only be deleted")


def test_the_refusal_is_turkish_when_the_request_prefers_it(api: Api, creator: User) -> None:
    response = api(creator).post(
        stream_url(make_stream(creator, "ended"), "cancel"), HTTP_ACCEPT_LANGUAGE="tr-TR,tr;q=0.9,en;q=0.5"
    )

    assert_refused(response, 409, "stream_not_cancellable", "yayının durumu: sona erdi; yalnızca silinebilir")


def test_a_change_is_answered_even_if_the_stream_is_deleted_right_after_it(
    api: Api, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(creator)
    cancel = services.cancel_stream

    def cancelled_and_then_deleted(stream_id: str, *, by: User, now: datetime, **given: Any) -> LiveStream:
        cancelled = cancel(stream_id, by=by, now=now, **given)
        services.delete_stream(stream_id, by=by, now=now)
        return cancelled

    monkeypatch.setattr(services, "cancel_stream", cancelled_and_then_deleted)

    data = data_of(api(creator).post(stream_url(stream, "cancel")))

    assert data["status"] == "cancelled_by_host"
    assert data["deletedAt"] is None  # as this change left it
