"""The board of streams: tabs, order, columns of other apps, and its cost."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from bans.services import review_ban
from common.admin.counting import COUNTED
from edges.models import StreamStatistics, ViewerCount
from livestreams.admin.board import STATES
from livestreams.models import LiveStream, Status
from livestreams.services import delete_stream
from tests.admin.conftest import VIEW_PERMISSIONS, Office, join, permit
from tests.admin.pages import list_url, statements_of, text_of
from tests.admin.plans import plans_of
from tests.api.test_list_plans import nodes, rows_read
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

BOARD = list_url(LiveStream)


@pytest.fixture
def moderator(db: None) -> User:
    return join(permit(make_user("moderator", is_staff=True), VIEW_PERMISSIONS), "Moderators")


@pytest.fixture
def streams(db: None, now: datetime) -> dict[str, LiveStream]:
    """One stream in each state, and a deleted one, by the name of the state; the last ones were created first."""
    made = {}
    for number, status in enumerate([*Status, "deleted"]):
        then = now - timedelta(hours=number + 1)
        host = make_user(f"host-{status}".replace("_", "-"))
        stream = make_stream(host, "preparing" if status == "deleted" else status, now=then, title=f"Talk {number}")
        if status == "deleted":
            stream = delete_stream(stream.pk, by=host, now=now)
        made[str(status)] = stream
    return made


def shown(page: Any) -> list[str]:
    assert page.status_code == 200
    return ["deleted" if row.is_deleted else row.status for row in page.context["cl"].result_list]


def tabs_of(page: Any) -> dict[str, str]:
    """The number of each tab."""
    return dict(title.rsplit(" ", 1) for _address, title, _shown in page.context["tabs"] if " " in title)


# --- order and tabs -------------------------------------------------------------------------------


def test_live_streams_come_first_and_deleted_ones_last(
    streams: dict[str, LiveStream], office: Office, reader: User
) -> None:
    assert shown(office(reader).get(BOARD)) == [
        "active", "preparing", "scheduled", "ended", "expired", "cancelled_by_host", "cancelled_by_guest", "deleted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tab", "states"),
    [
        ("live", "active"),
        ("preparing", "preparing"),
        ("scheduled", "scheduled"),
        ("ended", "ended"),
        ("expired", "expired"),
        ("cancelled", "cancelled_by_host cancelled_by_guest"),
        ("deleted", "deleted"),
    ],
)
def test_a_tab_shows_the_streams_in_its_state(
    tab: str, states: str, streams: dict[str, LiveStream], office: Office, reader: User
) -> None:
    page = office(reader).get(BOARD, {"state": tab})
    assert set(shown(page)) == set(states.split())
    (current,) = [address for address, _title, is_shown in page.context["tabs"] if is_shown]
    assert current == f"?state={tab}"
    assert page.content.decode().count('aria-current="page"') == 1
    assert f'<input type="hidden" name="state" value="{tab}">' in page.content.decode()


def test_every_state_has_a_tab_with_its_number(streams: dict[str, LiveStream], office: Office, reader: User) -> None:
    page = office(reader).get(BOARD)
    assert tabs_of(page) == {
        "Live": "1", "Preparing": "1", "Scheduled": "1", "Ended": "1", "Expired": "1", "Cancelled": "2", "Deleted": "1",
    }  # fmt: skip
    assert page.context["tabs"][-1][1:] == ("All", True)


@pytest.mark.parametrize("tab", STATES)
def test_within_a_tab_what_is_next_or_newest_comes_first(
    tab: str, office: Office, reader: User, creator: User, now: datetime
) -> None:
    status = {"live": "active", "cancelled": "cancelled_by_host", "deleted": "preparing"}.get(tab, tab)
    made = []
    for hours in (3, 1, 2):
        fields: dict[str, Any] = {}
        then = now - timedelta(hours=hours)
        if tab == "scheduled":
            fields["planned_start_at"] = now + timedelta(hours=4 - hours)
        made.append(make_stream(make_user(f"host{hours}"), status, now=then, title=f"{hours}", **fields))
        if tab == "deleted":
            delete_stream(made[-1].pk, by=None, now=then)

    page = office(reader).get(BOARD, {"state": tab})

    titles = [row.title for row in page.context["cl"].result_list]
    assert titles == (["3", "2", "1"] if tab == "scheduled" else ["1", "2", "3"])


def test_a_number_beside_a_tab_stops_at_a_hundred(office: Office, reader: User, creator: User) -> None:
    fill(1, 150, creator)
    assert tabs_of(office(reader).get(BOARD))["Ended"] == "99+"


def test_the_tabs_speak_turkish(streams: dict[str, LiveStream], office: Office, reader: User) -> None:
    page = office(reader).get(BOARD, headers={"Accept-Language": "tr"})
    assert list(tabs_of(page)) == [
        "Canlı", "Hazırlanıyor", "Planlandı", "Bitti", "Süresi doldu", "İptal edildi", "Silindi",
    ]  # fmt: skip


@pytest.mark.parametrize("wanted", ["host-active", "TALK 2", "2 talk active"])
def test_a_stream_is_found_by_words_of_its_title_and_its_host(
    wanted: str, streams: dict[str, LiveStream], office: Office, reader: User
) -> None:
    assert shown(office(reader).get(BOARD, {"q": wanted})) == ["active"]


# --- columns --------------------------------------------------------------------------------------


def cells(page: Any, title: str) -> dict[str, Any]:
    return next(row.added_values for row in page.context["cl"].result_list if row.title == title)


def test_the_board_shows_viewers_and_bans(office: Office, moderator: User, creator: User, viewer: User) -> None:
    live = make_stream(creator, "active", title="Live")
    ended = make_stream(make_user("host"), "ended", title="Ended")
    ViewerCount.objects.filter(stream=live).update(viewers=1234)
    StreamStatistics.objects.update_or_create(stream=ended, defaults={"peak": 77})
    bans = [make_ban(make_user(f"troll{number}"), live) for number in range(3)]
    review_ban(bans[0].pk, by=moderator, now=timezone.now(), verdict="upheld", reason="Seen.")  # type: ignore[arg-type]
    review_ban(bans[1].pk, by=moderator, now=timezone.now(), verdict="lifted", reason="Seen.")  # type: ignore[arg-type]

    page = office(moderator).get(BOARD)

    assert cells(page, "Live")["viewers"] == 1234
    assert cells(page, "Ended") == {"viewers": "at most 77", "bans": "–", "unreviewed": "–"}
    for name, count, wanted in (("bans", 2, "holding=yes"), ("unreviewed", 1, "review__exact=unreviewed")):
        address = f"/admin/bans/livestreamban/?stream__id__exact={live.pk}&amp;{wanted}"
        assert f'href="{address}">{count}</a>' in cells(page, "Live")[name]
        listed = office(moderator).get(address.replace("&amp;", "&"))
        assert len(listed.context["cl"].result_list) == count


def test_columns_of_bans_are_for_those_who_may_view_bans(
    office: Office, reader: User, moderator: User, creator: User
) -> None:
    make_stream(creator, "active")
    assert "bans" not in office(reader).get(BOARD).context["cl"].list_display_links
    assert set(cells(office(reader).get(BOARD), "Evening talk")) == {"viewers"}
    assert set(cells(office(moderator).get(BOARD), "Evening talk")) == {"viewers", "bans", "unreviewed"}


def test_the_time_says_what_matters_in_each_state(streams: dict[str, LiveStream], office: Office, reader: User) -> None:
    text = text_of(office(reader).get(BOARD))
    for part in ("live for 3 hours", "lasted 30 minutes", "late by", "created 2 hours ago", "purged in 29 days"):
        assert part in text, part


# --- cost -----------------------------------------------------------------------------------------

FILL = """
    INSERT INTO livestreams_livestream (
        id, created_at, updated_at, title, title_folded, type, channel_name, creator_id, thumbnail, status, revision,
        planned_start_at, started_at, ended_at, deleted_at)
    SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), made, made, 'Talk ' || n, 'talk ' || n, 'solo', 'filled-' || n,
        %s::bytea, '', status, 0, made + interval '1 hour',
        CASE WHEN status = 'ended' THEN made END, CASE WHEN status = 'ended' THEN made END,
        CASE WHEN n %% 50 = 0 THEN made END
    FROM generate_series(%s::int, %s::int) AS n,
        LATERAL (SELECT timestamptz '2026-11-01' - n * interval '1 minute' AS made, CASE n %% 20
            WHEN 0 THEN 'scheduled' WHEN 1 THEN 'preparing' WHEN 2 THEN 'cancelled_by_host' WHEN 3 THEN 'expired'
            ELSE 'ended' END AS status) AS of_number
"""


def fill(first: int, last: int, creator: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, [bytes.fromhex(creator.pk), first, last])
        cursor.execute("ANALYZE livestreams_livestream")


@pytest.mark.parametrize("tab", ["", "live", "ended"])
def test_the_board_costs_the_same_for_one_stream_and_for_fifty(
    tab: str, office: Office, moderator: User, creator: User
) -> None:
    client = office(moderator)

    def statements() -> int:
        return statements_of(client, BOARD, {"state": tab})

    make_stream(creator, "active")
    make_stream(make_user("host"), "ended")
    one = statements()
    for number in range(50):
        host = make_user(f"host{number}")
        stream = make_stream(host, "active", title=f"Talk {number}")
        make_ban(creator, stream)
    fill(1, 100, creator)
    assert statements() == one + 1  # of more than one page, the keys are found first
    assert len(client.get(BOARD, {"state": tab}).context["cl"].result_list) == 50


def most_read(captured: CaptureQueriesContext) -> dict[str, float]:
    """The most rows that one step of each SELECT on streams read, by statement."""
    return {
        sql: max(rows_read(node) for node, _counting in nodes(plan))
        for sql, plan in plans_of(captured)
        if "livestreams_livestream" in sql
    }


QUERIES: list[dict[str, str]] = [{}, *({"state": name} for name in STATES), {"q": "talk 199999"}, {"p": "4"}]
MOST_READ = 4 * COUNTED  # an index has a row of the wanted state among at most four


@pytest.mark.slow
@pytest.mark.usefixtures("no_dead_rows")
def test_a_page_of_two_hundred_thousand_streams_reads_as_much_as_of_a_few(
    office: Office, moderator: User, creator: User
) -> None:
    fill(1, 200_000, creator)
    make_stream(creator, "active")
    client = office(moderator)
    for query in QUERIES:
        client.get(BOARD, query)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(BOARD, query).status_code == 200
        read = most_read(seen)
        assert len(read) >= 3
        for sql, rows in read.items():
            assert rows <= MOST_READ, (query, rows, sql)


def test_a_count_of_many_rows_is_bounded(rf: RequestFactory, creator: User, office: Office, reader: User) -> None:
    fill(1, COUNTED + 200, creator)
    page = office(reader).get(BOARD)
    assert page.context["cl"].result_count == COUNTED
    assert f"{COUNTED}+ streams" in text_of(page)
    assert office(reader).get(BOARD, {"p": str(COUNTED // 50)}).status_code == 200
    assert admin.site._registry[LiveStream].list_per_page == 50


# --- choosing a stream ----------------------------------------------------------------------------


def choices(client: Client, term: str) -> list[str]:
    query = {"app_label": "bans", "model_name": "livestreamban", "field_name": "stream", "term": term}
    return [result["text"] for result in client.get("/admin/autocomplete/", query).json()["results"]]


def test_streams_with_the_same_title_can_be_distinguished(
    office: Office, moderator: User, creator: User, guest: User, django_assert_max_num_queries: Any, now: datetime
) -> None:
    make_stream(creator, "ended", title="Gece sohbeti", now=now - timedelta(days=2))
    make_stream(creator, "active", title="Gece sohbeti")
    make_stream(guest, "active", title="Gece sohbeti")
    gone = make_stream(guest, "preparing", title="Gece sohbeti", now=now - timedelta(days=3))
    delete_stream(gone.pk, by=None, now=now)
    client = office(moderator)

    found = choices(client, "gece")

    assert len(set(found)) == 4
    assert sorted((text.split(" · ")[0], text.split(" · ")[1], text.split(" · ")[3]) for text in found) == [
        ("Gece sohbeti", "creator", "active"),
        ("Gece sohbeti", "creator", "ended"),
        ("Gece sohbeti", "guest", "active"),
        ("Gece sohbeti", "guest", "deleted"),
    ]
    for number in range(20):
        make_stream(make_user(f"host{number}"), title="Gece sohbeti")
    with django_assert_max_num_queries(12):
        assert len(choices(client, "gece")) == 20


def test_the_chosen_stream_of_a_filter_has_the_same_text(
    office: Office, moderator: User, creator: User, now: datetime
) -> None:
    stream = make_stream(creator, "preparing", title="Gece sohbeti")
    delete_stream(stream.pk, by=None, now=now)
    client = office(moderator)
    (text,) = choices(client, "gece")
    page = client.get("/admin/bans/livestreamban/", {"stream__id__exact": stream.pk})
    assert f"selected>{text}</option>" in page.content.decode()
