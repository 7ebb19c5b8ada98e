"""GET /api/v1/users/profile/{userId} and /users/profile/username/{username}"""

from urllib.parse import quote

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services import deactivate_user
from common.fields import new_object_id
from common.times import wire_time
from tests.accounts.wire import summary_of
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of

PROFILE = "/api/v1/users/profile"


def of(user: User) -> str:
    return f"{PROFILE}/{user.pk}"


def named(username: str) -> str:
    return f"{PROFILE}/username/{quote(username, safe='')}"


def test_a_profile_is_a_summary_with_its_creation_in_the_envelope(api: Api, creator: User, viewer: User) -> None:
    expected = summary_of(creator) | {"createdAt": wire_time(creator.created_at)}

    response = api(viewer).get(of(creator))

    assert data_of(response) == expected
    assert set(response.json()) == {"isSuccess", "statusCode", "data", "errors", "timestamp"}
    assert data_of(api(viewer).get(named("creator"))) == expected


def test_callers_read_their_own_profile_without_what_only_they_may_see(api: Api, creator: User) -> None:
    User.objects.filter(pk=creator.pk).update(email="creator@private.example")

    assert "private" not in api(creator).get(of(creator)).content.decode()


# Full width, upper case, and a dot above an i, as in a login.
@pytest.mark.parametrize("typed", ["IREM", "\uff49\uff52\uff45\uff4d", "İREM", "irem"])
def test_a_username_is_found_as_a_login_finds_it(typed: str, api: Api, viewer: User) -> None:
    user = make_user("irem")

    assert data_of(api(viewer).get(named(typed)))["_id"] == user.pk


def test_other_usernames_are_not_found(api: Api, viewer: User) -> None:
    make_user("irem")

    for typed in ("ırem", "ire", "irem2", new_object_id()):
        assert_refused(api(viewer).get(named(typed)), 404, "user_not_found")


def test_an_account_that_is_not_active_is_not_found(api: Api, creator: User, viewer: User) -> None:
    deactivate_user(creator.pk, by=make_user("root", is_superuser=True), now=timezone.now(), reason="")

    for address in (of(creator), named("creator"), f"{PROFILE}/{new_object_id()}"):
        assert_refused(api(viewer).get(address), 404, "user_not_found")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"{PROFILE}/creator", "userId: must be 24 lower-case hexadecimal characters"),
        (named("%00"), None),
        (named("\x00"), "username: Null characters are not allowed."),
        (named(" "), "username: must not be empty"),
        (named("x" * 151), "username: must have at most 150 characters"),
    ],
)
def test_an_invalid_name_is_refused(address: str, reason: str | None, api: Api, viewer: User) -> None:
    response = api(viewer).get(address)

    if reason is None:
        assert_refused(response, 404, "user_not_found")
    else:
        assert_refused(response, 400, "validation_failed", reason)


def test_a_call_without_a_token_is_refused(api: Api, creator: User) -> None:
    for address in (of(creator), named("creator")):
        assert_refused(api().get(address), 401, "authentication_required")


def test_a_query_is_refused(api: Api, creator: User) -> None:
    assert_refused(api(creator).get(of(creator), {"full": "1"}), 400, "validation_failed")
