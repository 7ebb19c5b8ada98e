"""POST /api/v1/live-stream/join-as-creator and /join-as-guest"""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from edges.models import Participant
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import STREAMS, make_stream

AS_CREATOR = f"{STREAMS}/join-as-creator"
AS_GUEST = f"{STREAMS}/join-as-guest"


def body(stream: LiveStream) -> dict[str, Any]:
    """With what existing apps send beside the id."""
    return {"liveStreamId": stream.pk, "role": "audience", "deviceType": "phone", "appVersion": "3.1"}


# --- as creator -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PREPARING, Status.ACTIVE])
def test_the_creator_joins_and_starts_the_stream_if_it_is_not_active(status: Status, api: Api, creator: User) -> None:
    stream = make_stream(creator, status)

    data = data_of(api(creator).post(AS_CREATOR, body(stream)))

    assert list(data) == ["liveStream", "token", "role", "expiresAt"]
    assert (data["role"], data["liveStream"]["role"]) == ("host", "host")
    assert data["liveStream"]["status"] == "active"
    assert data["liveStream"]["startedAt"]
    assert AuditEntry.objects.filter(action="start_stream", target_id=stream.pk, actor_id=creator.pk).count() == 1
    assert Participant.objects.values_list("user_id", "role").get() == (creator.pk, "host")


def test_nobody_else_can_join_as_creator(api: Api, creator: User, guest: User, moderator: User) -> None:
    stream = make_stream(creator, guest=guest, answer="accepted")

    for other in (guest, moderator):
        assert_refused(api(other).post(AS_CREATOR, body(stream)), 403, "not_the_creator")
    assert_refused(api().post(AS_CREATOR, body(stream)), 401, "authentication_required")
    stream.refresh_from_db()
    assert stream.status == Status.SCHEDULED
    assert not Participant.objects.exists()


def test_a_creator_with_another_active_stream_is_refused(api: Api, creator: User) -> None:
    make_stream(creator, Status.ACTIVE)
    stream = make_stream(creator)

    assert_refused(api(creator).post(AS_CREATOR, body(stream)), 409, "already_live")
    assert not Participant.objects.exists()


@pytest.mark.parametrize("status", [Status.ENDED, Status.CANCELLED_BY_HOST, Status.EXPIRED])
def test_a_stream_that_is_over_cannot_be_joined_as_creator(status: Status, api: Api, creator: User) -> None:
    stream = make_stream(creator, status)

    assert_refused(api(creator).post(AS_CREATOR, body(stream)), 409, "stream_not_startable")
    assert not Participant.objects.exists()


def test_an_unknown_or_deleted_stream_cannot_be_joined_in_any_role(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    services.delete_stream(stream.pk, by=creator, now=timezone.now())

    for address in (AS_CREATOR, AS_GUEST):
        assert_refused(api(creator).post(address, body(stream)), 404, "stream_not_found")
        assert_refused(api(creator).post(address, {"liveStreamId": "f" * 24}), 404, "stream_not_found")
        assert_refused(api(creator).post(address, {}), 400, "validation_failed", "liveStreamId: is required")


@pytest.mark.django_db(transaction=True)
def test_of_the_devices_of_a_creator_that_join_at_once_one_starts_the_stream_and_all_join(
    api: Api, creator: User
) -> None:
    stream = make_stream(creator)
    clients = [api(creator) for _ in range(4)]
    data_of(clients[0].post(AS_CREATOR, body(make_stream(creator))), 200)  # makes the first join key
    active = LiveStream.objects.get(status=Status.ACTIVE)
    services.end_stream(active.pk, by=creator, now=timezone.now())

    answers = at_once(4, lambda number: clients[number].post(AS_CREATOR, body(stream)).status_code)

    assert answers == [200] * 4
    assert AuditEntry.objects.filter(action="start_stream", target_id=stream.pk).count() == 1


# --- as guest -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["invited", "accepted"])
def test_the_guest_joins_and_accepts_by_joining(answer: str, api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer=answer)

    data = data_of(api(guest).post(AS_GUEST, body(stream)))

    assert (data["role"], data["liveStream"]["guestStatus"]) == ("guest", "accepted")
    assert Participant.objects.values_list("user_id", "role").get() == (guest.pk, "guest")


def test_nobody_else_can_join_as_guest(api: Api, creator: User, guest: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest)

    for other in (creator, viewer):
        assert_refused(api(other).post(AS_GUEST, body(stream)), 403, "not_the_guest")
    assert_refused(api().post(AS_GUEST, body(stream)), 401, "authentication_required")


def test_a_guest_who_declined_is_refused_and_can_watch(api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer="declined")
    client = api(guest)

    assert_refused(client.post(AS_GUEST, body(stream)), 409, "guest_has_declined")
    assert data_of(client.post(f"{STREAMS}/join", body(stream)))["role"] == "audience"


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PREPARING, Status.ENDED])
def test_a_guest_joins_only_while_the_stream_is_active(status: Status, api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, status, guest=guest)

    assert_refused(api(guest).post(AS_GUEST, body(stream)), 409, "stream_not_active")
    stream.refresh_from_db()
    assert stream.guest_status == "invited"


@pytest.mark.parametrize(
    ("change", "code"),
    [(services.end_stream, "stream_not_active"), (services.decline_guest, "guest_has_declined")],
    ids=["ends", "declined on another device"],
)
def test_what_changes_while_the_guest_joins_is_refused_as_if_it_had_been_before(
    change: Callable[..., object],
    code: str,
    api: Api,
    creator: User,
    guest: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest)
    by = creator if change is services.end_stream else guest

    def accept_too_late(stream_id: str, **given: Any) -> Any:
        change(stream_id, by=by, now=timezone.now())
        return services.accept_guest(stream_id, **given)

    monkeypatch.setattr("edges.views.joining.accept_guest", accept_too_late)

    assert_refused(api(guest).post(AS_GUEST, body(stream)), 409, code)
    assert not Participant.objects.exists()


def test_a_guest_who_was_banned_before_is_refused(api: Api, creator: User, guest: User, viewer: User) -> None:
    stream = make_stream(creator, guest=guest)
    make_ban(viewer, stream, reason="spam")
    services.edit_stream(stream.pk, by=creator, now=timezone.now(), changes={"guest": viewer.pk})
    services.start_stream(stream.pk, by=creator, now=timezone.now())

    assert_refused(api(viewer).post(AS_GUEST, body(stream)), 403, "banned")
    stream.refresh_from_db()
    assert stream.guest_status == "invited"
