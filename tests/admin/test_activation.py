"""Deactivating and activating accounts in the admin."""

from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services, tokens
from accounts.models import Session, User
from common.models import AuditEntry
from common.refusals import Forbidden
from tests.admin.conftest import Office
from tests.admin.pages import action_url, change_many, messages_of
from tests.conftest import PASSWORD, Api, make_user, session_of
from tests.envelope import assert_refused, data_of
from tests.races import at_once

REASON = {"reason": "Sells fake tickets."}
ME = "/api/v1/users/me"
LOGIN = "/api/v1/auth/login"


@pytest.fixture
def boss(db: None) -> User:
    return make_user("boss", is_staff=True, is_superuser=True)


@pytest.mark.parametrize("many", [False, True])
def test_a_deactivated_user_is_logged_out_at_once_and_cannot_log_in(
    many: bool, office: Office, moderator: User, creator: User, api: Api
) -> None:
    speaking, client, session = api(creator), office(moderator), session_of(creator)
    data_of(speaking.get(ME))

    if many:
        change_many(client, "deactivate_user", [creator], confirmed="yes", **REASON)
    else:
        client.post(action_url(creator, "deactivate_user"), REASON)

    assert_refused(speaking.get(ME), 401, "session_ended")
    assert_refused(api().post(LOGIN, {"username": "creator", "password": PASSWORD}), 401, "wrong_credentials")
    with pytest.raises(services.RefreshTokenInvalid):
        services.refresh(session.pk, session.refresh_id, now=timezone.now(), sign=tokens.signed_pair)
    entry = AuditEntry.objects.get(target_id=creator.pk, action="deactivate_user")
    assert (entry.entry_point, entry.actor_id, entry.reason) == ("admin", moderator.pk, REASON["reason"])
    assert (entry.before, entry.after) == ({"is_active": True}, {"is_active": False})
    assert AuditEntry.objects.get(target_id=creator.pk, action="log_out").after == {"ended_sessions": 2}


def test_an_activated_user_logs_in_anew_and_old_sessions_stay_ended(
    office: Office, moderator: User, creator: User, api: Api
) -> None:
    speaking, client = api(creator), office(moderator)
    client.post(action_url(creator, "deactivate_user"), REASON)

    answer = client.post(action_url(creator, "activate_user"), REASON)

    assert messages_of(answer)[-1:] == ["1 user was activated."]
    assert_refused(speaking.get(ME), 401, "session_ended")
    data_of(api().post(LOGIN, {"username": "creator", "password": PASSWORD}))
    entry = AuditEntry.objects.get(target_id=creator.pk, action="activate_user")
    assert (entry.before, entry.after) == ({"is_active": False}, {"is_active": True})


def refused(client: Client, user: User, action: str) -> str:
    """The message that refuses a crafted POST. Asserts that it changes nothing."""
    before, entries = User.objects.get(pk=user.pk).is_active, AuditEntry.objects.count()
    message = messages_of(client.post(action_url(user, action), REASON))[-1]
    assert (User.objects.get(pk=user.pk).is_active, AuditEntry.objects.count()) == (before, entries)
    return message


def test_only_superusers_deactivate_staff(office: Office, moderator: User, reader: User, boss: User) -> None:
    for target in (reader, boss):
        assert refused(office(moderator), target, "deactivate_user") == (
            f"“{target}”: only a superuser may do this to a member of staff"
        )
    User.objects.filter(pk=reader.pk).update(is_active=False)
    assert "only a superuser" in refused(office(moderator), reader, "activate_user")

    office(boss).post(action_url(moderator, "deactivate_user"), REASON)
    assert not User.objects.get(pk=moderator.pk).is_active


def test_nobody_deactivates_themselves(office: Office, moderator: User, boss: User) -> None:
    for user in (moderator, boss):
        assert refused(office(user), user, "deactivate_user") == (f"“{user}”: you may not do this to your own account")


def test_deactivating_twice_and_activating_an_active_account_are_refused(
    office: Office, moderator: User, creator: User
) -> None:
    client = office(moderator)

    assert refused(client, creator, "activate_user") == "“creator”: the account is active already"
    client.post(action_url(creator, "deactivate_user"), REASON)
    assert refused(client, creator, "deactivate_user") == "“creator”: the account is inactive already"


def test_staff_without_the_permission_are_refused(office: Office, reader: User, creator: User) -> None:
    assert office(reader).post(action_url(creator, "deactivate_user"), REASON).status_code == 403
    assert User.objects.get(pk=creator.pk).is_active


@pytest.mark.django_db(transaction=True)
def test_of_two_superusers_who_deactivate_each_other_one_stays_active(now: datetime) -> None:
    pair = [make_user(name, is_staff=True, is_superuser=True) for name in ("one", "two")]

    def deactivate_the_other(number: int) -> bool:
        try:
            services.deactivate_user(pair[1 - number].pk, by=pair[number], now=now, reason="Race.")
        except Forbidden:
            return False
        return True

    assert sorted(at_once(2, deactivate_the_other)) == [False, True]
    assert User.objects.filter(is_active=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_logins_during_a_deactivation_leave_no_usable_session(api: Api, now: datetime) -> None:
    boss, creator = make_user("boss", is_superuser=True), make_user("creator")

    def deactivate_or_log_in(number: int) -> int:
        if number == 0:
            services.deactivate_user(creator.pk, by=boss, now=now, reason="Race.")
            return 200
        answer = api().post(LOGIN, {"username": "creator", "password": PASSWORD})
        if answer.status_code == 200:
            answers.append(answer.json()["data"]["accessToken"])
        return int(answer.status_code)

    answers: list[str] = []
    assert set(at_once(9, deactivate_or_log_in)) <= {200, 401}

    for token in answers:
        assert_refused(api().get(ME, HTTP_AUTHORIZATION=f"Bearer {token}"), 401, "session_ended")
    assert Session.objects.count() == len(answers)
