"""Values of filters of admin lists: a valid one filters, an invalid one is refused by name, none is ignored."""

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ChangeList
from django.db.models import DateField, Model
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from accounts.models import User
from bans.models import LiveStreamBan
from common.admin.changelist import declared_parameters
from common.admin.filters import MomentRangeFilter
from livestreams.models import LiveStream
from tests.admin.conftest import Office
from tests.admin.pages import list_url, text_of
from tests.streams import make_stream

pytestmark = pytest.mark.slow

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
SYSTEM = ("q", "o", "p", "e", "all", "_popup", "_to_field", "_facets", "no_such_filter")
HOSTILE = {
    "garbage": "garbage",
    "letters of SQL": "' OR 1=1 --",
    "digits of another script": "٢٠٢٦-٠١-٠١",
    "a number": "99999999999999999999",
    "very long": "x" * 5000,
    "a lone surrogate": "\N{REPLACEMENT CHARACTER}",
    "an id in capitals": "F" * 24,
    "no day": "2026-02-30",
}


@pytest.fixture(autouse=True)
def _no_language_left_behind() -> Iterator[None]:
    with override(None):
        yield


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    """A naive time in a comparison is a RuntimeWarning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.fixture
def client_of_root(populated: LiveStream, db: None, office: Office) -> Client:
    """The client of a superuser. There is at least one row of each model."""
    return office(User.objects.create_superuser("root", "password"))


def parameters(model: type[Model], client: Client) -> list[str]:
    request = client.get(list_url(model)).wsgi_request
    return sorted(declared_parameters(admin.site._registry[model], request))


def texts(model: type[Model], client: Client) -> set[str]:
    """The parameters that take any text."""
    filters = client.get(list_url(model)).context["cl"].filter_specs
    taking = [one for one in filters if getattr(one, "takes_any_text", False)]
    return {name for one in taking for name in one.expected_parameters()}


@pytest.mark.parametrize("model", REGISTERED)
def test_a_null_character_is_refused_in_every_parameter(model: type[Model], client_of_root: Client) -> None:
    names = parameters(model, client_of_root)
    assert names
    for name in [*names, *SYSTEM]:
        for query in (f"{name}=%00", f"{name}=a%00b", f"x%00y=1&{name}=1"):
            answer = client_of_root.get(f"{list_url(model)}?{query}")
            assert answer.status_code == 400, query
            named = "xy" if query.startswith("x") else name
            assert f"{named}: null characters are not allowed" in text_of(answer)


@pytest.mark.parametrize("parameter", ["term", "app_label", "model_name", "field_name"])
def test_a_null_character_is_refused_in_the_search_of_select_boxes(parameter: str, client_of_root: Client) -> None:
    asked = {"app_label": "bans", "model_name": "livestreamban", "field_name": "stream", "term": "a"}
    assert client_of_root.get("/admin/autocomplete/", asked).status_code == 200
    answer = client_of_root.get("/admin/autocomplete/", asked | {parameter: "a\0"})
    assert answer.status_code == 400
    assert f"{parameter}: null characters are not allowed" in text_of(answer)


@pytest.mark.parametrize(
    "address", ["/admin/?x=", "/admin/search/?s=", "/admin/login/?next=", "/admin/no/such/page/?x="]
)
def test_a_null_character_is_refused_in_every_other_address(address: str, client_of_root: Client) -> None:
    assert client_of_root.get(f"{address}%00").status_code == 400


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("model", REGISTERED)
def test_an_invalid_value_is_refused_by_name_and_never_ignored(
    model: type[Model], value: str, client_of_root: Client
) -> None:
    any_text = texts(model, client_of_root)
    for name in parameters(model, client_of_root):
        answer = client_of_root.get(list_url(model), {name: value})
        if name in any_text or name.endswith("__icontains"):
            assert answer.status_code == 200
            assert list(answer.context["cl"].result_list) == []
            continue
        assert answer.status_code == 400, name
        assert "cl" not in (answer.context or {})
        assert name.removesuffix("_0").removesuffix("_1") in text_of(answer)


@pytest.mark.parametrize("model", REGISTERED)
def test_a_repeated_value_is_refused_and_an_empty_one_is_ignored(model: type[Model], client_of_root: Client) -> None:
    for name in parameters(model, client_of_root):
        twice = client_of_root.get(f"{list_url(model)}?{name}=1&{name}=0")
        assert twice.status_code == 400
        assert f"{name}: it is given more than once" in text_of(twice)
        empty = client_of_root.get(list_url(model), {name: ""})
        assert empty.status_code == 200
        assert len(empty.context["cl"].result_list) > 0


def offered_values(changelist: ChangeList) -> Iterator[tuple[str, str]]:
    """Every value that the filters on the page list."""
    for one in changelist.filter_specs:
        for choice in one.choices(changelist):
            form: Any = choice.get("form")
            for name, field in form.fields.items() if form else ():
                yield from ((name, str(value)) for value, _label in getattr(field, "choices", ()) if value)


@pytest.mark.parametrize("model", REGISTERED)
def test_every_value_that_a_filter_offers_is_accepted(model: type[Model], client_of_root: Client) -> None:
    offered = list(offered_values(client_of_root.get(list_url(model)).context["cl"]))
    assert offered or model is User
    for name, value in [*offered, *((name, "1") for name in parameters(model, client_of_root) if "isnull" in name)]:
        assert client_of_root.get(list_url(model), {name: value}).status_code == 200, (name, value)


# --- times ----------------------------------------------------------------------------------------


def ranges() -> list[tuple[type[Model], str]]:
    return [
        (model, str(entry[0]))
        for model in REGISTERED
        for entry in admin.site._registry[model].list_filter
        if isinstance(entry, tuple) and isinstance(get_fields_from_path(model, str(entry[0]))[-1], DateField)
    ]


def test_every_filter_of_a_time_is_a_moment_range_filter() -> None:
    assert len(ranges()) >= 8
    for model, field in ranges():
        shown: list[Any] = [
            each
            for each in admin.site._registry[model].list_filter
            if isinstance(each, (tuple, list)) and each[0] == field
        ]
        assert [issubclass(each[1], MomentRangeFilter) for each in shown] == [True]


DAY = datetime(2031, 5, 17, tzinfo=UTC)


@pytest.fixture
def three_days(populated: LiveStream, db: None) -> dict[str, LiveStream]:
    """Streams around the ends of a day."""
    moments = {
        "before": DAY - timedelta(microseconds=1),
        "first": DAY,
        "noon": DAY + timedelta(hours=12, microseconds=500_000),
        "last": DAY + timedelta(days=1, microseconds=-1),
        "after": DAY + timedelta(days=1),
    }
    streams = {name: make_stream(populated.creator, title=name) for name in moments}
    for name, moment in moments.items():
        LiveStream.objects.filter(pk=streams[name].pk).update(planned_start_at=moment)
    return streams


def found(client: Client, language: str = "en", **query: str) -> set[str]:
    sent = {f"planned_start_at_{name}": value for name, value in query.items()}
    answer = client.get(list_url(LiveStream), sent, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return {stream.title for stream in answer.context["cl"].result_list} - {"Evening talk"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"from_0": "2031-05-17", "to_0": "2031-05-17"}, "first noon last"),
        ({"from_0": "2031-05-17"}, "first noon last after"),
        ({"to_0": "2031-05-17"}, "before first noon last"),
        ({"from_0": "2031-05-17", "from_1": "12:00:01"}, "last after"),
        ({"from_0": "2031-05-17", "from_1": "12:00:00"}, "noon last after"),
        ({"to_0": "2031-05-17", "to_1": "12:00:00"}, "before first noon"),
        ({"from_0": "05/17/2031", "to_0": "2031-05-17"}, "first noon last"),
        ({"from_0": "2031-05-18", "to_0": "2031-05-17"}, ""),
        ({"from_0": "9999-12-31"}, ""),
        ({"from_0": "0001-01-01"}, "before first noon last after"),
    ],
    ids=str,
)
def test_a_date_means_the_whole_day_and_a_time_the_whole_second(
    query: dict[str, str], names: str, three_days: Any, client_of_root: Client
) -> None:
    assert found(client_of_root, **query) == set(names.split())


def test_dates_are_parsed_in_the_format_of_the_date_picker(three_days: Any, client_of_root: Client) -> None:
    for text in ("17/05/2031", "2031-05-17"):
        assert found(client_of_root, "tr", from_0=text, to_0=text) == {"first", "noon", "last"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"from_1": "12:00"}, "planned_start_at_from_1: a time needs its date"),
        ({"to_1": "12:00"}, "planned_start_at_to_1: a time needs its date"),
        ({"from_0": "2031-13-01"}, "planned_start_at_from_0: Enter a valid date."),
        ({"to_0": "2031-05-17", "to_1": "25:00"}, "planned_start_at_to_1: Enter a valid time."),
        ({"to_0": "2031-05-17", "to_1": "١٢:٠٠"}, "planned_start_at_to_1: Enter a valid time."),
    ],
    ids=str,
)
def test_an_invalid_date_or_time_is_refused_by_name(
    query: dict[str, str], expected: str, client_of_root: Client
) -> None:
    answer = client_of_root.get(
        list_url(LiveStream), {f"planned_start_at_{name}": text for name, text in query.items()}
    )
    assert answer.status_code == 400
    assert expected in text_of(answer)


def test_a_filter_by_a_day_keeps_its_form_without_an_error_and_names_the_zone(client_of_root: Client) -> None:
    page = client_of_root.get(list_url(LiveStream), {"created_at_from_0": f"{timezone.now():%Y-%m-%d}"})
    text = page.content.decode()
    assert f'value="{timezone.now():%Y-%m-%d}"' in text
    assert 'placeholder="Time (UTC)"' in text
    assert "Enter a valid" not in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("holding=nonsense", "holding: this filter has no value “nonsense”"),
        ("appeal=pending2", "appeal: this filter has no value “pending2”"),
        ("review__exact=x", "review__exact: this filter has no value “x”"),
        ("stream__id__exact=x", "stream__id__exact: this filter has no value “x”"),
    ],
)
def test_the_error_page_names_the_invalid_value(query: str, expected: str, client_of_root: Client) -> None:
    answer = client_of_root.get(f"{list_url(LiveStreamBan)}?{query}")
    assert answer.status_code == 400
    assert expected in text_of(answer)
