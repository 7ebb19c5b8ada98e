"""Admin actions on streams: the same changes, refusals and audit rows as through the API."""

import html
import re
from typing import Any

import pytest
from django.contrib.admin import helpers
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from common.admin import LONGEST_REASON, MOST_AT_ONCE, described
from common.models import AuditEntry
from livestreams.models import LiveStream, Status
from livestreams.services import edit_stream
from tests.admin.conftest import Office
from tests.admin.pages import action_url, change_many, list_url, messages_of, page_url, text_of
from tests.conftest import PASSWORD, Api
from tests.streams import make_stream, stream_url

REASON = {"reason": "Somebody complained."}
ACTIONS = ["end_stream", "cancel_stream", "delete_stream", "restore_stream"]
# Admin action, a state that allows it, a state that does not, and the method and path of the same call of the API.
BESIDE_THE_API = [
    ("end_stream", Status.ACTIVE, Status.ENDED, "post", "end"),
    ("cancel_stream", Status.SCHEDULED, Status.ACTIVE, "post", "cancel"),
    ("delete_stream", Status.ENDED, Status.ACTIVE, "delete", ""),
]


def last_entry(stream: LiveStream) -> Any:
    return AuditEntry.objects.filter(target_id=stream.pk).order_by("-pk").values()[0]


def row_of(stream: LiveStream) -> Any:
    return LiveStream.all_objects.values().get(pk=stream.pk)


def call(api: Api, stream: LiveStream, method: str, path: str) -> Any:
    return getattr(api(stream.creator), method)(stream_url(stream, path))


@pytest.mark.parametrize(("action", "state", "_wrong", "method", "path"), BESIDE_THE_API)
@pytest.mark.parametrize("many", [False, True])
def test_an_action_changes_the_row_and_writes_the_audit_row_that_the_api_writes(
    action: str, state: Status, _wrong: Status, method: str, path: str, many: bool,
    office: Office, moderator: User, creator: User, guest: User, api: Api,
) -> None:  # fmt: skip
    through_api, through_admin = make_stream(creator, state), make_stream(guest, state)
    client = office(moderator)

    assert call(api, through_api, method, path).status_code == 200
    if many:
        answer = change_many(client, action, [through_admin], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(through_admin, action), REASON, headers={"X-Request-ID": "case-17"})

    assert answer.status_code == 302
    entry, model = last_entry(through_admin), last_entry(through_api)
    assert entry["action"] == model["action"] == action
    assert entry["before"].keys() == model["before"].keys()
    assert entry["after"].keys() == model["after"].keys()
    assert entry["after"].get("status") == model["after"].get("status")
    assert row_of(through_admin)["status"] == row_of(through_api)["status"]
    assert (entry["entry_point"], entry["actor_id"], entry["actor_name"]) == ("admin", moderator.pk, "moderator")
    assert entry["reason"] == REASON["reason"]
    assert entry["request_id"] == answer.headers["X-Request-ID"]
    assert many or entry["request_id"] == "case-17"


@pytest.mark.parametrize(("action", "_state", "wrong", "method", "path"), BESIDE_THE_API)
@pytest.mark.parametrize("many", [False, True])
def test_a_refusal_is_shown_in_the_words_of_the_api_and_changes_nothing(
    action: str, _state: Status, wrong: Status, method: str, path: str, many: bool,
    office: Office, moderator: User, creator: User, api: Api,
) -> None:  # fmt: skip
    stream = make_stream(creator, wrong)
    before, entries = row_of(stream), AuditEntry.objects.filter(target_id=stream.pk).count()
    reasons = call(api, stream, method, path).json()["errors"][1:]
    client = office(moderator)

    if many:
        answer = change_many(client, action, [stream], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(stream, action), REASON)

    assert messages_of(answer) == [f"“{stream}”: {'; '.join(reasons)}"]
    assert row_of(stream) == before
    assert AuditEntry.objects.filter(target_id=stream.pk).count() == entries


def test_a_restored_stream_is_back_and_a_living_one_is_refused(
    office: Office, moderator: User, creator: User, api: Api
) -> None:
    stream = make_stream(creator)
    client = office(moderator)
    client.post(action_url(stream, "delete_stream"), REASON)
    assert api(creator).get(stream_url(stream)).status_code == 404

    client.post(action_url(stream, "restore_stream"), REASON)
    again = client.post(action_url(stream, "restore_stream"), REASON)

    assert api(creator).get(stream_url(stream)).status_code == 200
    assert last_entry(stream)["action"] == "restore_stream"
    assert messages_of(again)[-1:] == [f"“{stream}”: the stream is not deleted"]


def test_a_deleted_stream_is_refused_like_a_missing_one(office: Office, moderator: User, creator: User) -> None:
    stream = make_stream(creator)
    client = office(moderator)
    client.post(action_url(stream, "delete_stream"), REASON)

    answer = client.post(action_url(stream, "cancel_stream"), REASON)

    assert messages_of(answer)[-1:] == [f"“{stream}”: there is no stream with this id"]


def test_of_many_streams_each_is_changed_or_refused_on_its_own(office: Office, moderator: User, creator: User) -> None:
    good, also_good = make_stream(creator, title="One"), make_stream(creator, title="Two")
    ended, active = make_stream(creator, Status.ENDED, title="Three"), make_stream(creator, Status.ACTIVE, title="Four")

    answer = change_many(
        office(moderator), "cancel_stream", [good, ended, also_good, active], confirmed="yes", **REASON
    )

    assert {row_of(stream)["status"] for stream in (good, also_good)} == {Status.CANCELLED_BY_HOST}
    assert messages_of(answer)[0] == "2 streams were cancelled."
    assert sorted(messages_of(answer)[1:]) == [
        "“Four”: the stream is active; it can only be ended",
        "“Three”: the stream is ended; it can only be deleted",
    ]


def test_many_refusals_for_one_reason_are_one_message(office: Office, moderator: User, creator: User) -> None:
    streams = [make_stream(creator, Status.ENDED, title=f"Talk {number}") for number in range(5)]

    answer = change_many(office(moderator), "cancel_stream", streams, confirmed="yes", **REASON)

    (message,) = messages_of(answer)
    assert message.endswith(" and 2 more: the stream is ended; it can only be deleted")


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", "This field is required."),
        ("   ", "This field is required."),
        ("x" * (LONGEST_REASON + 1), f"at most {LONGEST_REASON} characters"),
        ("a\0b", "must not have control characters other than line breaks and tabs, such as U+0000"),
    ],
)
def test_an_invalid_reason_is_refused(
    reason: str, expected: str, many: bool, office: Office, moderator: User, creator: User
) -> None:
    stream = make_stream(creator)
    before, client = row_of(stream), office(moderator)

    if many:
        answer = change_many(client, "cancel_stream", [stream], confirmed="yes", reason=reason)
    else:
        answer = client.post(action_url(stream, "cancel_stream"), {"reason": reason})

    assert answer.status_code == 200
    assert expected in text_of(answer)
    assert row_of(stream) == before


def test_the_longest_reason_is_kept_whole(office: Office, moderator: User, creator: User) -> None:
    stream = make_stream(creator)
    office(moderator).post(action_url(stream, "cancel_stream"), {"reason": "ş" * LONGEST_REASON})
    assert last_entry(stream)["reason"] == "ş" * LONGEST_REASON


@pytest.mark.parametrize("action", ACTIONS)
def test_the_confirmation_page_changes_nothing(action: str, office: Office, moderator: User, creator: User) -> None:
    stream = make_stream(creator)
    before, client = row_of(stream), office(moderator)

    single = client.get(action_url(stream, action))
    many = change_many(client, action, [stream])

    for page in (single, many):
        assert page.status_code == 200
        assert described(stream) in text_of(page)
    assert row_of(stream) == before


def test_rows_that_were_shown_are_changed_even_if_the_filter_hides_them_by_now(
    office: Office, moderator: User, creator: User
) -> None:
    stream = make_stream(creator)
    client = office(moderator)
    address = list_url(LiveStream) + "?status__exact=scheduled"
    page = client.post(address, {"action": "cancel_stream", "_selected_action": [stream.pk]})

    fields = {
        name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page.content.decode())
    }
    edit_stream(stream.pk, by=creator, now=timezone.now(), changes={"planned_start_at": None})  # now preparing
    del fields["versions"]

    answer = client.post(list_url(LiveStream), fields | REASON)

    assert answer.headers["Location"] == address
    assert messages_of(answer)[-1] == "1 stream was cancelled."


def test_more_streams_than_the_limit_are_refused(office: Office, moderator: User, creator: User) -> None:
    stream = make_stream(creator)
    copies = [
        LiveStream(**{**row_of(stream), "id": f"{number:024x}", "channel_name": f"copy-{number}"})
        for number in range(MOST_AT_ONCE)
    ]
    LiveStream.objects.bulk_create(copies)

    answer = change_many(office(moderator), "cancel_stream", [stream], select_across="1")

    assert messages_of(answer) == [f"Choose at most {MOST_AT_ONCE} at once."]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("who", ["reader", "creator", "nobody"])
@pytest.mark.parametrize("many", [False, True])
def test_a_crafted_post_of_somebody_without_the_permission_changes_nothing(
    action: str, who: str, many: bool, request: Any, office: Office, client: Client, creator: User
) -> None:
    stream = make_stream(creator, Status.ACTIVE if action == "end_stream" else Status.SCHEDULED)
    before, entries = row_of(stream), AuditEntry.objects.count()
    if who != "nobody":
        client = office(request.getfixturevalue(who))

    if many:
        answer = change_many(client, action, [stream], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(stream, action), REASON)

    if who != "nobody":
        assert answer.status_code == 403
    else:
        assert answer.headers["Location"].startswith(reverse("admin:login"))
    assert row_of(stream) == before
    assert AuditEntry.objects.count() == entries


def test_staff_without_the_permission_are_offered_no_action(office: Office, reader: User, creator: User) -> None:
    stream = make_stream(creator)
    page = office(reader).get(page_url(stream)).content.decode()
    listed = office(reader).get(list_url(LiveStream)).content.decode()
    assert not any(action in page + listed for action in ACTIONS)


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        (Status.SCHEDULED, {"cancel_stream", "delete_stream"}),
        (Status.ACTIVE, {"end_stream"}),
        (Status.ENDED, {"delete_stream"}),
    ],
)
def test_the_page_offers_what_the_lifecycle_allows(
    state: Status, offered: set[str], office: Office, moderator: User, creator: User
) -> None:
    stream = make_stream(creator, state)
    page = office(moderator).get(page_url(stream)).content.decode()
    assert {action for action in ACTIONS if action_url(stream, action) in page} == offered


@pytest.mark.parametrize("chosen", ["x", "", "%00", "' OR 1=1"])
def test_a_crafted_choice_that_is_no_id_is_refused(chosen: str, office: Office, moderator: User, creator: User) -> None:
    stream = make_stream(creator)
    before = row_of(stream)

    answer = office(moderator).post(
        list_url(LiveStream),
        {"action": "cancel_stream", helpers.ACTION_CHECKBOX_NAME: [chosen, stream.pk], "confirmed": "yes"} | REASON,
    )

    assert answer.status_code == 400
    assert row_of(stream) == before


def test_a_post_without_the_csrf_token_changes_nothing(moderator: User, creator: User) -> None:
    stream = make_stream(creator)
    before = row_of(stream)
    client = Client(enforce_csrf_checks=True)
    client.force_login(moderator)

    without = client.post(action_url(stream, "cancel_stream"), REASON)
    assert without.status_code == 403
    assert row_of(stream) == before

    client.get(action_url(stream, "cancel_stream"))
    with_token = {"csrfmiddlewaretoken": client.cookies["csrftoken"].value} | REASON
    assert client.post(action_url(stream, "cancel_stream"), with_token).status_code == 302
    assert row_of(stream)["status"] == Status.CANCELLED_BY_HOST


def test_logging_in_needs_the_csrf_token_too(moderator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    credentials = {"username": "moderator", "password": PASSWORD, "next": reverse("admin:index")}

    assert client.post(reverse("admin:login"), credentials).status_code == 403

    client.get(reverse("admin:login"))
    credentials["csrfmiddlewaretoken"] = client.cookies["csrftoken"].value
    assert client.post(reverse("admin:login"), credentials).headers["Location"] == reverse("admin:index")


def test_the_reason_is_asked_for_in_turkish_too(office: Office, moderator: User, creator: User) -> None:
    stream = make_stream(creator)
    page = office(moderator).get(action_url(stream, "cancel_stream"), headers={"Accept-Language": "tr"})
    assert 'lang="tr"' in page.content.decode()
