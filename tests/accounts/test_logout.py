"""POST /api/v1/auth/logout"""

from datetime import datetime, timedelta

import pytest
from django.conf import settings

from accounts import services, tokens
from accounts.models import Session, User
from common.models import AuditEntry
from tests.conftest import Api, session_of
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.retaining import remove

LOGOUT = "/api/v1/auth/logout"
ME = "/api/v1/users/me"


def test_the_access_token_is_refused_at_the_next_request(api: Api, creator: User) -> None:
    client = api(creator)
    data_of(client.get(ME))

    assert data_of(client.post(LOGOUT)) is None

    assert_refused(client.get(ME), 401, "session_ended")
    assert_refused(client.post(LOGOUT), 401, "session_ended")


def test_all_sessions_of_the_caller_end_and_nobody_elses(api: Api, creator: User, guest: User) -> None:
    first, second, other = api(creator), api(creator), api(guest)

    data_of(first.post(LOGOUT))

    assert_refused(second.get(ME), 401, "session_ended")
    data_of(other.get(ME))


def test_refresh_tokens_are_refused_too(api: Api, creator: User, now: datetime) -> None:
    session = session_of(creator)

    data_of(api(creator).post(LOGOUT))

    with pytest.raises(services.RefreshTokenInvalid):
        services.refresh(session.pk, session.refresh_id, now=now, sign=tokens.signed_pair)


def test_a_new_login_works_afterwards(api: Api, creator: User) -> None:
    data_of(api(creator).post(LOGOUT))

    data_of(api(creator).get(ME))


def test_logging_out_leaves_one_audit_row(api: Api, creator: User) -> None:
    api(creator)
    data_of(api(creator).post(LOGOUT))

    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.target_id, entry.actor_id) == ("log_out", creator.pk, creator.pk)
    assert entry.after == {"ended_sessions": 2}
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_refresh_survives_a_logout_at_the_same_moment(api: Api, creator: User, now: datetime) -> None:
    sessions = [session_of(creator) for _ in range(8)]
    client = api(creator)

    def call(number: int) -> None:
        if number == 8:
            data_of(client.post(LOGOUT))
        else:
            token = str(tokens.RefreshToken.of(sessions[number], now=now))
            assert api().post("/api/v1/auth/refresh", {"refreshToken": token}).status_code in {200, 401}

    at_once(9, call)

    assert not Session.objects.filter(ended_at__isnull=True).exists()


def test_logging_out_needs_a_token(api: Api, db: None) -> None:
    assert_refused(api().post(LOGOUT), 401, "authentication_required")


def test_sessions_that_ended_long_ago_are_purged_and_others_stay(creator: User, now: datetime) -> None:
    long_ago = now - settings.SESSION_RETENTION - timedelta(seconds=1)
    living, ended, lapsed, just_ended = (session_of(creator) for _ in range(4))
    Session.objects.filter(pk=ended.pk).update(ended_at=long_ago)
    Session.objects.filter(pk=lapsed.pk).update(created_at=long_ago - timedelta(days=30), expires_at=long_ago)
    Session.objects.filter(pk=just_ended.pk).update(ended_at=now)

    assert remove("sessions", now=now, dry_run=True) == 2
    assert Session.objects.count() == 4
    assert remove("sessions", now=now) == 2
    assert set(Session.objects.all()) == {living, just_ended}


def test_a_session_that_expired_leaves_an_audit_row_when_it_is_removed(creator: User, now: datetime) -> None:
    """An ended one has its row from when it ended."""
    long_ago = now - settings.SESSION_RETENTION - timedelta(seconds=1)
    expired, ended = session_of(creator), session_of(creator)
    Session.objects.filter(pk=expired.pk).update(
        created_at=long_ago - timedelta(days=40),
        refreshed_at=long_ago - timedelta(days=30),
        refreshes=7,
        expires_at=long_ago,
    )
    services.revoke(ended.pk, now=long_ago)

    assert remove("sessions", now=now) == 2

    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "end_session",
        "remove_expired_session",
    ]
    entry = AuditEntry.objects.get(action="remove_expired_session")
    assert (entry.target_id, entry.before["user"], entry.before["refreshes"]) == (expired.pk, creator.pk, 7)
    assert datetime.fromisoformat(entry.before["expires_at"]) == long_ago
