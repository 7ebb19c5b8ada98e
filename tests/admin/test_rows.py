"""The tables of lists: the cells are those of django-unfold, and what fits on a page is found by one statement."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import format_html
from django.utils.translation import override
from unfold.templatetags.unfold_list import items_for_result

from accounts.models import User
from bans.models import LiveStreamBan
from common.admin import counting
from common.admin.rows import _TwoLines
from livestreams.models import LiveStream
from tests.admin.conftest import Office
from tests.admin.pages import list_url, text_of
from tests.admin.rows import make_rows
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream


@pytest.fixture
def root(db: None, office: Office) -> Client:
    return office(User.objects.create_superuser("root", "password"))


@pytest.fixture
def rows(creator: User) -> dict[type[Model], Any]:
    return make_rows(make_stream(creator))


def plain(html: str) -> str:
    """Without the names of columns, which Unfold's cells do not have, and with the same spaces."""
    html = re.sub(r' data-label="[^"]*"', "", html)
    return re.sub(r">\s+", ">", re.sub(r"\s+(?=[<>])", "", re.sub(r"\s+", " ", html)))


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("query", [{}, {"_popup": "1"}, {"q": "<script>"}], ids=str)
def test_cells_are_those_of_unfold(
    query: dict[str, str], language: str, rows: dict[type[Model], Any], root: Client
) -> None:
    make_user("quote", name='<b>"&amp;"</b>', surname="O'Hara")
    for model in admin.site._registry:
        page = root.get(list_url(model), query, headers={"Accept-Language": language})
        shown = page.context["cl"]
        with override(language):
            wanted = ["".join(items_for_result(shown, row, None)) for row in shown.result_list]
            cells = [str(row) for row in shown.table().rows]
        assert list(map(plain, cells)) == list(map(plain, wanted)), model
        assert "q" in query or cells


def test_each_cell_has_the_name_of_its_column(rows: dict[type[Model], Any], root: Client) -> None:
    page = root.get(list_url(LiveStreamBan)).content.decode()
    assert 'data-label="Banned person"' in page
    assert page.count("data-label=") == len(rows_of(page)) * 8


def rows_of(page: str) -> list[str]:
    return re.findall(r'<tr class="data-row', page)


@pytest.mark.parametrize(
    "value",
    [
        ["ada", ""],
        ["<b>", format_html("<i>{}</i>", "&")],
        ["ada", "demir", "AD"],
        ["ada", "demir", "AD", {"path": "/a b.png?x=1&y=2", "squared": True}],
        ["ada", "demir", "AD", {}],
        [3, "numbers are written as the language does"],
    ],
    ids=str,
)
def test_two_lines_are_those_of_unfold(value: list[Any]) -> None:
    from unfold.utils import display_for_header  # noqa: PLC0415 - what ours is compared with

    shown = _TwoLines("-").shown
    assert shown(None, value) == display_for_header(value, "-") == shown(None, value)


def test_rows_of_one_page_are_found_once(creator: User, root: Client) -> None:
    stream = make_stream(creator, "active")
    for number in range(3):
        make_ban(make_user(f"viewer{number}"), stream)
    make_stream(make_user("other"), title="Other")

    def statements(model: type[Model], query: dict[str, str]) -> list[str]:
        root.get(list_url(model), query)
        with CaptureQueriesContext(connection) as seen:
            page = root.get(list_url(model), query)
        assert page.status_code == 200
        return [each["sql"] for each in seen if f'FROM "{model._meta.db_table}"' in each["sql"]]

    found = statements(User, {"availability_status__exact": "offline"})
    assert sum("availability_status\" = 'offline'" in sql and "COUNT" in sql for sql in found) == 1
    assert not any("COUNT" not in sql and "LIMIT 51" in sql for sql in found)
    (counted,) = [sql for sql in statements(User, {"availability_status__exact": "busy"}) if "busy" in sql]
    assert "COUNT" in counted  # nothing was found, so nothing is read


def test_a_column_without_an_index_sorts_only_what_is_counted(
    creator: User, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title in ("b", "c", "a"):
        make_stream(make_user(f"host-{title}"), "active", title=title)

    def titles(**query: str) -> list[str]:
        page = root.get(list_url(LiveStream), query)
        warned = "A column sorts up to 2 rows." in text_of(page)
        return [*(row.title for row in page.context["cl"].result_list), *(["warned"] if warned else [])]

    assert titles(o="1") == ["a", "b", "c"]
    assert titles(o="-1") == ["c", "b", "a"]
    monkeypatch.setattr(counting, "COUNTED", 2)
    assert titles(o="1") == [*titles(), "warned"]
    assert titles(o="1", q="host-a") == ["a"]
    assert titles(o="99") == titles()
    # An index has the order of usernames.
    names = [row.username for row in root.get(list_url(User), {"o": "1"}).context["cl"].result_list]
    assert names == sorted(names)
