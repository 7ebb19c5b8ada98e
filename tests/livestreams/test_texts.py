"""Validation of titles, and searches for titles and names."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from edges.services import admit
from livestreams.models import Status
from reminders.channels import Batch, Person
from reminders.channels.email import message
from reminders.channels.webhook import payload
from tests.common.test_texts import NOTHING_TO_SEE, SEEN
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import NOTIFICATIONS, notified_of_start
from tests.streams import STREAMS, make_stream, stream_url

CREATE = f"{STREAMS}/create"


@pytest.mark.parametrize("title", NOTHING_TO_SEE, ids=ascii)
def test_a_title_without_visible_characters_is_refused(title: str, api: Api, creator: User) -> None:
    answer = api(creator).post(CREATE, {"title": title}, format="json")

    assert_refused(answer, 400, "validation_failed", "title: must have at least one visible character")


@pytest.mark.parametrize("title", SEEN, ids=ascii)
def test_titles_in_every_script_are_stored_and_found(title: str, api: Api, creator: User) -> None:
    stream = data_of(api(creator).post(CREATE, {"title": title}, format="json"), 201)

    found = data_of(api(creator).get(STREAMS, {"search": title}))["list"]

    assert [row["id"] for row in found] == [stream["id"]]


@pytest.mark.parametrize(
    ("sign", "rule"),
    [
        ("\n", "must not have line breaks or control characters, such as U+000A"),
        ("\x1b", "must not have line breaks or control characters, such as U+001B"),
        ("\a", "must not have line breaks or control characters, such as U+0007"),
        ("\u2028", "must not have line breaks or control characters, such as U+2028"),
        ("\u202e", "must not have embeddings or overrides of the direction of writing, such as U+202E"),
        ("\u2069", "must close each isolate of the direction of writing (U+2066 to U+2068) with U+2069"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("field", ["title", "interest"])
def test_controls_are_refused_with_their_code_point(field: str, sign: str, rule: str, api: Api, creator: User) -> None:
    answer = api(creator).post(CREATE, {"title": "a", field: f"a{sign}b"}, format="json")

    assert_refused(answer, 400, "validation_failed", f"{field}: {rule}")


def test_the_length_of_a_title_counts_in_its_composed_form(api: Api, creator: User) -> None:
    client = api(creator)
    assert data_of(client.post(CREATE, {"title": "e\u0301" * 140}, format="json"), 201)["title"] == "é" * 140

    # U+0958 has no composed form: two code points are stored for it.
    for title in ("e\u0301" * 141, "\u0958" * 71, "e" + "\u0301" * 600):
        answer = client.post(CREATE, {"title": title}, format="json")
        assert_refused(answer, 400, "validation_failed", "title: must have at most 140 characters")


def test_a_search_without_visible_characters_is_refused(api: Api, creator: User) -> None:
    make_stream(creator)

    for address in (STREAMS, stream_url(make_stream(creator, Status.ACTIVE), "viewers")):
        answer = api(creator).get(address, {"search": "\u0301\u200b"})
        assert_refused(answer, 400, "validation_failed", "search: must have at least one visible character")


FOUND = [
    ("ΚΟΣ", "ΚΟΣΜΟΣ"), ("ΟΔΥΣΣΕΥΣ", "Οδυσσεύς"), ("οδυσσευς", "ΟΔΥΣΣΕΥΣ"), ("STRASSE", "Straße"), ("ozturk", "Öztürk"),
    ("محمد", "محمد"), ("विद्या", "विद्या"), ("สมชาย", "สมชาย"), ("かぎ", "かぎ"), ("שלום", "שָׁלוֹם"), ("isik", "IŞIK"),
]  # fmt: skip


@pytest.mark.parametrize(("search", "name"), FOUND)
def test_viewers_are_found_by_their_name(search: str, name: str, api: Api, creator: User) -> None:
    stream, now = make_stream(creator, Status.ACTIVE), timezone.now()
    for user in (make_user("first", name=name), make_user("second", surname=name), make_user("other", name="Nobody")):
        admit(user, stream.pk, status=stream.status, role="audience", restriction=None, now=now)

    found = data_of(api(creator).get(stream_url(stream, "viewers"), {"search": search}))["list"]

    assert {user["username"] for user in found} == {"first", "second"}


@pytest.mark.parametrize(("search", "title"), FOUND)
def test_streams_are_found_by_their_title(search: str, title: str, api: Api, creator: User) -> None:
    stream = make_stream(creator, title=f"a {title}")
    make_stream(creator, title="Nothing")

    assert [row["id"] for row in data_of(api(creator).get(STREAMS, {"search": search}))["list"]] == [stream.pk]


def test_a_right_to_left_title_is_isolated_in_notifications(api: Api, creator: User, viewer: User) -> None:
    title = "שלום 1"
    stream = make_stream(creator, title=title)
    notified_of_start(viewer, stream)
    people = (Person(viewer.pk, "אדה", "a@example.com", "en"),)
    batch = Batch(viewer.pk, "live", stream.pk, title, None, timezone.now(), people)

    (notice,) = data_of(api(viewer).get(NOTIFICATIONS))["list"]
    mailed: Any = message(batch, people[0])

    assert notice["message"] == f"“\u2068{title}\u2069” has started."
    assert payload(batch)["data"]["texts"]["en"]["message"] == notice["message"]
    assert mailed.subject == notice["message"]
    assert mailed.body.startswith(f"Hello \u2068אדה\u2069,\n\n{notice['message']}")


def test_a_stored_direction_override_is_removed_from_notifications(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, title="\u202eab\u2069c")
    notified_of_start(viewer, stream)

    (notice,) = data_of(api(viewer).get(NOTIFICATIONS))["list"]

    assert notice["message"] == "“\u2068abc\u2069” has started."
