"""The queue of cases of reports in the admin, the page of a case, and decisions."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import ReportCase
from common.models import AuditEntry
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from tests.admin.bans.reviewing import REASON
from tests.admin.conftest import Office, permit
from tests.admin.pages import action_url, change_many, list_url, messages_of, page_url, text_of
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.conftest import make_user
from tests.streams import make_stream

ACTIONS = {"dismiss_case": "dismissed", "mark_acted_on": "acted_on"}


@pytest.fixture
def case(viewer: User, stream: LiveStream) -> ReportCase:
    return make_report(viewer, stream, reason="harassment", comment="Tehdit etti.").case


@pytest.fixture
def reader(db: None) -> User:
    """Staff who may see cases and not decide."""
    return permit(make_user("reader", is_staff=True), ("view_reportcase",))


def row_of(case: ReportCase) -> Any:
    return ReportCase.objects.values().get(pk=case.pk)


def queued(client: Client, **query: str) -> list[str]:
    answer = client.get(list_url(ReportCase), query)
    assert answer.status_code == 200
    return [case.stream.title for case in answer.context["cl"].result_list]


@pytest.fixture
def queue(creator: User, moderator: User, now: datetime) -> dict[str, ReportCase]:
    """Cases by the titles of their streams."""

    def reported(title: str, *reasons: str) -> ReportCase:
        stream = make_stream(creator, title=title)
        made = [make_report(make_user(f"{title}{n}"), stream, reason=reason) for n, reason in enumerate(reasons)]
        return ReportCase.objects.get(pk=made[0].case_id)

    cases = {
        "few": reported("few", "spam"),
        "many": reported("many", "hate", "spam", "hate"),
        "earlier": reported("earlier", "scam"),
        "later": reported("later", "hate", "hate"),
    }
    services.dismiss_case(cases["earlier"].pk, by=moderator, now=now + timedelta(minutes=1), reason="x")
    services.mark_acted_on(cases["later"].pk, by=moderator, now=now + timedelta(minutes=2), reason="x")
    return cases


# --- the queue ------------------------------------------------------------------------------------


def test_open_cases_come_first_and_those_with_most_reports_at_the_top(
    queue: dict[str, ReportCase], office: Office, moderator: User
) -> None:
    assert queued(office(moderator)) == ["many", "few", "later", "earlier"]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"state__exact": "open"}, "many few"),
        ({"state__exact": "dismissed"}, "earlier"),
        ({"state__exact": "acted_on"}, "later"),
        ({"reason": "hate"}, "many later"),
        ({"reason": "copyright"}, ""),
        ({"stream__id__exact": "stream"}, "few"),
        ({"decided_by__id__exact": "moderator"}, "later earlier"),
        ({"q": "EARL"}, "earlier"),
        ({"q": "creator"}, "many few later earlier"),
        ({"q": "case"}, "few"),
        ({"q": "stream"}, "few"),
        ({"q": "creator id"}, "many few later earlier"),
        ({"q": " "}, "many few later earlier"),
        ({"q": "́"}, ""),
    ],
    ids=str,
)
def test_cases_are_found_by_filters_names_and_ids(
    query: dict[str, str], titles: str, queue: dict[str, ReportCase], office: Office, moderator: User, creator: User
) -> None:
    few = queue["few"]
    known = {"stream": few.stream_id, "moderator": moderator.pk, "case": few.pk, "creator id": creator.pk}

    found = queued(office(moderator), **{name: known.get(value, value) for name, value in query.items()})

    assert found == titles.split()


def test_the_queue_shows_stream_creator_state_reasons_and_decision(
    queue: dict[str, ReportCase], office: Office, moderator: User
) -> None:
    text = text_of(office(moderator).get(list_url(ReportCase)))
    for part in ("many creator", "hate (2), spam (1)", "acted on", "dismissed", "moderator"):
        assert part in text


def test_the_sidebar_counts_open_cases(queue: dict[str, ReportCase], office: Office, moderator: User) -> None:
    assert "flag Reports 2 group" in text_of(office(moderator).get(reverse("admin:index")))


def test_the_queue_reads_as_much_for_fifty_cases_as_for_four(
    queue: dict[str, ReportCase], office: Office, moderator: User, creator: User, viewer: User
) -> None:
    client = office(moderator)
    counts = []
    for more in (0, 30):
        for _ in range(more):
            make_report(viewer, make_stream(creator))
        client.get(list_url(ReportCase))
        with CaptureQueriesContext(connection) as captured:
            client.get(list_url(ReportCase))
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 15


# --- the page -------------------------------------------------------------------------------------


def test_the_page_shows_the_reports_and_leads_to_the_stream_its_creator_and_its_bans(
    case: ReportCase, stranger: User, stream: LiveStream, office: Office, moderator: User
) -> None:
    make_report(stranger, stream, reason="spam", comment="<b>Link</b>")
    make_ban(stranger, stream)
    client = office(moderator)

    answer = client.get(page_url(case))

    text, page = text_of(answer), answer.content.decode()
    for part in ("Gece sohbeti", "creator", "harassment (1), spam (1)", "viewer", "Tehdit etti.", "stranger", "open"):
        assert part in text
    assert "Reports, newest first (2 of 2)" in text
    assert "&lt;b&gt;Link&lt;/b&gt;" in page
    assert text.index("stranger") < text.index("Tehdit etti."), "newest first"
    for address in (page_url(stream), page_url(stream.creator), page_url(stranger)):
        assert address in page
    for address in ("livestreamban", "reportcase"):
        link = f"{reverse(f'admin:bans_{address}_changelist')}?stream__id__exact={stream.pk}"
        assert link in page
        assert client.get(link).status_code == 200


def test_the_page_names_reasons_in_turkish(case: ReportCase, office: Office, moderator: User) -> None:
    assert "taciz (1)" in text_of(office(moderator).get(page_url(case), headers={"accept-language": "tr"}))


def test_the_page_of_a_case_whose_stream_is_deleted(
    case: ReportCase, creator: User, viewer: User, office: Office, moderator: User
) -> None:
    over = make_stream(creator, title="Silinen")
    gone = make_report(viewer, over).case
    delete_stream(over.pk, by=moderator, now=timezone.now())
    client = office(moderator)

    assert "Silinen" in text_of(client.get(page_url(gone)))
    assert set(queued(client)) == {"Gece sohbeti", "Silinen"}


def test_the_page_reads_as_much_for_many_reports_as_for_one(
    case: ReportCase, stream: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    client = office(moderator)
    counts = []
    for more in (0, 110):
        for number in range(more):
            make_report(make_user(f"person{number}"), stream, now=now)
        client.get(page_url(case))
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(page_url(case))
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 15
    assert "Reports, newest first (100 of 111)" in text_of(answer)


# --- decisions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("many", [False, True])
def test_an_action_decides_with_its_reason(
    action: str, many: bool, case: ReportCase, office: Office, moderator: User
) -> None:
    client = office(moderator)

    if many:
        answer = change_many(client, action, [case], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(case, action), REASON)

    row = row_of(case)
    assert (row["state"], row["decided_by_id"], row["decision"]) == (ACTIONS[action], moderator.pk, REASON["reason"])
    assert messages_of(answer) == ["1 case was dismissed." if action == "dismiss_case" else "1 case was marked."]
    entry = AuditEntry.objects.get(action=action)
    assert (entry.entry_point, entry.actor_id, entry.reason) == ("admin", moderator.pk, REASON["reason"])
    page = text_of(client.get(page_url(case)))
    assert REASON["reason"] in page
    assert "Dismiss" not in page


@pytest.mark.parametrize("action", ACTIONS)
def test_a_decision_needs_a_reason(action: str, case: ReportCase, office: Office, moderator: User) -> None:
    answer = office(moderator).post(action_url(case, action), {"reason": " "})
    assert answer.context["form"].errors
    assert row_of(case)["state"] == "open"


@pytest.mark.parametrize("action", ACTIONS)
def test_the_slower_of_two_moderators_sees_who_decided(
    action: str, case: ReportCase, office: Office, moderator: User
) -> None:
    client = office(moderator)
    form = client.get(action_url(case, action)).context["hidden"]
    services.dismiss_case(case.pk, by=make_user("faster"), now=timezone.now(), reason="Seen.")
    before = row_of(case)

    stale = messages_of(client.post(action_url(case, action), REASON | dict(form)))
    direct = messages_of(client.post(action_url(case, action), REASON))

    assert "faster changed it while the form was open" in stale[0]
    assert "faster has decided the case already, on" in direct[-1]
    assert row_of(case) == before


def test_a_report_that_comes_in_while_the_form_is_open_is_decided_with_the_others(
    case: ReportCase, stranger: User, stream: LiveStream, office: Office, moderator: User
) -> None:
    client = office(moderator)
    form = client.get(action_url(case, "dismiss_case")).context["hidden"]
    make_report(stranger, stream)

    client.post(action_url(case, "dismiss_case"), REASON | dict(form))

    row = row_of(case)
    assert (row["state"], row["report_count"]) == ("dismissed", 2)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_moderator_is_not_offered_a_case_of_a_stream_of_their_own(
    action: str, viewer: User, office: Office, moderator: User
) -> None:
    case = make_report(viewer, make_stream(moderator)).case
    client = office(moderator)
    assert action not in client.get(page_url(case)).content.decode()

    answer = client.post(action_url(case, action), REASON)

    assert messages_of(answer)[0].endswith(": you cannot decide about reports of a stream of your own")
    assert row_of(case)["state"] == "open"


# --- permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("who", ["reader", "viewer"])
@pytest.mark.parametrize("many", [False, True])
def test_a_crafted_post_without_the_permission_is_forbidden(
    action: str, who: str, many: bool, request: Any, office: Office, case: ReportCase
) -> None:
    client, before = office(request.getfixturevalue(who)), row_of(case)
    url = list_url(ReportCase) if many else action_url(case, action)

    answer = client.post(url, {"action": action, "_selected_action": [case.pk], "confirmed": "yes"} | REASON)

    assert answer.status_code == 403
    assert row_of(case) == before


def test_staff_without_the_permission_to_moderate_see_cases_and_are_offered_nothing(
    office: Office, reader: User, case: ReportCase
) -> None:
    client = office(reader)
    seen = client.get(page_url(case)).content.decode() + client.get(list_url(ReportCase)).content.decode()
    assert "Tehdit etti." in seen
    assert not any(action in seen for action in ACTIONS)


def test_staff_without_a_permission_see_no_case(office: Office, case: ReportCase) -> None:
    client = office(make_user("newcomer", is_staff=True))
    assert client.get(list_url(ReportCase)).status_code == 403
    assert client.get(page_url(case)).status_code == 403


@pytest.mark.parametrize("part", ["add/", "delete", "change"])
def test_nobody_adds_deletes_or_edits_a_case(part: str, office: Office, case: ReportCase) -> None:
    root, before = User.objects.create_superuser("root", "password"), row_of(case)
    address = list_url(ReportCase) + (part if part == "add/" else f"{case.pk}/{part}/")
    assert office(root).post(address, {"post": "yes", "state": "dismissed"}).status_code == 403
    assert row_of(case) == before
