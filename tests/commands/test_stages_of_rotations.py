"""Which stage `rotate_keys` finds for what processes have noted, and what `doctor` says of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from socket import gethostname
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import Session
from accounts.services import end_token, grant_role, issue_token
from common.models import KeyUse, RunningProcess
from common.secret_keys import advice, doctor, fingerprints, running
from common.secret_keys.overview import overview
from common.secret_keys.stages import Standing
from tests.conftest import make_user

ONE, TWO, THREE = (f"q8Zr2vN5xLw0TbY7cHj4KmP1sDf6GuE9aRiXoWnBtVzJyQhMlC{number}" for number in range(3))

pytestmark = pytest.mark.django_db


@pytest.fixture
def noted(settings: Any) -> Any:
    """Notes processes of other hosts with these keys, the first of which signs; the last are this process's, too."""

    def note(**hosts: tuple[str, ...]) -> Standing:
        RunningProcess.objects.all().delete()
        for host, keys in hosts.items():
            settings.JWT_SIGNING_KEY, settings.JWT_SIGNING_KEY_FALLBACKS = keys[0], list(keys[1:])
            running.note("serve", host=host, pid=1)
        return standing()

    return note


def standing() -> Standing:
    (found,) = (each for each in overview("test").standings if each.name == "JWT_SIGNING_KEY")
    return found


def found_by_doctor() -> set[str]:
    return {finding.code for finding in doctor.examine()}


def test_one_rotation_has_its_stages_in_order(noted: Any) -> None:
    stages = [
        noted(a=(ONE,), b=(ONE,)),
        noted(a=(ONE, TWO), b=(ONE,)),
        noted(a=(ONE, TWO), b=(ONE, TWO)),
        noted(a=(TWO, ONE), b=(ONE, TWO)),
        noted(a=(TWO, ONE), b=(TWO, ONE)),
        noted(a=(TWO,), b=(TWO, ONE)),
        noted(a=(TWO,), b=(TWO,)),
    ]
    assert [each.stage for each in stages] == [
        "settled", "adding", "accepted", "switching", "signing", "removing", "settled"
    ]  # fmt: skip
    behind = [{label.partition(" ")[0] for label in each.behind} - {gethostname()} for each in stages]
    assert behind == [set(), {"b"}, set(), {"b"}, set(), {"b"}, set()]


def test_processes_that_refuse_what_others_sign_are_a_conflict(noted: Any) -> None:
    assert noted(a=(ONE,), b=(TWO,)).stage == "conflict"
    assert noted(a=(ONE, TWO), b=(TWO,)).stage == "conflict"
    assert found_by_doctor() == {"keys_differ"}


@pytest.mark.parametrize(
    ("hosts", "codes"),
    [
        ({"a": (ONE,), "b": (ONE,)}, set()),
        ({"a": (ONE, TWO), "b": (ONE,)}, {"keys_unequal"}),
        ({"a": (ONE, TWO), "b": (ONE, TWO)}, set()),
        ({"a": (TWO, ONE), "b": (ONE, TWO)}, {"keys_unequal"}),
    ],
)
def test_doctor_warns_of_hosts_that_a_rotation_left_out(hosts: Any, codes: set[str], noted: Any) -> None:
    noted(a=(ONE,))
    noted(**hosts)
    assert found_by_doctor() == codes


def test_the_old_key_can_be_removed_a_lifetime_after_it_last_signed(noted: Any) -> None:
    noted(a=(ONE,))
    assert noted(a=(TWO, ONE)).stage == "signing"
    removable_from = standing().removable_from
    assert removable_from is not None
    assert timedelta(days=29) < removable_from - timezone.now() < timedelta(days=31)
    assert found_by_doctor() == set()

    KeyUse.objects.update(last_signed_at=F("last_signed_at") - timedelta(days=30, minutes=2))

    assert standing().stage == "removable"
    assert found_by_doctor() == {"old_key_accepted"}


def test_the_old_key_is_needed_until_the_tokens_of_servers_are_replaced(noted: Any) -> None:
    server = make_user("chat.server")
    grant_role(server.pk, "service-account", by=None, now=timezone.now())
    session, _ = issue_token(server.pk, by=None, now=timezone.now(), lifetime=timedelta(days=365), sign=signed)
    Session.objects.update(created_at=F("created_at") - timedelta(days=31))
    noted(a=(ONE,))
    noted(a=(TWO, ONE))
    KeyUse.objects.update(last_signed_at=F("last_signed_at") - timedelta(days=30, minutes=2))

    found = standing()
    assert (found.stage, found.uses) == (
        "signing",
        (f"chat.server {session.pk} (until {session.expires_at:%Y-%m-%d})",),
    )
    assert f"replaced before: chat.server {session.pk} (until " in advice.next_step(found)
    assert found_by_doctor() == set()

    issue_token(server.pk, by=None, now=timezone.now(), lifetime=timedelta(days=365), sign=signed)
    assert standing().uses == found.uses
    end_token(server.pk, str(session.pk), by=None, now=timezone.now())

    assert standing().stage == "removable"
    assert found_by_doctor() == {"old_key_accepted"}


def signed(session: Session, *, now: datetime) -> str:
    return "not used"


def test_of_many_tokens_of_servers_some_are_named(noted: Any) -> None:
    noted(a=(ONE,))
    found = replace(noted(a=(TWO, ONE)), uses=tuple(f"server{number}" for number in range(25)))
    assert "server19 and 5 more." in advice.next_step(found)


def test_a_key_that_signed_before_is_old_also_in_a_third_rotation(noted: Any) -> None:
    noted(a=(ONE,))
    noted(a=(TWO, ONE))
    assert noted(a=(TWO, ONE, THREE)).stage == "accepted"
    assert noted(a=(THREE, TWO, ONE)).stage == "signing"


def test_a_host_whose_file_has_the_new_key_is_restarted_and_not_changed_back(noted: Any, settings: Any) -> None:
    noted(a=(ONE,))
    noted(a=(ONE, TWO))
    settings.JWT_SIGNING_KEY, settings.JWT_SIGNING_KEY_FALLBACKS = TWO, [ONE]
    found = standing()
    assert (found.stage, found.signs) == ("switching", fingerprints.fingerprint("JWT_SIGNING_KEY", TWO))
    assert found.behind == ("a (serve)",)


def test_processes_that_noted_nothing_for_a_while_do_not_count(noted: Any) -> None:
    noted(gone=(TWO,), here=(ONE,))
    assert standing().stage == "conflict"
    RunningProcess.objects.filter(host="gone").update(seen_at=F("seen_at") - running.FRESH_FOR)
    assert standing().stage == "settled"


def test_a_process_of_this_machine_that_ended_does_not_count(noted: Any, settings: Any) -> None:
    noted(a=(ONE,))
    settings.JWT_SIGNING_KEY = TWO
    running.note("serve", pid=2**22 - 1)  # the highest number that Linux gives
    RunningProcess.objects.filter(pid=2**22 - 1).update(began=1.0)
    settings.JWT_SIGNING_KEY = ONE
    assert [process.host for process in running.processes()] == ["a"]


def test_rows_of_processes_that_are_gone_are_removed(noted: Any) -> None:
    noted(a=(ONE,))
    RunningProcess.objects.update(seen_at=F("seen_at") - running.FORGOTTEN_AFTER)
    running.note("serve", host="b", pid=1)
    assert RunningProcess.objects.get().host == "b"


def test_a_fingerprint_is_of_one_name_and_does_not_show_the_key(settings: Any) -> None:
    settings.SECRET_KEY = settings.JWT_SIGNING_KEY = ONE
    noted = fingerprints.own()
    assert noted["SECRET_KEY"][0] != noted["JWT_SIGNING_KEY"][0]
    assert {len(each) for keys in noted.values() for each in keys} == {fingerprints.LENGTH}
