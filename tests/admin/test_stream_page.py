"""The page of a stream: its card, its tabs, and what each role finds there."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bans.services import lift_ban, review_ban
from common.admin.panels import panels_of
from common.times import written
from edges.models import Participant, ViewerCount
from livestreams.models import LiveStream
from livestreams.services import delete_stream
from tests.admin.conftest import VIEW_PERMISSIONS, Office, join, permit
from tests.admin.pages import page_url, statements_of, text_of
from tests.bans.people import lapsed_ban, make_ban
from tests.bans.reporting import make_report
from tests.conftest import make_user
from tests.streams import make_stream


@pytest.fixture
def moderator(db: None) -> User:
    return join(permit(make_user("moderator", is_staff=True), VIEW_PERMISSIONS), "Moderators")


@pytest.fixture
def live(creator: User, guest: User, now: datetime) -> LiveStream:
    then = now - timedelta(minutes=42, seconds=5)
    stream = make_stream(
        creator, "active", now=then, guest=guest, answer="accepted", title="Gece sohbeti", price="9.90"
    )
    ViewerCount.objects.filter(stream=stream).update(viewers=1234)
    return stream


def watch(stream: LiveStream, user: User, *, minutes_ago: float) -> None:
    then = timezone.now() - timedelta(minutes=minutes_ago)
    Participant.objects.create(stream=stream, user=user, role="audience", first_seen_at=then, last_seen_at=then)


def ban_people_url(stream: LiveStream) -> str:
    return reverse("admin:ban_people", args=[stream.pk])


# --- the card -------------------------------------------------------------------------------------


def test_the_card_says_what_matters_of_a_live_stream(live: LiveStream, office: Office, moderator: User) -> None:
    make_ban(make_user("troll"), live)
    page = office(moderator).get(page_url(live))
    text = text_of(page)
    for part in (
        "Gece sohbeti duo, crowd · live for 42 minutes", "active", "Host creator", "Guest guest (accepted)",
        "Viewers 1234", "Bans 1", "Unreviewed 1", "Price 9.90", "Ban people…",
    ):  # fmt: skip
        assert part in text, part
    assert live.started_at is not None
    assert f"Started {written(live.started_at)}" in text
    assert "/static/livestreams/default-thumbnail" in page.content.decode()


def test_a_deleted_stream_says_when_it_is_purged(creator: User, office: Office, moderator: User, now: datetime) -> None:
    stream = delete_stream(make_stream(creator).pk, by=moderator, now=now)
    text = text_of(office(moderator).get(page_url(stream)))
    assert f"It is purged on {written(now + settings.DELETED_RETENTION)}." in text
    assert "Ban people…" not in text


@pytest.mark.parametrize("who", ["reader", "moderator"])
def test_only_moderators_find_the_button_that_bans(who: str, live: LiveStream, office: Office, request: Any) -> None:
    page = office(request.getfixturevalue(who)).get(page_url(live))
    assert (f'href="{ban_people_url(live)}"' in page.content.decode()) == (who == "moderator")


# --- tabs -----------------------------------------------------------------------------------------


def rows(page: Any) -> list[list[str]]:
    assert page.status_code == 200
    return [[str(each) for each in row] for row in page.context["tabs"]["context"]["table"]["rows"]]


def named(page: Any) -> list[str]:
    """The text of the link in the first column."""
    return [row[0].split(">")[1].split("<")[0] for row in rows(page)]


def test_the_bans_in_force_are_shown_and_those_that_wait(
    live: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    lapsed_ban(make_user("lapsed"), live)
    lifted = make_ban(make_user("lifted"), live)
    lift_ban(lifted.pk, by=live.creator, now=now)
    upheld = make_ban(make_user("upheld"), live, reason="spam", expires_at=now + timedelta(hours=1))
    review_ban(upheld.pk, by=moderator, now=now, verdict="upheld", reason="Seen.")  # type: ignore[arg-type]
    make_ban(make_user("fresh"), live, now=now + timedelta(seconds=1))
    client = office(moderator)

    assert named(client.get(page_url(live))) == ["fresh", "upheld"]
    assert named(client.get(page_url(live), {"tab": "bans", "bans": "unreviewed"})) == ["fresh", "lapsed"]
    (row,) = [row for row in rows(client.get(page_url(live))) if "upheld" in row[0]]
    assert row[1:5] == ["may not watch", "spam", written(now + timedelta(hours=1)), "upheld"]


def test_viewers_who_are_there_are_shown_with_a_link_to_ban_each(
    live: LiveStream, office: Office, moderator: User, reader: User
) -> None:
    for name, minutes in (("early", 0.5), ("late", 0.1), ("gone", 60)):
        watch(live, make_user(name), minutes_ago=minutes)
    watch(live, live.creator, minutes_ago=0)

    page = office(moderator).get(page_url(live), {"tab": "viewers"})

    assert named(page) == ["late", "early"]
    assert f"{ban_people_url(live)}?target=late" in rows(page)[0][-1]
    without = office(reader).get(page_url(live), {"tab": "viewers"})
    assert named(without) == ["late", "early"]
    assert ban_people_url(live) not in without.content.decode()


def test_reported_cases_are_shown(live: LiveStream, office: Office, moderator: User) -> None:
    make_report(make_user("reporter"), live)
    ((_link, state, count, *_others),) = rows(office(moderator).get(page_url(live), {"tab": "reports"}))
    assert (state, count) == ("open", "1")


def test_the_trail_is_a_tab(live: LiveStream, office: Office, moderator: User) -> None:
    page = office(moderator).get(page_url(live), {"tab": "trail"})
    assert len(rows(page)) >= 2


def test_tabs_are_for_those_who_may_see_their_rows(live: LiveStream, office: Office, reader: User) -> None:
    page = office(reader).get(page_url(live))
    assert [address for address, _title, _shown in page.context["tabs"]["links"]] == ["?tab=viewers", "?tab=trail"]
    assert office(reader).get(page_url(live), {"tab": "bans"}).status_code == 400


@pytest.mark.parametrize("query", [{"tab": "x"}, {"tab": "bans", "bans": "x"}])
def test_a_tab_or_a_filter_that_does_not_exist_is_refused(
    query: dict[str, str], live: LiveStream, office: Office, moderator: User
) -> None:
    assert office(moderator).get(page_url(live), query).status_code == 400


@pytest.mark.parametrize("tab", [panel.name for panel in panels_of(LiveStream)])
def test_a_page_costs_the_same_for_one_row_and_for_many(
    tab: str, live: LiveStream, office: Office, moderator: User
) -> None:
    client = office(moderator)

    def add(name: str) -> None:
        user = make_user(name)
        make_report(user, live)
        watch(live, user, minutes_ago=0.1)
        make_ban(user, live)

    def statements() -> int:
        return statements_of(client, page_url(live), {"tab": tab})

    add("first")
    one = statements()
    for number in range(60):
        add(f"person{number}")
    assert statements() == one
    if tab in {"bans", "viewers"}:
        assert len(rows(client.get(page_url(live), {"tab": tab}))) == 50
