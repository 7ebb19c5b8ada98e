"""GET /api/v1/users/me, and the authentication by access token that all operations share."""

import io
from datetime import datetime, timedelta

import jwt
import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from accounts import services, tokens
from accounts.models import User
from common.times import wire_time
from tests.accounts.wire import summary_of
from tests.conftest import Api, session_of
from tests.envelope import assert_refused, data_of

ME = "/api/v1/users/me"


def test_the_caller_reads_their_own_profile(api: Api, creator: User) -> None:
    assert data_of(api(creator).get(ME)) == summary_of(creator) | {
        "email": "",
        "createdAt": wire_time(creator.created_at),
        "updatedAt": wire_time(creator.updated_at),
    }


def test_the_profile_photo_comes_with_its_variants(api: Api, creator: User, now: datetime) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(picture, "PNG")
    picture.seek(0)
    services.set_profile_photo(creator, picture, by=creator, now=now)

    photo = data_of(api(creator).get(ME))["profilePhoto"]

    assert list(photo) == ["_id", "url", "type", "variants", "createdAt", "updatedAt"]
    assert photo["type"] == "image"
    assert photo["createdAt"] == wire_time(now)
    assert list(photo["variants"]) == ["40", "76", "160"]
    for url in [photo["url"], *photo["variants"].values()]:
        assert url.startswith(f"{django_settings.MEDIA_URL}photos/")


def test_a_call_runs_two_statements(api: Api, creator: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = api(creator)

    with django_assert_num_queries(2):  # the token's user and session, the profile
        data_of(client.get(ME))


def test_a_call_without_a_token_is_refused(api: Api, db: None) -> None:
    assert_refused(
        api().get(ME), 401, "authentication_required", "send a valid access token in the Authorization header"
    )


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "bearer x",
        "Basic dXNlcjpwYXNz",
        "Bearer a.b.c",
        "Bearer é",
        "Token",
        "Bearer \x7f",
    ],
)
def test_a_malformed_header_is_refused(api: Api, db: None, header: str) -> None:
    assert_refused(api().get(ME, HTTP_AUTHORIZATION=header), 401, "token_invalid")


def test_json_nested_too_deep_to_read_is_refused(api: Api, db: None) -> None:
    nested = jwt.utils.base64url_encode(b"[" * 100_000).decode()

    for token in (f"{nested}.e30.eA", f"eyJhbGciOiJIUzI1NiJ9.{nested}.eA"):
        assert_refused(api().get(ME, HTTP_AUTHORIZATION=f"Bearer {token}"), 401, "token_invalid")


def test_the_scheme_of_the_header_is_case_insensitive(api: Api, creator: User, now: datetime) -> None:
    token = tokens.AccessToken.of(session_of(creator), now=now)

    data_of(api().get(ME, HTTP_AUTHORIZATION=f"bearer {token}"))


def test_an_expired_token_is_refused(api: Api, creator: User, now: datetime) -> None:
    token = tokens.AccessToken.of(session_of(creator), now=now - timedelta(hours=1))

    assert_refused(api().get(ME, HTTP_AUTHORIZATION=f"Bearer {token}"), 401, "token_expired")


def test_a_cached_token_still_expires(api: Api, creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    client = api(creator)
    data_of(client.get(ME))

    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=1, seconds=1))

    assert_refused(client.get(ME), 401, "token_expired")


def test_a_forged_or_unsigned_token_is_refused(api: Api, creator: User, now: datetime) -> None:
    claims = tokens.AccessToken.of(session_of(creator), now=now).payload | {"iss": "kumanda"}
    forged = [
        jwt.encode(claims, "another key that is long enough for HS256", algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, django_settings.JWT_SIGNING_KEY, algorithm="HS384"),
        jwt.encode(claims | {"iss": "other"}, django_settings.JWT_SIGNING_KEY, algorithm="HS256"),
    ]

    for token in forged:
        assert_refused(api().get(ME, HTTP_AUTHORIZATION=f"Bearer {token}"), 401, "token_invalid")


def test_a_refresh_token_is_refused_as_an_access_token(api: Api, creator: User, now: datetime) -> None:
    token = tokens.RefreshToken.of(session_of(creator), now=now)

    assert_refused(api().get(ME, HTTP_AUTHORIZATION=f"Bearer {token}"), 401, "token_invalid")


def test_a_token_of_another_users_session_is_refused(api: Api, creator: User, guest: User, now: datetime) -> None:
    token = tokens.AccessToken.of(session_of(creator), now=now)
    token["sub"] = guest.pk

    assert_refused(api().get(ME, HTTP_AUTHORIZATION=f"Bearer {token}"), 401, "session_ended")


def test_a_deactivated_user_is_refused_at_the_next_request(api: Api, creator: User) -> None:
    client = api(creator)
    User.objects.filter(pk=creator.pk).update(is_active=False)

    assert_refused(client.get(ME), 401, "session_ended")


def test_problem_json_is_returned_if_it_is_accepted(api: Api, db: None) -> None:
    response = api().get(ME, HTTP_ACCEPT="application/problem+json", HTTP_AUTHORIZATION="Bearer x")

    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "token_invalid"
