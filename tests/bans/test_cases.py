"""Decisions about cases of reports, and what happens to the cases of streams that go."""

from collections import Counter
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import override

from accounts.models import User
from bans import services
from bans.models import Report, ReportCase
from bans.reasons import NAMES, name_of
from common.models import AuditEntry
from common.refusals import Refusal
from config.reporting import DEFAULT_REASONS, check_reasons
from livestreams.models import LiveStream
from livestreams.services import delete_stream, purge_stream
from tests.bans.reporting import make_report
from tests.conftest import make_user
from tests.races import at_once
from tests.streams import make_stream

DECISIONS = {"dismissed": services.dismiss_case, "acted_on": services.mark_acted_on}


@pytest.fixture
def case(viewer: User, stream: LiveStream) -> ReportCase:
    return make_report(viewer, stream, reason="hate").case


@pytest.mark.parametrize("state", DECISIONS)
def test_a_decision_has_its_moderator_time_and_text(
    state: str, case: ReportCase, moderator: User, now: datetime
) -> None:
    at = now + timedelta(hours=1)

    DECISIONS[state](case.pk, by=moderator, now=at, reason="Looked at it.")

    case.refresh_from_db()
    assert (case.state, case.decision, case.decided_by_id) == (state, "Looked at it.", moderator.pk)
    assert (case.decided_at, case.updated_at) == (at, at)
    verb = {"dismissed": "dismiss_case", "acted_on": "mark_acted_on"}[state]
    entry = AuditEntry.objects.get(action=verb)
    assert (entry.target_id, entry.target_type, entry.actor_id) == (case.pk, "reportcase", moderator.pk)
    assert entry.before == {"state": "open"}
    assert entry.after == {"state": state, "report_count": 1, "stream_id": case.stream_id}
    assert entry.reason == "Looked at it."


@pytest.mark.parametrize("state", DECISIONS)
def test_a_decided_case_is_not_decided_again(state: str, case: ReportCase, moderator: User) -> None:
    services.dismiss_case(case.pk, by=moderator, now=timezone.now(), reason="x")
    before = ReportCase.objects.values().get()

    for by in (moderator, make_user("other")):
        with pytest.raises(services.CaseDecided, match=r"^moderator has decided the case already, on .*: dismissed$"):
            DECISIONS[state](case.pk, by=by, now=timezone.now(), reason="y")

    assert ReportCase.objects.values().get() == before


@pytest.mark.parametrize("state", DECISIONS)
def test_nobody_decides_about_a_stream_of_their_own(state: str, case: ReportCase, creator: User) -> None:
    with pytest.raises(services.CannotDecideOwnCase):
        DECISIONS[state](case.pk, by=creator, now=timezone.now(), reason="Not true.")
    assert ReportCase.objects.get().state == "open"


@pytest.mark.parametrize("state", DECISIONS)
def test_an_unknown_case_is_missing(state: str, moderator: User) -> None:
    with pytest.raises(services.CaseMissing):
        DECISIONS[state]("0" * 24, by=moderator, now=timezone.now(), reason="x")


def test_a_decision_is_not_earlier_than_the_last_report(case: ReportCase, moderator: User) -> None:
    services.dismiss_case(case.pk, by=moderator, now=case.created_at - timedelta(hours=1), reason="x")
    assert ReportCase.objects.get().decided_at == case.created_at


@pytest.mark.django_db(transaction=True)
def test_of_eight_decisions_at_once_one_counts() -> None:
    case = make_report(make_user("viewer"), make_stream(make_user("creator"))).case
    moderators = [make_user(f"moderator{number}") for number in range(8)]
    commands = list(DECISIONS.values())

    def decide(number: int) -> str:
        try:
            return commands[number % 2](case.pk, by=moderators[number], now=timezone.now(), reason="x").state
        except Refusal as refusal:
            return refusal.code

    outcomes = Counter(at_once(8, decide))

    assert outcomes.pop("case_already_decided") == 7
    assert list(outcomes) == [ReportCase.objects.get().state]
    assert AuditEntry.objects.filter(action__in=["dismiss_case", "mark_acted_on"]).count() == 1


# --- streams that go ------------------------------------------------------------------------------


def test_the_case_of_a_deleted_stream_can_still_be_decided(creator: User, viewer: User, moderator: User) -> None:
    stream = make_stream(creator)
    case = make_report(viewer, stream).case
    delete_stream(stream.pk, by=moderator, now=timezone.now())
    services.mark_acted_on(case.pk, by=moderator, now=timezone.now(), reason="Deleted it.")
    assert ReportCase.objects.get().state == "acted_on"


def test_cases_and_reports_are_purged_with_their_stream(creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator)
    make_report(viewer, stream)
    kept = make_report(viewer, make_stream(creator))
    delete_stream(stream.pk, by=creator, now=now)

    assert purge_stream(stream.pk, now=now + timedelta(days=400)) is not None

    assert (ReportCase.objects.get(), Report.objects.get()) == (kept.case, kept)


# --- constraints ----------------------------------------------------------------------------------


def test_the_database_refuses_a_second_open_case_and_a_decision_without_its_moderator(
    case: ReportCase, viewer: User
) -> None:
    times = {"created_at": case.created_at, "updated_at": case.updated_at}
    with pytest.raises(IntegrityError, match="report_case_one_open"), transaction.atomic():
        ReportCase.objects.create(stream=case.stream, report_count=1, reasons={}, **times)
    for wrong in ({"state": "dismissed"}, {"decided_by": viewer}, {"decided_at": case.created_at}):
        with pytest.raises(IntegrityError, match="report_case_has_its_decision"), transaction.atomic():
            ReportCase.objects.update(**wrong)


# --- reasons --------------------------------------------------------------------------------------


def test_every_default_reason_has_a_name_in_both_languages() -> None:
    assert set(DEFAULT_REASONS) == set(NAMES)
    assert name_of("spam") == "spam"
    with override("tr"):
        turkish = {reason: name_of(reason) for reason in NAMES}
    assert turkish["harassment"] == "taciz"
    assert all(turkish[reason] != str(NAMES[reason]) for reason in NAMES if reason != "spam")


def test_a_reason_of_this_installation_alone_is_named_by_its_key() -> None:
    assert name_of("loud_music") == "loud music"


@pytest.mark.parametrize(
    "reasons", [[], ["spam", "spam"], ["Spam"], ["a" * 31], ["two words"], ["1st"], [""], [f"r{n}" for n in range(51)]]
)
def test_wrong_reasons_keep_the_process_from_starting(reasons: list[str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="REPORT_REASONS"):
        check_reasons(reasons)


# --- the group ------------------------------------------------------------------------------------


def test_the_migration_lets_the_group_of_moderators_see_cases(stranger: User) -> None:
    migration = import_module("bans.migrations.0005_report_cases")
    group = Group.objects.get(name="Moderators")
    group.permissions.filter(codename="view_reportcase").delete()
    for _ in range(2):
        migration.let_moderators_see_cases(apps, None)
    stranger.groups.add(group)
    assert User.objects.get(pk=stranger.pk).has_perm("bans.view_reportcase")

    group.delete()
    migration.let_moderators_see_cases(apps, None)
    assert not Group.objects.filter(name="Moderators").exists(), "it may have been renamed"
