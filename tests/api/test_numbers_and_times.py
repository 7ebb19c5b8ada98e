"""Numbers and times in forms, queries and JSON: one rule for all fields."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.models import User
from livestreams.models import LiveStream
from tests.api.operations import Operation, World, operations
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.hostile_forms import CONTENT_TYPE, form
from tests.streams import STREAMS

CREATE = f"{STREAMS}/create"
ALL = operations()

NO_NUMBERS = ["1_000", "١٢", "１２", " 5 ", "5 ", "+5", "1e3", "0x10", "1,5", "nan", "inf", "٣.٥", "--5", "5.", ".5"]
BOUNDED = [
    (operation, parameter["name"])
    for operation in ALL
    for parameter in operation.query
    if parameter["schema"].get("type") in {"integer", "number"}
]


@pytest.mark.parametrize(("operation", "name"), BOUNDED, ids=str)
def test_a_number_in_a_query_is_digits(operation: Operation, name: str, world: World) -> None:
    client: Any = world.api(world.caller)

    for number in NO_NUMBERS:
        path = world.path(operation)
        refused = client.get(f"{path}{'&' if '?' in path else '?'}{urlencode({name: number})}")
        assert_refused(refused, 400, "validation_failed", f"{name}: must be a whole number")


@pytest.mark.parametrize(
    ("name", "reason"), [("price", "must be a number"), ("durationGoal", "must be a whole number")]
)
@pytest.mark.parametrize("number", NO_NUMBERS)
def test_a_number_in_a_form_is_digits(name: str, reason: str, number: str, api: Api, creator: User) -> None:
    part = f'Content-Disposition: form-data; name="{name}"\r\n\r\n{number}'.encode()
    client: Any = api(creator)

    title = b'Content-Disposition: form-data; name="title"\r\n\r\nTalk'
    assert_refused(
        client.generic("POST", CREATE, form(title, part), CONTENT_TYPE), 400, "validation_failed", f"{name}: {reason}"
    )


@pytest.mark.parametrize(("written", "price"), [("5", 5.0), ("0005.50", 5.5), ("0", None), ("99999999", 99_999_999.0)])
def test_a_price_in_a_form_may_have_a_decimal_point(written: str, price: float | None, api: Api, creator: User) -> None:
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in (("title", "Talk"), ("price", written))
    ]
    client: Any = api(creator)

    assert data_of(client.generic("POST", CREATE, form(*parts), CONTENT_TYPE), 201)["price"] == price


@pytest.mark.parametrize("name", ["price", "durationGoal"])
@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1" + "0" * 400, '"5"', "true", "[5]", "NaN", "1_000", "+5", "0x10"]
)
def test_a_number_in_json_is_a_finite_number(name: str, number: str, api: Api, creator: User) -> None:
    body = f'{{"title": "Talk", "{name}": {number}}}'

    refused = api(creator).post(CREATE, body, content_type="application/json")

    if refused.headers["X-Error-Code"] == "malformed_request":
        assert refused.json()["errors"][1].startswith("body: is not JSON")
    else:
        assert_refused(refused, 400, "validation_failed")
        assert refused.json()["errors"][1].startswith(f"{name}: must be ")


@pytest.mark.parametrize(
    "written",
    [
        "2040-05-01T20:00:00z",
        "2040-05-01t20:00:00Z",
        "2040-05-01t20:00:00.000z",
        "2040-05-01T23:00:00+03:00",
        "2040-05-01T20:00:00-00:00",
    ],
)
def test_a_time_is_in_rfc_3339_format(written: str, api: Api, creator: User) -> None:
    created = api(creator).post(CREATE, {"title": "Talk", "plannedStartDate": written}, format="json")

    assert data_of(created, 201)["plannedStartDate"] == "2040-05-01T20:00:00.000Z"
    assert LiveStream.objects.get().planned_start_at == datetime(2040, 5, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("2040-06-30T23:59:60Z", "must not be a leap second (:60); send the second before or after it"),
        *(
            (wrong, "must be an ISO 8601 time with a time zone, such as 2026-01-15T10:30:00.000Z")
            for wrong in (
                "2040-05-01T20:00:00", "2040-05-01T24:00:00Z", "2040-05-01T20:60:00Z", "2040-05-01T20:00:61Z",
                "2040-02-30T20:00:00Z", "٢٠٤٠-05-01T20:00:00Z", "2040-05-01 20:00:00Z", "2040-05-01T20:00:00+24:00",
                " 2040-05-01T20:00:00Z", "2040-05-01T20:00Z", "20400501T200000Z", "2040-05-01T20:00:00ż",
            )
        ),
    ],
)  # fmt: skip
def test_an_invalid_time_is_refused(written: str, reason: str, api: Api, creator: User) -> None:
    refused = api(creator).post(CREATE, {"title": "Talk", "plannedStartDate": written}, format="json")

    assert_refused(refused, 400, "validation_failed", f"plannedStartDate: {reason}")
