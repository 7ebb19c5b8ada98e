"""POST /api/v1/live-stream-reports/{streamId}"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Report, ReportCase
from common.models import AuditEntry
from common.refusals import Refusal
from common.times import wire_time
from livestreams.models import LiveStream, Status
from livestreams.services import delete_stream
from tests.bans.people import make_ban, permitted
from tests.bans.reporting import REPORTS, make_report, report_url
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import make_stream
from tests.test_statements import statements

COMMENT = "Konuğu yayın boyunca tehdit etti.\nİki kez."


def test_a_viewer_reports_a_stream(api: Api, viewer: User, stream: LiveStream) -> None:
    data = data_of(api(viewer).post(report_url(stream), {"reason": "harassment", "comment": COMMENT}), 201)

    assert list(data) == ["_id", "liveStreamId", "reason", "comment", "status", "createdAt", "decidedAt"]
    report = Report.objects.select_related("case").get()
    assert data == {
        "_id": report.pk,
        "liveStreamId": stream.pk,
        "reason": "harassment",
        "comment": COMMENT,
        "status": "open",
        "createdAt": wire_time(report.created_at),
        "decidedAt": None,
    }
    assert (report.reporter_id, report.case.stream_id, report.case.state) == (viewer.pk, stream.pk, "open")
    entry = AuditEntry.objects.get(action="report_stream")
    assert (entry.target_id, entry.target_type, entry.actor_id) == (report.pk, "report", viewer.pk)
    assert entry.after == {
        "stream_id": stream.pk,
        "case_id": report.case_id,
        "reason": "harassment",
        "comment": COMMENT,
    }


def test_a_comment_may_be_left_out(api: Api, viewer: User, stranger: User, stream: LiveStream) -> None:
    assert data_of(api(viewer).post(report_url(stream), {"reason": "spam"}), 201)["comment"] is None
    assert data_of(api(stranger).post(report_url(stream), {"reason": "spam", "comment": None}), 201)["comment"] is None


def test_all_open_reports_of_a_stream_are_one_case(creator: User, stream: LiveStream, now: datetime) -> None:
    for number, reason in enumerate(["spam", "hate", "spam", "spam"]):
        make_report(make_user(f"viewer{number}"), stream, reason=reason, now=now + timedelta(seconds=number))
    make_report(make_user("other"), make_stream(creator), reason="scam", now=now)

    case = ReportCase.objects.get(stream=stream)

    assert (case.report_count, case.reasons) == (4, {"spam": 3, "hate": 1})
    assert (case.created_at, case.updated_at) == (now, now + timedelta(seconds=3))
    assert case.reports.count() == 4


def test_a_late_clock_does_not_move_the_case_back(viewer: User, stranger: User, stream: LiveStream) -> None:
    now = timezone.now()
    make_report(viewer, stream, now=now)
    make_report(stranger, stream, now=now - timedelta(seconds=5))
    assert ReportCase.objects.get().updated_at == now


def test_a_person_reports_a_stream_once_until_a_moderator_decides(
    api: Api, viewer: User, moderator: User, stream: LiveStream, now: datetime
) -> None:
    client, sent = api(viewer), {"reason": "spam"}
    first = data_of(client.post(report_url(stream), sent), 201)
    assert_refused(client.post(report_url(stream), {"reason": "hate"}), 409, "already_reported")
    assert ReportCase.objects.get().report_count == 1

    services.dismiss_case(ReportCase.objects.get().pk, by=moderator, now=now, reason="No spam.")

    second = data_of(client.post(report_url(stream), sent), 201)
    assert second["_id"] != first["_id"]
    assert sorted(ReportCase.objects.values_list("state", "report_count")) == [("dismissed", 1), ("open", 1)]


def test_a_decided_case_gets_no_more_reports(viewer: User, stranger: User, moderator: User, stream: LiveStream) -> None:
    decided = make_report(viewer, stream).case
    services.mark_acted_on(decided.pk, by=moderator, now=timezone.now(), reason="Banned the guest.")

    case = make_report(stranger, stream).case

    assert case.pk != decided.pk
    assert ReportCase.objects.get(pk=decided.pk).report_count == 1


@pytest.mark.parametrize("kind", ["BLOCK", "CHAT_ONLY"])
def test_a_banned_person_reports_too(kind: str, api: Api, viewer: User, stream: LiveStream) -> None:
    make_ban(viewer, stream, action_type=kind)
    data_of(api(viewer).post(report_url(stream), {"reason": "harassment"}), 201)


@pytest.mark.parametrize("status", list(Status))
def test_a_stream_in_every_state_can_be_reported(status: str, api: Api, creator: User, viewer: User) -> None:
    data_of(api(viewer).post(report_url(make_stream(creator, status)), {"reason": "spam"}), 201)


def test_guests_and_moderators_report_too(api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, guest=guest)
    for user in (guest, permitted("mod", "moderate")):
        data_of(api(user).post(report_url(stream), {"reason": "harassment"}), 201)


def test_nobody_reports_a_stream_of_their_own(api: Api, creator: User, stream: LiveStream) -> None:
    assert_refused(api(creator).post(report_url(stream), {"reason": "spam"}), 403, "cannot_report_own_stream")
    # It precedes the check of the body.
    assert_refused(api(creator).post(report_url(stream), {"reason": "x"}), 403, "cannot_report_own_stream")
    assert not ReportCase.objects.exists()


def test_an_unknown_and_a_deleted_stream_are_missing(api: Api, creator: User, viewer: User, stream: LiveStream) -> None:
    gone = make_stream(creator)
    delete_stream(gone.pk, by=creator, now=timezone.now())
    client = api(viewer)
    for url in (f"{REPORTS}/{'0' * 24}", report_url(gone)):
        for sent in ({"reason": "spam"}, {}):
            assert_refused(client.post(url, sent), 404, "stream_not_found")
    assert not Report.objects.exists()


def test_a_report_needs_a_token(api: Api, stream: LiveStream) -> None:
    assert_refused(api().post(report_url(stream), {"reason": "spam"}), 401, "authentication_required")


REASONS = ", ".join(settings.REPORT_REASONS)
BAD: dict[str, dict[str, Any]] = {
    "reason: is required": {},
    "reason: must not be null": {"reason": None},
    f"reason: must be one of {REASONS}": {"reason": "boring"},
    "comment: must have at most 500 characters": {"reason": "spam", "comment": "x" * 501},
    "comment: must be text": {"reason": "spam", "comment": 7},
    "comment: must not be empty": {"reason": "spam", "comment": " "},
    "text: unknown": {"reason": "spam", "text": "x"},
}


@pytest.mark.parametrize(("rule", "sent"), BAD.items(), ids=BAD)
def test_a_bad_body_is_refused_with_its_rule(
    rule: str, sent: dict[str, Any], api: Api, viewer: User, stream: LiveStream
) -> None:
    assert_refused(api(viewer).post(report_url(stream), sent), 400, "validation_failed", rule)
    assert not Report.objects.exists()


@pytest.mark.parametrize("reason", settings.REPORT_REASONS)
def test_every_reason_of_the_setting_is_taken(reason: str, api: Api, viewer: User, stream: LiveStream) -> None:
    assert data_of(api(viewer).post(report_url(stream), {"reason": reason}), 201)["reason"] == reason


def test_a_repeat_with_the_same_key_gets_the_same_report(api: Api, viewer: User, stream: LiveStream) -> None:
    client: Any = api(viewer)
    first, second = (
        client.post(report_url(stream), {"reason": "spam"}, HTTP_IDEMPOTENCY_KEY="one", format="json") for _ in range(2)
    )
    assert data_of(first, 201) == data_of(second, 201)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert ReportCase.objects.get().report_count == 1


# --- at the same time -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_twenty_reports_at_once_are_one_case() -> None:
    stream = make_stream(make_user("creator"))
    people = [make_user(f"viewer{number}") for number in range(20)]

    at_once(20, lambda number: make_report(people[number], stream, reason=("spam", "hate")[number % 2]))

    case = ReportCase.objects.get()
    assert (case.report_count, case.reasons, case.reports.count()) == (20, {"spam": 10, "hate": 10}, 20)


@pytest.mark.django_db(transaction=True)
def test_of_ten_reports_of_one_person_at_once_one_is_made() -> None:
    viewer, stream = make_user("viewer"), make_stream(make_user("creator"))

    def report(_: int) -> str:
        try:
            return make_report(viewer, stream).reason
        except Refusal as refusal:
            return refusal.code

    assert Counter(at_once(10, report)) == {"spam": 1, "already_reported": 9}
    assert ReportCase.objects.get().report_count == 1


@pytest.mark.django_db(transaction=True)
def test_a_report_and_a_decision_at_once_leave_no_report_in_the_wrong_case() -> None:
    moderator, creator = make_user("moderator"), make_user("creator")
    for number in range(10):
        stream = make_stream(creator)
        case = make_report(make_user(f"first{number}"), stream).case
        second = make_user(f"second{number}")

        def report_or_decide(which: int, case: ReportCase = case, by: User = second) -> None:
            if which:
                services.dismiss_case(case.pk, by=moderator, now=timezone.now(), reason="x")
            else:
                make_report(by, case.stream)

        at_once(2, report_or_decide)

        counts = sorted((each.state, each.report_count, each.reports.count()) for each in stream.report_cases.all())
        assert counts in ([("dismissed", 2, 2)], [("dismissed", 1, 1), ("open", 1, 1)])


# --- cost -----------------------------------------------------------------------------------------


def test_the_number_of_statements(api: Api, viewer: User, stranger: User, stream: LiveStream) -> None:
    # Authentication; the two locks; the stream; its open case, and whether it has a report of the caller; the rows.
    runs = []
    for client in (api(viewer), api(stranger)):

        def report(client: Any = client) -> Any:
            return client.post(report_url(stream), {"reason": "spam"}, format="json")

        runs.append(statements(report))
    assert [len(run) for run in runs] == [6, 7], "\n".join(runs[1])
