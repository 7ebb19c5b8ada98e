"""If-Match of every operation that changes one object."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.urls import resolve

from accounts.models import User
from common import preconditions
from common.models import RateCounter, StoredAnswer
from common.views import ApiViewSet
from livestreams.models import LiveStream
from tests.api.operations import Operation, World, document, operations
from tests.bans.people import BANS, make_ban
from tests.conftest import Api, token_of
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.reminders.asking import remind, reminder_url
from tests.streams import STREAMS, make_stream, stream_url
from tests.test_statements import statements

CHANGING = [operation for operation in operations() if operation.method != "GET"]
MATCHING = [operation for operation in CHANGING if operation.takes_match]
# They create something, or concern the session and not an object.
WITHOUT_MATCH = {
    "loginAuthV1", "refreshAuthV1", "revokeAuthTokenV1", "logoutAuthV1",
    "createLiveStreamV1", "joinLiveStreamV1", "joinLiveStreamAsCreatorV1", "joinLiveStreamAsGuestV1",
    "createLiveStreamBanV1", "createLiveStreamBanBulkV1", "createLiveStreamMyCalendarV1",
    "createNotificationsDeviceTokenV1",
}  # fmt: skip
# Nothing reads what they change, so there is no tag but `*`.
UNREAD = {
    "createLiveStreamReportsByStreamidV1",
    "deleteLiveStreamMyCalendarV1", "deleteNotificationsDeviceTokenByIdV1", "updateNotificationsReadAllV1",
    "updateNotificationsByIdReadV1", "updateNotificationsByIdReadV2", "deleteLiveStreamBanBulkByBatchidV1",
}  # fmt: skip
# What they change cannot be read before, so it has no version that could match.
ABSENT = {"createLiveStreamBanByIdAppealV1", "createLiveStreamByIdFeedbackV1", "restoreLiveStreamByIdV1"}
STALE = '"0123456789abcdef"'


def read_of(operation: Operation) -> Operation | None:
    """The read of the object that the operation changes, from the paths of the document alone."""
    path = operation.path
    while path:
        declared = document()["paths"].get(path, {}).get("get")
        found = declared and Operation("GET", path, declared)
        if found and found.variables == operation.variables:
            return found
        path = path.rpartition("/")[0] if operation.variables else ""
    return None


READABLE = [operation for operation in MATCHING if read_of(operation)]


def rows() -> dict[str, list[Any]]:
    """The whole database of the project, apart from the counters of calls."""
    found: list[type[models.Model]] = [
        model
        for model in apps.get_models()
        if model.__module__.partition(".")[0] in PROJECT and model is not RateCounter
    ]
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in found}


PROJECT = {"accounts", "bans", "common", "edges", "livestreams", "reminders"}


def authorized(world: World) -> str:
    return f"Bearer {token_of(world.caller)}"


def tag_of(world: World, operation: Operation, authorization: str) -> str | None:
    read = read_of(operation)
    assert read is not None
    answer = world.call(read, authorization=authorization)
    tag: str | None = answer.headers.get("ETag")
    return tag


def prepared(operation: Operation, world: World) -> None:
    """What the operation's object is, where the world of a successful call has none yet."""
    if str(operation) == "createLiveStreamByIdReminderV1":
        remind(world.caller, world.stream, minute=30)


# --- every operation ------------------------------------------------------------------------------


def test_every_operation_that_changes_one_object_takes_if_match() -> None:
    assert {str(operation) for operation in CHANGING if not operation.takes_match} == WITHOUT_MATCH
    assert {str(operation) for operation in MATCHING} - {str(one) for one in READABLE} == UNREAD


@pytest.mark.parametrize("operation", READABLE, ids=str)
def test_every_object_says_how_it_is_locked(operation: Operation, world: World) -> None:
    path = world.path(operation)
    found = preconditions.read_of(path, resolve(path).kwargs)

    assert found is not None
    kind: Any = found.func
    assert kind.cls.lock_object is not ApiViewSet.lock_object


@pytest.mark.parametrize("operation", MATCHING, ids=str)
def test_a_stale_tag_is_refused_and_nothing_is_changed(operation: Operation, world: World) -> None:
    authorization = authorized(world)
    before = rows()

    for stale in (STALE, f"W/{STALE}", f'{STALE}, "x"'):
        refused = world.call(operation, authorization=authorization, HTTP_IF_MATCH=stale, HTTP_IDEMPOTENCY_KEY="one")
        reason = "the object has changed since you read it; read it again"
        assert_refused(refused, 412, "precondition_failed", reason)

    assert rows() == before


@pytest.mark.parametrize("operation", [one for one in READABLE if str(one) not in ABSENT], ids=str)
@pytest.mark.parametrize("form", ["{tag}", '"x", {tag}', "*"])
def test_the_current_tag_lets_the_change_happen(form: str, operation: Operation, world: World) -> None:
    prepared(operation, world)
    authorization = authorized(world)
    header = form.replace("{tag}", tag_of(world, operation, authorization) or "")

    assert world.call(operation, authorization=authorization, HTTP_IF_MATCH=header).status_code == 200


@pytest.mark.parametrize("operation", [one for one in READABLE if str(one) not in ABSENT], ids=str)
def test_a_weak_tag_never_matches(operation: Operation, world: World) -> None:
    prepared(operation, world)
    authorization = authorized(world)
    weak = f"W/{tag_of(world, operation, authorization)}"

    assert_refused(world.call(operation, authorization=authorization, HTTP_IF_MATCH=weak), 412, "precondition_failed")


@pytest.mark.parametrize("operation", [one for one in MATCHING if str(one) in UNREAD], ids=str)
def test_what_cannot_be_read_matches_every_version(operation: Operation, world: World) -> None:
    assert world.call(operation, HTTP_IF_MATCH="*").status_code < 300


def test_there_is_no_version_of_what_does_not_exist(api: Api, creator: User, viewer: User) -> None:
    ban = make_ban(viewer, make_stream(creator))
    client: Any = api(viewer)
    appeal: dict[str, Any] = {"data": {"text": "It was not me."}, "format": "json"}

    refused = client.post(f"{BANS}/{ban.pk}/appeal", **appeal, HTTP_IF_MATCH="*")

    assert_refused(refused, 412, "precondition_failed")
    assert client.post(f"{BANS}/{ban.pk}/appeal", **appeal).status_code == 201


def test_there_is_no_version_of_a_deleted_stream(api: Api, creator: User) -> None:
    stream = make_stream(creator)
    client: Any = api(creator)
    url = stream_url(stream)
    tag = client.get(url).headers["ETag"]
    data_of(client.delete(url))

    for header in (tag, "*"):
        assert_refused(client.post(f"{url}/restore", HTTP_IF_MATCH=header), 412, "precondition_failed")
    data_of(client.post(f"{url}/restore"))


@pytest.mark.parametrize("operation", MATCHING, ids=str)
@pytest.mark.parametrize("header", ["", "abc", '"abc'])
def test_a_malformed_header_is_refused(header: str, operation: Operation, world: World) -> None:
    rule = "If-Match: must be a list of entity tags in double quotes, or *"

    assert_refused(world.call(operation, HTTP_IF_MATCH=header), 400, "validation_failed", rule)


@pytest.mark.parametrize("operation", [one for one in operations() if not one.takes_match], ids=str)
def test_other_operations_ignore_the_header(operation: Operation, world: World) -> None:
    assert world.call(operation, HTTP_IF_MATCH=STALE).status_code < 300


# --- which error comes first ----------------------------------------------------------------------


def test_missing_and_forbidden_come_before_the_precondition_and_the_rest_after_it(
    api: Api, creator: User, stranger: User
) -> None:
    stream = make_stream(creator, "ended")
    calls = [
        (stranger, stream_url(stream), {"title": "Moved"}, 403),
        (creator, f"{STREAMS}/{'0' * 24}", {"title": "Moved"}, 404),
        (creator, stream_url(stream), {"titel": "Moved"}, 412),
        (creator, stream_url(stream), {"title": "Moved"}, 412),
    ]
    for caller, url, body, status in calls:
        client: Any = api(caller)
        assert client.patch(url, body, format="json", HTTP_IF_MATCH=STALE).status_code == status
    client = api(creator)
    current = client.get(stream_url(stream)).headers["ETag"]
    assert_refused(
        client.patch(stream_url(stream), {"title": "Moved"}, format="json", HTTP_IF_MATCH=current),
        409,
        "stream_not_editable",
    )


# --- with Idempotency-Key -------------------------------------------------------------------------


def test_a_repeat_gets_its_answer_although_the_tag_is_stale_by_its_own_change(api: Api, creator: User) -> None:
    client: Any = api(creator)
    url = stream_url(make_stream(creator))
    headers = {"HTTP_IF_MATCH": client.get(url).headers["ETag"], "HTTP_IDEMPOTENCY_KEY": "one"}

    first, second = (client.patch(url, {"title": "Moved"}, format="json", **headers) for _ in range(2))

    assert data_of(first)["title"] == "Moved"
    assert second.content == first.content


def test_a_failed_precondition_is_not_stored_so_the_key_works_with_the_next_tag(api: Api, creator: User) -> None:
    client: Any = api(creator)
    url = stream_url(make_stream(creator))
    call: Callable[[str], Any] = lambda tag: client.patch(  # noqa: E731
        url, {"title": "Moved"}, format="json", HTTP_IF_MATCH=tag, HTTP_IDEMPOTENCY_KEY="one"
    )

    assert_refused(call(STALE), 412, "precondition_failed")
    assert not StoredAnswer.objects.exists()
    assert data_of(call(client.get(url).headers["ETag"]))["title"] == "Moved"


# --- at the same time -----------------------------------------------------------------------------


def contested(name: str, creator: User, viewer: User) -> tuple[User, str, str, list[dict[str, Any]]]:
    """The caller, the method and the address of one object, and two bodies that change it."""
    stream = make_stream(creator)
    titles = [{"title": f"Talk {number}"} for number in range(2)]
    match name:
        case "stream":
            return creator, "PATCH", stream_url(stream), titles
        case "ban":
            url = f"{BANS}/{make_ban(viewer, stream).pk}"
            return creator, "PATCH", url, [{"reason": body["title"]} for body in titles]
        case _:
            remind(viewer, stream, minute=30)
            return viewer, "POST", reminder_url(stream), [{"minute": 10}, {"minute": 20}]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["stream", "ban", "reminder"])
def test_of_many_changes_with_one_tag_exactly_one_happens(name: str, api: Api, creator: User, viewer: User) -> None:
    caller, method, url, bodies = contested(name, creator, viewer)
    clients: list[Any] = [api(caller) for _ in range(8)]
    etag = clients[0].get(url).headers["ETag"]

    def change(number: int) -> int:
        send = getattr(clients[number], method.lower())
        status: int = send(url, bodies[number % 2], format="json", HTTP_IF_MATCH=etag).status_code
        return status

    assert sorted(at_once(8, change)) == [200] + [412] * 7


def test_a_change_without_the_header_runs_no_more_statements(api: Api, creator: User) -> None:
    client: Any = api(creator)
    url = stream_url(make_stream(creator))
    plain = statements(lambda: client.patch(url, {"title": "One"}, format="json"))

    checked = statements(lambda: client.patch(url, {"title": "Two"}, format="json", HTTP_IF_MATCH="*"))

    assert len(checked) == len(plain) + 2, "the lock, and the read"
    assert LiveStream.objects.get().title == "Two"
