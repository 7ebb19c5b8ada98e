"""POST /api/v1/live-stream/{id}/guest/accept and /guest/decline, and the effects of the guest's answer"""

from datetime import datetime
from typing import Any

import jwt
import pytest
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from edges.models import Participant
from livestreams import services
from livestreams.models import ANSWERABLE, GuestStatus, LiveStream, Status
from livestreams.services import edit_stream
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, answered, make_stream, stream_url

ACCEPT, DECLINE = "guest/accept", "guest/decline"
ACTIONS = (ACCEPT, DECLINE)


def trail(stream: LiveStream) -> list[tuple[str, str, Any, Any]]:
    """Action, actor, and the answer before and after, of each audit row since the stream was created."""
    entries = AuditEntry.objects.filter(target_id=stream.pk).exclude(action="create_stream").order_by("id")
    return [
        (entry.action, entry.actor_name, entry.before.get("guest_status"), entry.after.get("guest_status"))
        for entry in entries
    ]


def guest_status(stream: LiveStream) -> str | None:
    return LiveStream.all_objects.get(pk=stream.pk).guest_status


# --- the answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("answer", GuestStatus)
@pytest.mark.parametrize("status", Status)
def test_each_answer_in_each_state(
    status: Status, answer: GuestStatus, action: str, api: Api, creator: User, guest: User
) -> None:
    stream = make_stream(creator, guest=guest, answer=answer)
    # Written without the services, because a guest who has declined cannot cancel.
    started = timezone.now() if status in (Status.ACTIVE, Status.ENDED) else None
    ended = started if status == Status.ENDED else None
    LiveStream.objects.filter(pk=stream.pk).update(status=status, started_at=started, ended_at=ended)
    client = api(guest)
    before = data_of(client.get(stream_url(stream)))
    entries = trail(stream)

    response = client.post(stream_url(stream, action))

    after = data_of(client.get(stream_url(stream)))
    if status not in ANSWERABLE:
        assert_refused(response, 409, "guest_answer_too_late")
        assert f"the stream is {status.label}; it can only be" in response.json()["errors"][1]
        assert (after, trail(stream)) == (before, entries)
    elif (action, answer) == (ACCEPT, GuestStatus.DECLINED):
        assert_refused(
            response,
            409,
            "guest_has_declined",
            "you have declined already; the creator of the stream can invite you again",
        )
        assert (after, trail(stream)) == (before, entries)
    else:
        verb, wanted = ("accept_guest", "accepted") if action == ACCEPT else ("decline_guest", "declined")
        assert data_of(response) == after
        assert after["guestStatus"] == wanted
        assert after["status"] == status
        if answer == wanted:
            assert (after, trail(stream)) == (before, entries), "the same answer again changes nothing"
        else:
            assert trail(stream) == [*entries, (verb, "guest", answer, wanted)]
            assert after["updatedAt"] > before["updatedAt"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("who", ["creator", "stranger"])
def test_only_the_guest_can_answer(who: str, action: str, api: Api, creator: User, stranger: User, guest: User) -> None:
    stream = make_stream(creator, guest=guest)

    response = api({"creator": creator, "stranger": stranger}[who]).post(stream_url(stream, action))

    assert_refused(response, 403, "not_the_guest", "only the guest of the stream may do this")
    assert guest_status(stream) == "invited"
    assert trail(stream) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_solo_stream_has_no_guest_who_can_answer(action: str, api: Api, creator: User) -> None:
    assert_refused(api(creator).post(stream_url(make_stream(creator), action)), 403, "not_the_guest")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("id", "status", "code"), [("0" * 24, 404, "stream_not_found"), ("x", 400, "validation_failed")]
)
def test_an_unknown_id_is_a_404_and_a_malformed_one_a_400(
    id: str, status: int, code: str, action: str, api: Api, guest: User
) -> None:
    assert_refused(api(guest).post(f"{STREAMS}/{id}/{action}"), status, code)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_deleted_stream_takes_no_answer_and_needs_a_token(
    action: str, api: Api, creator: User, guest: User, now: datetime
) -> None:
    stream = make_stream(creator, guest=guest)

    assert_refused(api().post(stream_url(stream, action)), 401, "authentication_required")
    services.delete_stream(stream.pk, by=creator, now=now)
    assert_refused(api(guest).post(stream_url(stream, action)), 404, "stream_not_found")
    with pytest.raises(services.StreamMissing):
        services.decline_guest(stream.pk, by=guest, now=now)
    assert guest_status(stream) == "invited"


def test_a_guest_who_declined_is_listed_in_guests_but_not_in_broadcasters(api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, guest=guest)
    url = stream_url(stream)
    before = data_of(api(creator).get(url))

    data_of(api(guest).post(stream_url(stream, DECLINE)))

    assert [part["role"] for part in before["broadcasters"]] == ["host", "guest"]
    seen_by_host, seen_by_guest = data_of(api(creator).get(url)), data_of(api(guest).get(url))
    assert [user["username"] for user in seen_by_host["guests"]] == ["guest"]
    assert [part["user"]["username"] for part in seen_by_host["broadcasters"]] == ["creator"]
    assert (seen_by_host["role"], seen_by_guest["role"]) == ("host", "audience")


def test_a_blocked_guest_can_decline_but_not_accept(
    api: Api, creator: User, viewer: User, guest: User, now: datetime
) -> None:
    stream = make_stream(creator, guest=guest)
    make_ban(viewer, stream)
    edit_stream(stream.pk, by=creator, now=now, changes={"guest": viewer.pk})

    assert_refused(api(viewer).post(stream_url(stream, ACCEPT)), 403, "banned")
    assert guest_status(stream) == "invited"
    assert data_of(api(viewer).post(stream_url(stream, DECLINE)))["guestStatus"] == "declined"


# --- naming another guest -------------------------------------------------------------------------


@pytest.mark.parametrize("answer", GuestStatus)
def test_another_guest_is_invited_whatever_the_first_one_answered(
    answer: str, api: Api, creator: User, guest: User, stranger: User
) -> None:
    stream = make_stream(creator, guest=guest, answer=answer)

    data = data_of(api(creator).patch(stream_url(stream), {"guests": [stranger.pk]}))

    assert [user["username"] for user in data["guests"]] == ["stranger"]
    assert data["guestStatus"] == "invited"
    assert_refused(api(guest).post(stream_url(stream, ACCEPT)), 403, "not_the_guest")
    assert data_of(api(stranger).post(stream_url(stream, ACCEPT)))["guestStatus"] == "accepted"


@pytest.mark.parametrize(
    ("answer", "after"), [("invited", "invited"), ("accepted", "accepted"), ("declined", "invited")]
)
def test_naming_the_same_guest_again_invites_only_after_a_decline(
    answer: str, after: str, api: Api, creator: User, guest: User
) -> None:
    stream = make_stream(creator, guest=guest, answer=answer)
    entries = trail(stream)

    data = data_of(api(creator).patch(stream_url(stream), {"guests": [guest.pk]}))

    assert data["guestStatus"] == after
    assert trail(stream) == entries + ([("edit_stream", "creator", "declined", "invited")] if answer != after else [])


def test_an_edit_keeps_a_solo_stream_without_a_guest(api: Api, creator: User) -> None:
    stream = make_stream(creator)

    data = data_of(api(creator).patch(stream_url(stream), {"guests": [], "title": "New"}))

    assert (data["guests"], data["guestStatus"]) == ([], None)


# --- cancelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", GuestStatus)
def test_a_guest_may_cancel_unless_they_declined(answer: str, api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, guest=guest, answer=answer)

    response = api(guest).post(stream_url(stream, "cancel"))

    if answer == GuestStatus.DECLINED:
        assert_refused(response, 403, "not_the_creator_or_guest")
    else:
        assert data_of(response)["status"] == "cancelled_by_guest"


@pytest.mark.parametrize("meanwhile", ["replaced", "declined"])
def test_a_guest_who_was_replaced_or_declined_before_the_lock_cannot_cancel(
    meanwhile: str, api: Api, creator: User, guest: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(creator, guest=guest)
    cancel = services.cancel_stream

    def cancel_too_late(stream_id: str, **given: Any) -> Any:
        if meanwhile == "replaced":
            edit_stream(stream_id, by=creator, now=timezone.now(), changes={"guest": stranger.pk})
        else:
            answered(stream, guest, "declined")
        return cancel(stream_id, **given)

    monkeypatch.setattr(services, "cancel_stream", cancel_too_late)

    assert_refused(api(guest).post(stream_url(stream, "cancel")), 403, "not_the_creator_or_guest")
    stream.refresh_from_db()
    assert stream.status == Status.SCHEDULED


# --- bans -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", GuestStatus)
def test_only_a_guest_who_declined_can_be_banned(answer: str, api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, guest=guest, answer=answer)

    response = api(creator).post("/api/v1/live-stream-ban", {"targetUserId": guest.pk, "liveStreamId": stream.pk})

    if answer == GuestStatus.DECLINED:
        assert data_of(response, 201)["targetUserId"] == guest.pk
        assert_refused(api(guest).get(stream_url(stream)), 403, "banned")
    else:
        assert_refused(response, 403, "cannot_ban_guest")


# --- joining --------------------------------------------------------------------------------------


def join(api: Api, user: User, stream: LiveStream) -> Any:
    return api(user).post(f"{STREAMS}/join", {"liveStreamId": stream.pk})


@pytest.mark.parametrize(
    ("answer", "after", "role"),
    [("invited", "accepted", "guest"), ("accepted", "accepted", "guest"), ("declined", "declined", "audience")],
)
def test_joining_accepts_for_an_invited_guest_and_admits_a_declined_one_as_audience(
    answer: str, after: str, role: str, api: Api, creator: User, guest: User
) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer=answer)
    entries = trail(stream)

    data = [data_of(join(api, guest, stream)) for _ in range(2)]

    for each in data:
        claims = jwt.decode(each["token"], options={"verify_signature": False})
        assert (each["role"], each["liveStream"]["role"], claims["role"]) == (role, role, role)
        assert each["liveStream"]["guestStatus"] == after
    assert trail(stream) == entries + ([("accept_guest", "guest", "invited", "accepted")] if answer != after else [])


@pytest.mark.parametrize("who", ["creator", "stranger"])
def test_nobody_else_accepts_by_joining(who: str, api: Api, creator: User, guest: User, stranger: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest)

    data_of(join(api, {"creator": creator, "stranger": stranger}[who], stream))

    assert guest_status(stream) == "invited"


def test_a_join_that_is_refused_accepts_nothing(
    api: Api, creator: User, guest: User, viewer: User, now: datetime
) -> None:
    planned = make_stream(creator, guest=guest)
    blocked = make_stream(creator, guest=guest)
    make_ban(viewer, blocked)
    edit_stream(blocked.pk, by=creator, now=now, changes={"guest": viewer.pk})
    services.start_stream(blocked.pk, by=creator, now=now)

    assert_refused(join(api, guest, planned), 409, "stream_not_active")
    assert_refused(join(api, viewer, blocked), 403, "banned")
    assert (guest_status(planned), guest_status(blocked)) == ("invited", "invited")


def test_a_guest_who_declines_on_another_device_while_joining_joins_as_audience(
    api: Api, creator: User, guest: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest)
    accept = services.accept_guest

    def accept_too_late(stream_id: str, **given: Any) -> Any:
        answered(stream, guest, "declined")
        return accept(stream_id, **given)

    monkeypatch.setattr("edges.views.joining.accept_guest", accept_too_late)

    data = data_of(join(api, guest, stream))

    assert (data["role"], data["liveStream"]["guestStatus"]) == ("audience", "declined")


@pytest.mark.parametrize(("answer", "counted"), [("invited", 0), ("accepted", 0), ("declined", 1)])
def test_a_guest_who_left_and_watches_is_a_viewer(
    answer: str, counted: int, api: Api, creator: User, guest: User, now: datetime
) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer=answer)
    Participant.objects.create(stream=stream, user=guest, first_seen_at=now, last_seen_at=now)
    client = api(creator)

    assert data_of(client.get(stream_url(stream, "viewer-count")))["viewerCount"] == counted
    viewers = data_of(client.get(stream_url(stream, "viewers")))["list"]
    assert [user["username"] for user in viewers] == ["guest"] * counted
