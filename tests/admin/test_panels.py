"""Tabs below the page of a row: which ones are shown, that only the shown one is read, and their pages."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.admin import Panel, add_panel, panels
from common.admin.paging import page_of_rows
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.conftest import Office
from tests.admin.pages import page_url, text_of
from tests.conftest import make_user
from tests.streams import make_stream

type Read = list[str]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """The names of the tabs that were read. Pages of people have just the tabs of this test."""
    names: Read = []

    def context(name: str) -> Any:
        def made(request: HttpRequest, row: Any) -> dict[str, Any]:
            names.append(name)
            return {"table": {"headers": ["h"], "rows": [[f"{name} of {row}"]]}}

        return made

    monkeypatch.setattr(panels, "_panels", panels._panels | {User: []})
    add_panel(User, Panel("second", "Second", "accounts.view_user", context("second"), place=20))
    add_panel(User, Panel("first", "First", "accounts.view_user", context("first"), place=10))
    add_panel(User, Panel("secret", "Secret", "bans.view_livestreamban", context("secret"), place=5))
    return names


def tabs(response: Any) -> list[str]:
    return [str(title) for _address, title, _is_shown in response.context["tabs"]["links"]]


def test_only_the_shown_tab_is_read_and_the_first_is_the_default(
    read: Read, office: Office, reader: User, creator: User
) -> None:
    client = office(reader)

    page = client.get(page_url(creator))
    assert (tabs(page), read) == (["First", "Second"], ["first"])
    assert "first of creator" in text_of(page)
    assert page.content.decode().count('aria-current="page">First') == 1

    page = client.get(page_url(creator), {"tab": "second"})
    assert read == ["first", "second"]
    assert "second of creator" in text_of(page)


@pytest.mark.parametrize("tab", ["third", "", "first/../secret", "first%00"])
def test_an_unknown_tab_is_refused_with_its_name(
    tab: str, read: Read, office: Office, reader: User, creator: User
) -> None:
    answer = office(reader).get(page_url(creator), {"tab": tab})
    assert answer.status_code == 400
    assert "tab: this page has no such tab" in text_of(answer)
    assert read == []


def test_a_tab_without_its_permission_is_neither_shown_nor_read(
    read: Read, office: Office, reader: User, creator: User
) -> None:
    client = office(reader)
    assert "Secret" not in tabs(client.get(page_url(creator)))
    assert client.get(page_url(creator), {"tab": "secret"}).status_code == 400
    assert "secret" not in read

    reader.user_permissions.add(Permission.objects.get(codename="view_livestreamban"))
    assert tabs(client.get(page_url(creator))) == ["Secret", "First", "Second"]


def test_nobody_reads_a_tab_without_permission_for_the_page(read: Read, office: Office, creator: User) -> None:
    member = make_user("half", is_staff=True)
    member.user_permissions.add(Permission.objects.get(codename="view_livestreamban"))
    assert office(member).get(page_url(creator), {"tab": "secret"}).status_code == 403
    assert read == []


def test_a_page_with_tabs_shows_its_trail_in_a_tab_only(office: Office, reader: User, creator: User) -> None:
    page = office(reader).get(page_url(creator))
    assert page.context["audit_trail"] is None
    assert "Audit trail" in tabs(page)


def test_a_user_who_may_see_no_tab_has_a_page_without_tabs(read: Read, office: Office, creator: User) -> None:
    panels._panels[User][:] = [one for one in panels._panels[User] if one.name == "secret"]
    reader = make_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_user"))
    page = office(reader).get(page_url(creator))
    assert page.status_code == 200
    assert page.context["tabs"] is None
    assert office(reader).get(page_url(creator), {"tab": "secret"}).status_code == 200


def test_two_tabs_of_one_name_are_a_mistake(read: Read) -> None:
    with pytest.raises(ValueError, match="User has a tab 'first' already"):
        add_panel(User, Panel("first", "Again", "accounts.view_user", lambda request, row: {}))


# --- pages of a tab -------------------------------------------------------------------------------


@pytest.fixture
def streams(creator: User) -> list[LiveStream]:
    return [make_stream(creator, title=f"Talk {number}") for number in range(5)][::-1]


def walk(rf: Any, rows: Any, **more: Any) -> list[list[Any]]:
    """The rows of each page, by following *Older*."""
    address, pages = "/admin/", []
    while address:
        page = page_of_rows(rf.get(address), rows, tab="t", shown=2, **more)
        pages.append(page.rows)
        address = next((link for link, text in page.links if str(text) == "Older"), "")
    return pages


def test_pages_have_each_row_once_and_the_newest_first(rf: Any, streams: list[LiveStream]) -> None:
    assert walk(rf, LiveStream.all_objects.all()) == [streams[:2], streams[2:4], streams[4:]]


def test_rows_of_the_same_moment_are_in_the_order_of_their_ids(rf: Any, streams: list[LiveStream]) -> None:
    LiveStream.objects.update(created_at=streams[0].created_at)
    assert [one for page in walk(rf, LiveStream.all_objects.all()) for one in page] == sorted(
        streams, key=lambda one: one.pk, reverse=True
    )


def test_rows_without_a_time_are_in_the_order_of_their_ids(rf: Any, streams: list[LiveStream]) -> None:
    pages = walk(rf, AuditEntry.objects.filter(action="create_stream"), time=None)
    assert [[entry.target_id for entry in page] for page in pages] == [
        [one.pk for one in streams[:2]],
        [one.pk for one in streams[2:4]],
        [streams[4].pk],
    ]


@pytest.mark.parametrize(
    "after", ["x", "_", "2026-01-01T00:00:00_" + "0" * 24, "2026-13-01T00:00:00+00:00_" + "0" * 24, "0" * 24, "%00"]
)
@pytest.mark.parametrize("tab", ["streams", "trail"])
def test_a_place_that_no_page_links_to_is_refused(
    tab: str, after: str, office: Office, reader: User, creator: User
) -> None:
    answer = office(reader).get(page_url(creator), {"tab": tab, "after": after})
    assert answer.status_code == 400 or (tab == "trail" and after.isdigit())


# --- pages that belong to no model ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["ban_person", "add_note"])
def test_a_page_needs_a_login_as_staff(name: str, client: Client, office: Office, creator: User, guest: User) -> None:
    address = reverse(f"admin:{name}", args=[creator.pk])
    assert client.get(address).headers["Location"].startswith(reverse("admin:login"))
    assert office(guest).get(address).headers["Location"].startswith(reverse("admin:login"))
    assert office(guest).post(address).status_code == 403


def test_pages_come_before_those_of_models(creator: User) -> None:
    """A model's last pattern matches every path below it."""
    assert reverse("admin:ban_person", args=[creator.pk]) == f"/admin/accounts/user/{creator.pk}/ban/"
