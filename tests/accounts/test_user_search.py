"""GET /api/v1/users/search"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services import deactivate_user, rename_user
from tests.accounts.wire import summary_of
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of

SEARCH = "/api/v1/users/search"


def found(api: Api, caller: User, q: str, **query: Any) -> list[str]:
    return [user["username"] for user in data_of(api(caller).get(SEARCH, {"q": q} | query))["list"]]


def people() -> None:
    now = timezone.now()
    for number, (username, name, surname) in enumerate(
        [("gul_42", "Özgür", "Işık"), ("isik", "Ada", "Demir"), ("ada100", "Ece", "Kaya")]
    ):
        make_user(username, name=name, surname=surname, created_at=now + timedelta(minutes=number))


def test_users_are_summaries_in_a_page(api: Api, viewer: User) -> None:
    user = make_user("irem", name="İrem")

    response = api(viewer).get(SEARCH, {"q": "irem"})

    assert data_of(response) == {
        "list": [summary_of(user)],
        "pagination": {
            "currentPage": 1,
            "totalPages": 1,
            "totalItems": 1,
            "itemsPerPage": 10,
            "hasNextPage": False,
            "hasPrevPage": False,
        },
    }


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("IŞIK", ["isik", "gul_42"]),
        ("ozgur isik", ["gul_42"]),
        ("isik ozgur", ["gul_42"]),
        ("42 zgu", ["gul_42"]),
        ("ada", ["ada100", "isik"]),
        ("ada kaya", ["ada100"]),
        ("ada isik kaya", []),
        ("ad", ["ada100", "isik"]),
        ("a k", ["ada100", "isik"]),
        ("_", ["gul_42"]),
        ("%", []),
        ("nobody", []),
    ],
)
def test_all_words_must_match_parts_of_the_names(q: str, expected: list[str], api: Api, viewer: User) -> None:
    people()

    assert found(api, viewer, q) == expected


def test_many_words_are_all_compared(api: Api, viewer: User) -> None:
    make_user("one", name="alpha bravo charlie", surname="delta echo foxtrot")

    assert found(api, viewer, "alpha bravo charlie delta echo foxtrot on") == ["one"]
    assert found(api, viewer, "alpha bravo charlie delta echo foxtrot tw") == []


def test_an_account_that_is_not_active_is_not_found(api: Api, creator: User, viewer: User) -> None:
    assert found(api, viewer, "creat") == ["creator"]

    deactivate_user(creator.pk, by=make_user("root", is_superuser=True), now=timezone.now(), reason="")

    assert found(api, viewer, "creat") == []


def test_a_new_name_is_found_and_the_old_one_is_not(api: Api, creator: User, viewer: User) -> None:
    rename_user(creator.pk, "painter", by=None, now=timezone.now())

    assert found(api, viewer, "paint") == ["painter"]
    assert found(api, viewer, "creator") == []


def test_the_newest_come_first_in_pages(api: Api, viewer: User) -> None:
    now = timezone.now()
    for number in range(7):
        make_user(f"fan{number}", created_at=now + timedelta(minutes=number // 2))
    client: Any = api(viewer)
    newest = list(User.objects.filter(username__startswith="fan").order_by("-created_at", "-pk"))

    pages = [found(api, viewer, "fan", limit=3, page=number) for number in (1, 2, 3, 4)]

    assert [name for page in pages for name in page] == [user.username for user in newest]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    after = client.get(SEARCH, {"q": "fan", "limit": 3}).headers["X-Next-Cursor"]
    assert found(api, viewer, "fan", limit=3, after=after) == pages[1]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "q: is required"),
        ({"q": ""}, "q: must not be empty"),
        ({"q": "\u200b"}, "q: must have at least one visible character"),
        ({"q": "x" * 451}, "q: must have at most 450 characters"),
        ({"q": "a", "sortBy": "username"}, None),
    ],
)
def test_an_invalid_query_is_refused(query: dict[str, str], reason: str | None, api: Api, viewer: User) -> None:
    response = api(viewer).get(SEARCH, query)

    assert_refused(response, 400, "validation_failed", *([reason] if reason else []))


def test_a_call_without_a_token_is_refused(api: Api, db: None) -> None:
    assert_refused(api().get(SEARCH, {"q": "ada"}), 401, "authentication_required")
