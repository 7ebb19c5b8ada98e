"""GET /api/v1/live-stream-reports/my-reports"""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from bans import services
from bans.models import ReportCase
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.bans.people import make_ban
from tests.bans.reporting import MY_REPORTS, make_report
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream, stream_url
from tests.test_statements import statements

STATES = ("open", "dismissed", "acted_on")


def reported(state: str, creator: User, viewer: User, moderator: User, now: datetime) -> str:
    """The id of a report of a stream of its own whose case is in this state."""
    report = make_report(viewer, make_stream(creator, now=now), now=now)
    if state == "dismissed":
        services.dismiss_case(report.case_id, by=moderator, now=now, reason="x")
    if state == "acted_on":
        services.mark_acted_on(report.case_id, by=moderator, now=now, reason="x")
    assert ReportCase.objects.get(pk=report.case_id).state == state
    return report.pk


def listed(api: Api, user: User, query: str = "") -> list[str]:
    return [report["_id"] for report in data_of(api(user).get(f"{MY_REPORTS}{query}"))["list"]]


def test_a_report_has_its_fields_and_the_stream(
    api: Api, creator: User, viewer: User, stream: LiveStream, now: datetime
) -> None:
    report = make_report(viewer, stream, now=now, reason="hate", comment="Why?")

    (data,) = data_of(api(viewer).get(MY_REPORTS))["list"]

    assert data == {
        "_id": report.pk,
        "liveStreamId": stream.pk,
        "reason": "hate",
        "comment": "Why?",
        "status": "open",
        "createdAt": wire_time(now),
        "decidedAt": None,
        "liveStream": data_of(api(viewer).get(stream_url(stream))),
    }


def test_the_reporter_sees_the_decision_and_not_its_text_or_moderator(
    api: Api, viewer: User, moderator: User, stream: LiveStream, now: datetime
) -> None:
    case = make_report(viewer, stream, now=now).case
    services.mark_acted_on(case.pk, by=moderator, now=now + timedelta(hours=1), reason="Warned the creator.")

    answer = api(viewer).get(MY_REPORTS)

    (data,) = data_of(answer)["list"]
    assert (data["status"], data["decidedAt"]) == ("acted_on", wire_time(now + timedelta(hours=1)))
    assert "Warned" not in answer.content.decode()
    assert moderator.pk not in answer.content.decode()


def test_people_see_their_own_reports_only(
    api: Api, creator: User, viewer: User, stranger: User, stream: LiveStream
) -> None:
    first, second = make_report(viewer, stream).pk, make_report(stranger, stream).pk

    assert (listed(api, viewer), listed(api, stranger), listed(api, creator)) == ([first], [second], [])
    admin = make_user("admin", is_superuser=True, is_staff=True)
    assert listed(api, admin) == []


@pytest.mark.parametrize("state", STATES)
def test_the_list_is_filtered_by_state(
    state: str, api: Api, creator: User, viewer: User, moderator: User, now: datetime
) -> None:
    made = {
        each: reported(each, creator, viewer, moderator, now - timedelta(minutes=at)) for at, each in enumerate(STATES)
    }
    assert listed(api, viewer, f"?status={state}") == [made[state]]
    assert listed(api, viewer) == list(made.values())


def test_the_list_is_filtered_by_stream(api: Api, creator: User, viewer: User, stream: LiveStream) -> None:
    make_report(viewer, make_stream(creator))
    report = make_report(viewer, stream)
    assert listed(api, viewer, f"?liveStreamId={stream.pk}") == [report.pk]
    assert listed(api, viewer, f"?liveStreamId={'0' * 24}") == []


def test_reports_of_a_deleted_stream_are_hidden_until_it_is_restored(
    api: Api, creator: User, viewer: User, stream: LiveStream, now: datetime
) -> None:
    over = make_stream(creator)
    report = make_report(viewer, over)
    streams.delete_stream(over.pk, by=creator, now=now)
    assert listed(api, viewer) == []

    streams.restore_stream(over.pk, by=creator, now=now)
    assert listed(api, viewer) == [report.pk]


def test_a_banned_reporter_still_sees_the_report(api: Api, viewer: User, stream: LiveStream) -> None:
    report = make_report(viewer, stream)
    make_ban(viewer, stream)
    assert listed(api, viewer) == [report.pk]


def test_the_list_is_read_by_page_and_by_keyset(api: Api, creator: User, viewer: User, now: datetime) -> None:
    made = [make_report(viewer, make_stream(creator), now=now - timedelta(minutes=at)).pk for at in range(5)]
    client = api(viewer)

    second = client.get(f"{MY_REPORTS}?limit=2&page=2")
    assert [report["_id"] for report in data_of(second)["list"]] == made[2:4]
    assert data_of(second)["pagination"]["totalItems"] == 5
    for after in (second.headers["X-Next-Cursor"], made[3]):
        rest = data_of(client.get(f"{MY_REPORTS}?after={after}"))["list"]
        assert [report["_id"] for report in rest] == made[4:]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("status=done", "status: must be one of open, dismissed, acted_on"),
        ("status=", "status: must be one of open, dismissed, acted_on"),
        ("liveStreamId=7", "liveStreamId: must be 24 lower-case hexadecimal characters"),
        ("reason=spam", "reason: unknown"),
        ("limit=0", "limit: must be between 1 and 100"),
    ],
)
def test_a_bad_query_is_refused(query: str, reason: str, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(f"{MY_REPORTS}?{query}"), 400, "validation_failed", reason)


def test_the_list_needs_a_token(api: Api) -> None:
    assert_refused(api().get(MY_REPORTS), 401, "authentication_required")


def test_the_number_of_statements_is_the_same_for_one_as_for_twenty(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    client = api(viewer)
    counts = []
    for more in (1, 19):
        for _ in range(more):
            make_report(viewer, make_stream(creator), now=now)
        counts.append(len(statements(lambda: data_of(client.get(f"{MY_REPORTS}?limit=100")))))
    assert counts == [2, 2]
