"""ETag and If-None-Match of every read, and what caches may do with each answer."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import appeal_ban, change_ban, lift_ban
from common.refusals import Refusal
from edges.services import CREATORS, admit
from livestreams.models import LiveStream
from livestreams.services import delete_stream, edit_stream, end_stream, start_stream
from reminders.models import Notification
from reminders.services import choose_channels, mark_notification, remove_reminder
from tests.api.operations import Operation, World, operations
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.conftest import Api, make_user
from tests.edges.feedback import gave
from tests.envelope import data_of
from tests.reminders.asking import notified_of_start, remind
from tests.streams import STREAMS, make_stream, stream_url
from tests.test_statements import statements

READS = [operation for operation in operations() if operation.method == "GET"]
CHANGING = [operation for operation in operations() if operation.method != "GET"]
VARY = {"Authorization", "X-Language", "Accept-Language"}


def varies_by(response: Any) -> set[str]:
    return {name.strip() for name in response.headers["Vary"].split(",")}


# --- unchanged ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", READS, ids=str)
def test_a_read_that_is_repeated_unchanged_is_answered_with_304_and_no_body(operation: Operation, world: World) -> None:
    first = world.call(operation)
    etag = first.headers["ETag"]
    assert etag.startswith('"')  # strong

    for header in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        unchanged = world.call(operation, unless=header)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert "Content-Type" not in unchanged.headers
        assert "Content-Length" not in unchanged.headers
        for name in ("ETag", "Cache-Control", "Vary"):
            assert unchanged.headers[name] == first.headers[name]
    assert world.call(operation, unless='"x"').headers["ETag"] == etag


@pytest.mark.parametrize("operation", READS, ids=str)
def test_head_has_the_headers_of_get(operation: Operation, world: World) -> None:
    got = world.call(operation)
    head = Operation("HEAD", operation.path, operation.declared)

    answered = world.call(head)

    assert (answered.status_code, answered.content) == (200, b"")
    for name in ("ETag", "Cache-Control", "Vary", "Content-Type"):
        assert answered.headers[name] == got.headers[name]
    assert world.call(head, unless=got.headers["ETag"]).status_code == 304


# --- changed --------------------------------------------------------------------------------------


def changes(world: World) -> list[Callable[[], object]]:
    """Services that change what reads answer, in an order in which each of them can succeed."""
    now, creator, caller, viewer = timezone.now(), world.creator, world.caller, world.viewer
    stream = LiveStream.objects.get(pk=world.stream.pk)
    other = make_user("other")
    ban = LiveStreamBan.objects.filter(stream=stream, target=viewer).first() or make_ban(viewer, stream)
    elsewhere = make_stream(other)
    later = {"planned_start_at": now + timedelta(hours=3)}

    def renamed() -> None:
        User.objects.filter(pk__in=(creator.pk, caller.pk, viewer.pk)).update(name="Renamed")

    def notified() -> None:
        notified_of_start(caller, make_stream(make_user("starter")))

    def marked() -> None:
        for row in Notification.objects.filter(user=caller):
            mark_notification(row.pk, by=caller, now=now, read=True)

    return [
        lambda: edit_stream(stream.pk, by=creator, now=now, changes={"title": "Another talk"}),
        lambda: edit_stream(stream.pk, by=creator, now=now, changes=later),
        lambda: remind(caller, stream, minute=15),
        lambda: remind(caller, stream, minute=30),
        lambda: remove_reminder(stream.pk, by=caller, now=now),
        lambda: make_stream(creator, title="A new one"),
        lambda: make_stream(make_user("host"), guest=creator),
        lambda: make_ban(other, stream),
        lambda: change_ban(ban.pk, by=creator, now=now, changes={"reason": "spam"}),
        lambda: appeal_ban(ban.pk, by=viewer, now=now, text="It was not me."),
        lambda: lift_ban(ban.pk, by=creator, now=now),
        lambda: make_report(caller, elsewhere),
        lambda: make_ban(caller, elsewhere),
        lambda: appeal_ban(elsewhere.bans.get().pk, by=caller, now=now, text="It was not me."),
        notified,
        marked,
        lambda: choose_channels(by=caller, now=now, wanted={"inbox": True}),
        renamed,
        lambda: start_stream(stream.pk, by=creator, now=now),
        lambda: _joined(other, stream),
        lambda: CREATORS.finish_pass(now + timedelta(days=1)),
        lambda: _joined(caller, make_stream(other, "ended")),
        lambda: end_stream(stream.pk, by=creator, now=now),
        lambda: gave(other, stream, 5),
        lambda: make_stream(creator, "active"),
        lambda: delete_stream(stream.pk, by=creator, now=now),
    ]


def _joined(user: User, stream: LiveStream) -> None:
    admit(user, stream.pk, status="active", role="audience", restriction=None, now=timezone.now())


# Nothing in `changes` touches them: a channel needs a setting.
UNTOUCHED = {"getNotificationsChannelsV1"}


@pytest.mark.parametrize("operation", [one for one in READS if str(one) not in UNTOUCHED], ids=str)
def test_a_read_is_answered_with_200_after_each_change_of_its_data_and_with_304_otherwise(
    operation: Operation, world: World
) -> None:
    seen, known = 0, world.call(operation)

    for change in changes(world):
        with suppress(Refusal):
            change()
        again, asked = world.call(operation), world.call(operation, unless=known.headers["ETag"])
        if again.status_code != 200:
            assert asked.status_code == again.status_code
            seen += 1
            break
        is_same = content_of(again) == content_of(known)
        assert (again.headers["ETag"] == known.headers["ETag"]) is is_same
        if asked.status_code == 200:
            # Compared by itself: some reads depend on the clock, which may change them between the two calls.
            assert content_of(asked) != content_of(known), change
            again = asked
        else:
            assert asked.status_code == 304
            assert is_same, change
        seen += not is_same
        known = again

    assert seen, "no change was seen by this read"


def content_of(response: Any) -> Any:
    is_json = response.headers["Content-Type"] == "application/json"
    return response.json()["data"] if is_json else response.content


def test_choosing_a_channel_changes_the_channels(api: Api, creator: User, settings: Any) -> None:
    settings.NOTIFICATION_CHANNELS = {"email": "reminders.channels.email.EmailChannel"}
    client, url = api(creator), "/api/v1/notifications/channels"
    etag = client.get(url).headers["ETag"]

    data_of(client.patch(url, {"email": False}, format="json"))

    assert client.get(url, HTTP_IF_NONE_MATCH=etag).status_code == 200


# --- languages, callers and pages -----------------------------------------------------------------


def test_the_tag_depends_on_the_language_where_the_text_does(api: Api, creator: User, now: datetime) -> None:
    notified_of_start(creator, make_stream(creator))
    client: Any = api(creator)
    for url, is_translated in (("/api/v2/notifications", True), (STREAMS, False)):
        english, turkish = (client.get(url, HTTP_X_LANGUAGE=one).headers["ETag"] for one in ("en", "tr"))
        assert (english != turkish) is is_translated


def test_the_tag_depends_on_the_caller_where_the_data_does(api: Api, creator: User, viewer: User) -> None:
    url = stream_url(make_stream(creator))

    assert api(creator).get(url).headers["ETag"] != api(viewer).get(url).headers["ETag"]


def test_a_304_of_a_page_has_its_cursor(api: Api, creator: User) -> None:
    for _ in range(2):
        make_stream(creator)
    client = api(creator)
    page = client.get(f"{STREAMS}?limit=1")

    unchanged = client.get(f"{STREAMS}?limit=1", HTTP_IF_NONE_MATCH=page.headers["ETag"])

    assert unchanged.status_code == 304
    assert unchanged.headers["X-Next-Cursor"] == page.headers["X-Next-Cursor"]


def test_a_conditional_read_runs_no_more_statements(api: Api, creator: User) -> None:
    client, url = api(creator), stream_url(make_stream(creator))
    etag = client.get(url).headers["ETag"]

    assert len(statements(lambda: client.get(url, HTTP_IF_NONE_MATCH=etag))) == 2


# --- caches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", READS, ids=str)
def test_caches_revalidate_every_read_and_share_no_personal_one(operation: Operation, world: World) -> None:
    is_json = "application/json" in operation.response(200)["content"]

    if operation.takes_token:
        personal = world.call(operation)
        assert personal.headers["Cache-Control"] == "private, no-cache"
        assert varies_by(personal) >= (VARY if is_json else {"Authorization"})
    if not operation.needs_token and is_json:
        public = world.call(operation, authorization="")
        assert public.headers["Cache-Control"] == "public, no-cache"
        assert varies_by(public) >= VARY


@pytest.mark.parametrize("operation", CHANGING, ids=str)
def test_the_answer_to_a_change_is_not_stored(operation: Operation, world: World) -> None:
    response = world.call(operation)

    assert response.headers["Cache-Control"].startswith("no-store")
    assert "ETag" not in response.headers


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_errors_are_not_stored(operation: Operation, world: World) -> None:
    refused = world.call(operation, raw=b"x", content_type="text/plain")

    assert refused.status_code == 415
    assert refused.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/healthz", "/readyz"])
def test_answers_outside_the_operations_are_not_stored(path: str, client: Any, db: None) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"
