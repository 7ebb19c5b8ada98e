"""Every operation of the OpenAPI document that names a stream refuses people who are banned from it."""

import re
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.utils import timezone

from accounts.models import User
from bans.services import lift_ban
from livestreams.models import Status
from tests.api.operations import Operation, World, assert_succeeded, document, operations
from tests.bans.people import BANS, make_ban
from tests.conftest import Api, make_user, token_of
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import MINE, remind, reminder_url
from tests.servers import Server, running_server
from tests.streams import STREAMS, make_stream, stream_url

# Operations that refuse every viewer: a banned person gets the same refusal, which reveals nothing about the ban.
REFUSED_TO_ALL_VIEWERS = {
    # For the stream's creator or guest, neither of whom can be banned from it.
    "updateLiveStreamByIdV1": "not_the_creator",
    "deleteLiveStreamByIdV1": "not_the_creator",
    "setLiveStreamByIdThumbnailV1": "not_the_creator",
    "deleteLiveStreamByIdThumbnailV1": "not_the_creator",
    "startLiveStreamByIdV1": "not_the_creator",
    "endLiveStreamByIdV1": "not_the_creator",
    "cancelLiveStreamByIdV1": "not_the_creator_or_guest",
    "acceptLiveStreamByIdGuestV1": "not_the_guest",
    "declineLiveStreamByIdGuestV1": "not_the_guest",
    "joinLiveStreamAsCreatorV1": "not_the_creator",
    "joinLiveStreamAsGuestV1": "not_the_guest",
    # For its creator or a moderator, neither of whom can be banned from it.
    "createLiveStreamBanV1": "not_creator_or_moderator",
    "createLiveStreamBanBulkV1": "not_creator_or_moderator",
    # For media edges and chat servers, which watch nothing.
    "getLiveStreamByIdRevocationsV1": "not_a_service_account",
}
ALLOWED_TO_THE_BANNED = {
    # People may check whether they are banned themselves.
    "checkLiveStreamBanByTargetuseridV1",
    # It lists bans on the caller's own streams; for the stream of another it is empty.
    "listLiveStreamBanV1",
    # It lists the caller's own reports.
    "listLiveStreamReportsMyReportsV1",
    # Leaving reveals nothing, and apps leave when the ban reaches them.
    "leaveLiveStreamByIdV1",
}
# Nobody can be banned from a deleted stream, which only its creator can restore, nor from one that is over. Feedback of
# people who were banned before the end: tests/edges/test_feedback.py.
WITHOUT_BANS = {"restoreLiveStreamByIdV1", "createLiveStreamByIdFeedbackV1"}
# They refuse viewers without a ban by a code of their own, and blocked ones as every other operation does.
OF_MEMBERS = {"getLiveStreamByIdStatisticsV1", "getLiveStreamByIdFeedbackV1"}
PERSONAL = {"role", "isReminderActive"}
ALARM = re.compile(rb"BEGIN:VALARM.*?END:VALARM\r\n", re.DOTALL)
ALLOWED_WITHOUT_TOKEN = {
    # Calendar programs cannot log in. It contains no more than the public list of upcoming streams. A banned person
    # with a token is refused.
    "getLiveStreamByIdCalendarIcsV1",
}


def names_a_stream(operation: Operation) -> bool:
    contents = operation.declared.get("requestBody", {}).get("content", {}).values()
    bodies = [document()["components"]["schemas"][each["schema"]["$ref"].rpartition("/")[2]] for each in contents]
    named = [body["properties"] for body in bodies] + [[parameter["name"] for parameter in operation.query]]
    return "/live-stream/{id}" in operation.path or any("liveStreamId" in names for names in named)


OPERATIONS = [operation for operation in operations() if names_a_stream(operation)]


def call_as_viewer(world: World, operation: Operation) -> Any:
    """Call the operation as the viewer, about the stream and, where it takes a person, about the viewer."""
    path = operation.path.format(**world.ids)
    if any(parameter["name"] == "liveStreamId" for parameter in operation.query):
        path += f"?liveStreamId={world.stream.pk}"
    return world.call(operation, by=world.viewer, path=path)


def test_operations_are_found_and_every_exception_is_one_of_them() -> None:
    found = {str(operation) for operation in OPERATIONS}

    assert {
        "getLiveStreamByIdV1",
        "joinLiveStreamV1",
        "getLiveStreamByIdViewersV1",
        "getLiveStreamByIdViewerCountV1",
    } <= found
    assert REFUSED_TO_ALL_VIEWERS.keys() | ALLOWED_TO_THE_BANNED | ALLOWED_WITHOUT_TOKEN | OF_MEMBERS < found


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if str(operation) not in ALLOWED_WITHOUT_TOKEN], ids=str
)
def test_a_call_without_a_token_is_refused(operation: Operation, world: World) -> None:
    assert_refused(world.call(operation, authorization=""), 401, "authentication_required")


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if str(operation) not in ALLOWED_TO_THE_BANNED | WITHOUT_BANS],
    ids=str,
)
def test_a_blocked_viewer_is_refused(operation: Operation, world: World) -> None:
    make_ban(world.viewer, world.stream)

    assert_refused(call_as_viewer(world, operation), 403, REFUSED_TO_ALL_VIEWERS.get(str(operation), "banned"))


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if str(operation) in REFUSED_TO_ALL_VIEWERS], ids=str
)
def test_operations_that_refuse_the_banned_by_another_rule_refuse_every_viewer(
    operation: Operation, world: World
) -> None:
    assert_refused(call_as_viewer(world, operation), 403, REFUSED_TO_ALL_VIEWERS[str(operation)])


def test_a_blocked_viewer_reads_the_own_ban_and_no_others(
    api: Api, creator: User, viewer: User, stranger: User
) -> None:
    stream = make_stream(creator)
    make_ban(stranger, stream)
    ban = make_ban(viewer, stream)
    client, query = api(viewer), {"liveStreamId": stream.pk}

    assert data_of(client.get(f"{BANS}/check/{viewer.pk}", query))["ban"]["_id"] == ban.pk
    assert_refused(client.get(f"{BANS}/check/{stranger.pk}", query), 403, "not_concerned_by_ban")
    assert data_of(client.get(BANS, query))["list"] == []


@pytest.mark.parametrize("reminded", [True, False])
def test_a_blocked_viewer_cannot_use_the_reminder_until_the_ban_is_lifted(
    reminded: bool, api: Api, creator: User, viewer: User
) -> None:
    stream = make_stream(creator)
    if reminded:
        remind(viewer, stream)
    ban = make_ban(viewer, stream, reason="spam")
    client = api(viewer)
    reason = "you are banned from this stream until a moderator lifts it: spam"

    for answer in (
        client.get(reminder_url(stream)),
        client.post(reminder_url(stream), {"minute": 5}),
        client.delete(reminder_url(stream)),
    ):
        assert_refused(answer, 403, "banned", reason)
    assert [each["status"] for each in data_of(client.get(MINE))["list"]] == ["CANCELLED"] * reminded
    lift_ban(ban.pk, by=creator, now=timezone.now())

    expected = (200, 200) if reminded else (404, 404)
    assert (client.get(reminder_url(stream)).status_code, client.delete(reminder_url(stream)).status_code) == expected


def facts_of(client: Any, address: str) -> tuple[list[dict[str, Any]], Any]:
    """The items of a list without the fields that depend on the caller."""
    data = data_of(client.get(address, {"limit": 100}))
    return [{name: each[name] for name in each.keys() - PERSONAL} for each in data["list"]], data["pagination"]


@pytest.mark.parametrize("caller", ["nobody", "stranger", "banned"])
def test_lists_and_the_calendar_of_a_user_are_the_same_for_everybody(
    caller: str, api: Api, creator: User, viewer: User, stranger: User
) -> None:
    make_stream(creator, "ended", now=timezone.now() - timedelta(hours=2))
    streams = [make_stream(creator, status) for status in ("scheduled", "preparing", "active")]
    for user in (viewer, stranger):
        remind(user, streams[0])
    for stream in streams:
        make_ban(viewer, stream)
    user_url = f"{STREAMS}/user/{creator.pk}"
    asking = api({"nobody": None, "stranger": stranger, "banned": viewer}[caller])

    lists = [f"{user_url}/upcoming-live-streams", f"{user_url}/past-streams", f"{STREAMS}/upcoming"]
    # Lists that need a token.
    lists += [] if caller == "nobody" else [STREAMS, f"{STREAMS}?creatorId={creator.pk}&status=active&search=talk"]
    for address in lists:
        facts = facts_of(asking, address)
        assert facts[0], address
        assert facts == facts_of(api(creator), address), address
    feed = asking.get(f"{user_url}/calendar.ics").content
    assert ALARM.sub(b"", feed) == api().get(f"{user_url}/calendar.ics").content
    assert feed.count(b"BEGIN:VEVENT") == 3, "all but the one that has no start"
    assert feed.count(b"BEGIN:VALARM") == (caller == "stranger"), "the reminder of the banned viewer is cancelled"


@pytest.mark.parametrize(
    "operation",
    [
        operation
        for operation in OPERATIONS
        if str(operation) not in REFUSED_TO_ALL_VIEWERS.keys() | WITHOUT_BANS | OF_MEMBERS
    ],
    ids=str,
)
def test_a_chat_only_ban_leaves_every_operation_of_a_viewer_allowed(operation: Operation, world: World) -> None:
    make_ban(world.viewer, world.stream, action_type="CHAT_ONLY")

    assert_succeeded(call_as_viewer(world, operation), operation)


def test_a_chat_only_ban_removes_the_grant_to_chat(api: Api, creator: User, viewer: User, stranger: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    make_ban(viewer, stream, action_type="CHAT_ONLY")

    tokens = [
        data_of(api(user).post(f"{STREAMS}/join", {"liveStreamId": stream.pk}))["token"] for user in (viewer, stranger)
    ]

    grants = [jwt.decode(token, options={"verify_signature": False})["grants"] for token in tokens]
    assert grants == [["watch"], ["watch", "chat"]]


@pytest.mark.django_db(transaction=True)
def test_the_next_request_after_a_ban_is_refused_by_every_process_and_after_the_lift_by_none() -> None:
    creator, viewer = make_user("creator"), make_user("viewer")
    stream = make_stream(creator, Status.ACTIVE)
    token, host = token_of(viewer), token_of(creator)

    def answers(server: Server) -> list[tuple[int, str | None]]:
        """Of the next read and join in the one process of this server."""
        read = server.call("GET", stream_url(stream), token=token)
        joined = server.call("POST", f"{STREAMS}/join", token=token, body={"liveStreamId": stream.pk})
        return [(each.status, each.headers.get("x-error-code")) for each in (read, joined)]

    with running_server(workers=1) as one, running_server(workers=1) as other:
        # Fills whatever the processes cache.
        before = [answers(server) for server in (one, other)]
        body = {"targetUserId": viewer.pk, "liveStreamId": stream.pk}
        banned = one.call("POST", BANS, token=host, body=body)
        during = [answers(server) for server in (one, other)]
        lifted = other.call("DELETE", f"{BANS}/{banned.json()['data']['_id']}", token=host)
        after = [answers(server) for server in (one, other)]

    assert (banned.status, lifted.status) == (201, 200)
    assert during == [[(403, "banned")] * 2] * 2
    assert before == after == [[(200, None)] * 2] * 2
