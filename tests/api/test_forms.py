"""Multipart forms: unknown and repeated parts, and lists as existing apps send them."""

from typing import Any

import pytest

from accounts.models import User
from livestreams.models import LiveStream
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.hostile_forms import CONTENT_TYPE, form
from tests.streams import STREAMS

FAR = "qqqxyz"  # not similar to any key of a stream


def posted_form(api: Api, creator: User, *fields: tuple[str, str]) -> Any:
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields]
    client: Any = api(creator)  # its stubs do not accept bytes
    return client.generic("POST", f"{STREAMS}/create", form(*parts), CONTENT_TYPE)


DUO = (("title", "Talk"), ("liveStreamType", "duoself"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("guests[]", "guests[]: unknown; did you mean guests?"),
        ("titel", "titel: unknown; did you mean title?"),
        (FAR, f"{FAR}: unknown"),
    ],
)
def test_an_unknown_part_of_a_form_is_refused(name: str, reason: str, api: Api, creator: User) -> None:
    assert_refused(posted_form(api, creator, *DUO, (name, "x")), 400, "validation_failed", reason)
    assert not LiveStream.all_objects.exists()


def test_a_repeated_part_of_a_form_is_refused(api: Api, creator: User) -> None:
    refused = posted_form(api, creator, *DUO, ("title", "Talk"))

    assert_refused(refused, 400, "validation_failed", "title: must not be repeated")


@pytest.mark.parametrize("written", ["{id}", '["{id}"]', ' [ "{id}" ] '])
def test_guests_of_a_form_are_one_part_each_or_one_json_text(
    written: str, api: Api, creator: User, guest: User
) -> None:
    created = posted_form(api, creator, *DUO, ("guests", written.replace("{id}", guest.pk)))

    assert [one["_id"] for one in data_of(created, 201)["guests"]] == [guest.pk]


@pytest.mark.parametrize("parts", [(), ("",), ("", ""), ("[]",)])
def test_a_form_may_have_no_guests(parts: tuple[str, ...], api: Api, creator: User) -> None:
    created = posted_form(api, creator, ("title", "Talk"), *(("guests", part) for part in parts))

    assert data_of(created, 201)["guests"] == []


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (('["673ac9e2',), "guests: must be a list"),
        (("[" * 60_000,), "guests: must be a list"),
        (('["673ac9e2c93fe18d3fdd23f1", "673ac9e2c93fe18d3fdd23f2"]',), "guests: must have at most one id"),
        (("673ac9e2c93fe18d3fdd23f1", "673ac9e2c93fe18d3fdd23f2"), "guests: must have at most one id"),
        (("673ac9e2c93fe18d3fdd23f1", ""), "guests: must have at most one id"),
        (("[7]",), "guests.0: must be 24 lower-case hexadecimal characters"),
        (('{"0": "673ac9e2c93fe18d3fdd23f1"}',), "guests.0: must be 24 lower-case hexadecimal characters"),
    ],
)
def test_guests_that_are_not_a_list_of_one_are_refused(
    parts: tuple[str, ...], reason: str, api: Api, creator: User
) -> None:
    refused = posted_form(api, creator, *DUO, *(("guests", part) for part in parts))

    assert_refused(refused, 400, "validation_failed", reason)
