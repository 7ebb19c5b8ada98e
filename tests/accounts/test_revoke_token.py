"""POST /api/v1/auth/revoke-token"""

from datetime import datetime

import pytest

from accounts import services, tokens
from accounts.models import Session, User
from common.models import AuditEntry
from tests.conftest import Api, session_of
from tests.envelope import assert_refused, data_of
from tests.races import at_once

REVOKE = "/api/v1/auth/revoke-token"
REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/users/me"


def test_revoking_ends_the_session_and_its_access_tokens(api: Api, creator: User, now: datetime) -> None:
    client = api()
    session = session_of(creator)
    access, refresh = tokens.AccessToken.of(session, now=now), str(tokens.RefreshToken.of(session, now=now))

    assert data_of(client.post(REVOKE, {"refreshToken": refresh})) is None

    assert_refused(client.get(ME, HTTP_AUTHORIZATION=f"Bearer {access}"), 401, "session_ended")
    assert_refused(client.post(REFRESH, {"refreshToken": refresh}), 401, "refresh_token_invalid")


def test_other_sessions_of_the_user_stay_open(api: Api, creator: User, now: datetime) -> None:
    other = api(creator)
    refresh = str(tokens.RefreshToken.of(session_of(creator), now=now))

    data_of(api().post(REVOKE, {"refreshToken": refresh}))

    data_of(other.get(ME))


def test_a_token_that_was_rotated_away_still_ends_its_session(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)
    old = str(tokens.RefreshToken.of(session, now=now))
    services.refresh(session.pk, session.refresh_id, now=now, sign=tokens.signed_pair)

    data_of(api().post(REVOKE, {"refreshToken": old}))

    assert Session.objects.get().ended_at is not None


@pytest.mark.django_db(transaction=True)
def test_revoking_again_changes_nothing_and_is_no_error(api: Api, creator: User, now: datetime) -> None:
    refresh = str(tokens.RefreshToken.of(session_of(creator), now=now))

    for answer in at_once(8, lambda _: api().post(REVOKE, {"refreshToken": refresh})):
        data_of(answer)

    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["end_session"]


def test_an_invalid_token_is_answered_as_rfc_7009_asks(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)
    access = str(tokens.AccessToken.of(session, now=now))

    for token in ("x", access):
        assert data_of(api().post(REVOKE, {"refreshToken": token})) is None

    assert Session.objects.get().ended_at is None


def test_a_malformed_body_is_refused(api: Api, db: None) -> None:
    assert_refused(api().post(REVOKE, {}), 400, "validation_failed", "refreshToken: is required")
    assert_refused(api().post(REVOKE, "{", content_type="application/json"), 400, "malformed_request")
