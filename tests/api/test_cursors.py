"""The header X-Next-Cursor and the parameter `after`, tested with lists of streams, which have every kind of order."""

import base64
import re
import sys
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from common import cursors
from common.cursors import Cursor, digest_of
from common.fields import new_object_id
from common.pagination import Listing
from livestreams.models import LiveStream
from livestreams.reads import STREAMS as LISTING
from livestreams.serializers import SORTABLE
from tests.bans.people import BANS, make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream
from tests.test_statements import statements

HEADER = "X-Next-Cursor"
OTHER_ORDER = "after: this cursor belongs to another list or order"
NO_PLACE = "after: must be 24 lower-case hexadecimal characters, or the X-Next-Cursor of a page"


@pytest.fixture
def seven(creator: User, now: datetime) -> list[LiveStream]:
    """Created a microsecond apart. Every second one has no duration goal, every third no planned start."""
    return [
        make_stream(
            creator,
            "scheduled" if number % 3 else "preparing",
            now=now + timedelta(microseconds=number),
            title=str(number),
            duration_goal=number + 1 if number % 2 else None,
        )
        for number in range(7)
    ]


def read(client: Any, address: str = STREAMS, **query: Any) -> tuple[str, str | None]:
    """The titles of a page, one character each, and its cursor."""
    response = client.get(address, {"limit": 3} | query)
    return "".join(stream["title"] for stream in data_of(response)["list"]), response.headers.get(HEADER)


def test_each_page_but_the_last_has_a_cursor_of_url_safe_characters(
    api: Api, seven: list[LiveStream], viewer: User
) -> None:
    client = api(viewer)

    pages = [read(client, page=number) for number in (1, 2, 3)]

    assert [titles for titles, _ in pages] == ["654", "321", "0"]
    first, second, last = (cursor for _, cursor in pages)
    assert first is not None
    assert (second is None, last is None) == (False, True)
    assert re.fullmatch(r"[A-Za-z0-9_-]{36}", first)
    assert read(client, after=first) == ("321", second)
    assert read(client, after=second) == ("0", None)
    assert read(client, after=first, page=9, limit=1)[0] == "3", "page is ignored, and each page has its own limit"


def test_a_page_that_was_read_by_id_has_a_cursor_too(api: Api, seven: list[LiveStream], viewer: User) -> None:
    client = api(viewer)

    titles, cursor = read(client, after=seven[6].pk)

    assert titles == "543"
    assert read(client, after=cursor)[0] == "210"


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTABLE)
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_walking_by_cursors_reads_the_list_in_its_order(
    limit: int, sort: str, order: str, api: Api, seven: list[LiveStream], viewer: User
) -> None:
    client = api(viewer)
    sorting = {"sortBy": sort, "sortOrder": order}

    titles, cursor = read(client, limit=limit, **sorting)
    while cursor:
        more, cursor = read(client, limit=limit, after=cursor, **sorting)
        titles += more

    assert titles == read(client, limit=100, **sorting)[0]
    assert len(titles) == 7


def test_a_page_by_cursor_takes_as_many_statements_as_any(api: Api, seven: list[LiveStream], viewer: User) -> None:
    client: Any = api(viewer)
    _, cursor = read(client)

    assert len(statements(lambda: client.get(STREAMS, {"limit": 3, "after": cursor}))) == 2


def test_head_has_the_cursor_of_get(api: Api, seven: list[LiveStream], viewer: User) -> None:
    client = api(viewer)

    response = client.head(STREAMS, {"limit": 3})

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers[HEADER] == read(client)[1]


def test_a_page_past_the_end_and_an_empty_page_have_no_cursor(api: Api, seven: list[LiveStream], viewer: User) -> None:
    client = api(viewer)

    assert read(client, page=9) == ("", None)
    assert read(client, search="nothing") == ("", None)


def test_a_cursor_is_valid_after_its_row_is_deleted(api: Api, seven: list[LiveStream], viewer: User) -> None:
    client: Any = api(viewer)
    _, cursor = read(client)
    LiveStream.all_objects.filter(pk=seven[4].pk).delete()

    assert read(client, after=cursor)[0] == "321"


def test_a_cursor_at_the_end_gives_an_empty_page_and_the_total(api: Api, seven: list[LiveStream], viewer: User) -> None:
    client: Any = api(viewer)
    _, cursor = read(client, limit=6)
    LiveStream.all_objects.filter(pk=seven[0].pk).delete()

    data = data_of(client.get(STREAMS, {"after": cursor}))

    assert data["list"] == []
    assert (data["pagination"]["totalItems"], data["pagination"]["hasPrevPage"]) == (6, True)


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{"sortOrder": "asc"}, {"sortBy": "updatedAt"}, {"sortBy": "durationGoal"}])
def test_a_cursor_of_another_order_is_refused(
    query: dict[str, str], api: Api, seven: list[LiveStream], viewer: User
) -> None:
    client: Any = api(viewer)
    _, cursor = read(client)

    assert_refused(client.get(STREAMS, {"after": cursor} | query), 400, "validation_failed", OTHER_ORDER)


@pytest.mark.parametrize("address", [f"{STREAMS}/guest-streams", f"{STREAMS}/upcoming", f"{STREAMS}/reminders", BANS])
def test_a_cursor_of_another_list_is_refused(
    address: str, api: Api, seven: list[LiveStream], creator: User, viewer: User
) -> None:
    make_ban(viewer, seven[0])
    client: Any = api(creator)
    _, cursor = read(client)

    assert_refused(client.get(address, {"after": cursor}), 400, "validation_failed", OTHER_ORDER)


def test_every_list_has_a_unique_name() -> None:
    # Nothing else checks that the names differ.
    modules = [module for name, module in sys.modules.items() if name.partition(".")[2].startswith("reads")]
    found = {id(each): each.name for module in modules for each in vars(module).values() if isinstance(each, Listing)}
    numbers = Counter(found.values())
    # The viewers of a crowd and of others are one list: see `edges/reads/audience.py`.
    assert {name: number for name, number in numbers.items() if number > 1} == {"viewers": 2}
    assert len(numbers) >= 8


ANY_BYTES = st.binary(min_size=27, max_size=27)
SIGNED = ANY_BYTES.map(lambda rest: bytes([cursors.VERSION]) + digest_of("streams", "createdAt", True) + rest[7:])  # noqa: FBT003


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=ANY_BYTES | SIGNED, sort=st.sampled_from(sorted(SORTABLE)))
def test_a_forged_cursor_is_a_position_or_is_answered_with_400(raw: bytes, sort: str, api: Api, viewer: User) -> None:
    cursor = base64.urlsafe_b64encode(raw).decode()

    response = api(viewer).get(STREAMS, {"after": cursor, "sortBy": sort})

    if response.status_code == 200:
        assert raw[:7] == bytes([cursors.VERSION]) + digest_of("streams", sort, True)  # noqa: FBT003
    else:
        assert_refused(response, 400, "validation_failed")
        assert response.json()["errors"][1] in {NO_PLACE, OTHER_ORDER, "after: this is no cursor of this list"}


@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1, 2**62])
@pytest.mark.parametrize("sort", SORTABLE)
def test_a_cursor_value_that_no_row_can_have_is_refused(
    sort: str, value: int, api: Api, seven: list[LiveStream], viewer: User
) -> None:
    cursor = Cursor(digest_of(LISTING.name, sort, True), value, new_object_id()).written()  # noqa: FBT003

    response = api(viewer).get(STREAMS, {"after": cursor, "sortBy": sort})

    assert_refused(response, 400, "validation_failed", "after: this is no cursor of this list")


@pytest.mark.parametrize("wrong", ["", "x", "A" * 35, "A" * 37, "+" * 36, "A" * 35 + "=", "0" * 23, "0" * 24 + "\n"])
def test_an_invalid_cursor_is_refused(wrong: str, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(STREAMS, {"after": wrong}), 400, "validation_failed", NO_PLACE)


@given(value=st.datetimes(timezones=st.just(cursors._EPOCH.tzinfo)) | st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_value_is_decoded_as_it_was_encoded(value: datetime | int) -> None:
    field: Any = models.DateTimeField() if isinstance(value, datetime) else models.PositiveSmallIntegerField()
    pk = new_object_id()

    found = cursors.read(Cursor(b"sorted", cursors.number_of(value), pk).written())

    assert found is not None
    assert (found.order, found.id) == (b"sorted", pk)
    assert cursors.value_of(found.value, cursors.kind_of(field)) == value


def test_a_column_whose_type_a_cursor_cannot_encode_cannot_be_an_order() -> None:
    with pytest.raises(TypeError, match="CharField"):
        cursors.kind_of(models.CharField())
