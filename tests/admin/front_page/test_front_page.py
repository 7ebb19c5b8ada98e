"""The front page: what it shows of bans and streams, and to whom."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from bans.services import review_ban
from edges.services import LIVE
from edges.services.presence import record_presence
from livestreams.models import LiveStream
from tests.admin.conftest import Office
from tests.admin.front_page.conftest import HOUR, MINUTE, appealed, banned, links, member, section
from tests.admin.pages import page_url, text_of
from tests.conftest import make_user
from tests.streams import make_stream

INDEX, DATA = "/admin/", "/admin/front-page/data/"
SEEN = {
    "nobody": [],
    "streams": ["live"],
    "viewer": ["waiting", "raids", "live", "by_hour"],
    "moderator": ["waiting", "raids", "live", "by_hour", "decisions"],
    "senior": ["waiting", "raids", "live", "by_hour", "decisions"],
    "ops": ["waiting", "raids", "live", "operations", "by_hour"],
    "superuser": ["waiting", "raids", "live", "operations", "by_hour", "decisions"],
}
TABLES = {
    "waiting": "bans_appeal",
    "by_hour": "action_type",
    "live": "edges_viewercount",
    "operations": "reminders_checkpoint",
    "decisions": "reviewed_by_id",
}


def statements(call: Callable[[], Any]) -> list[str]:
    call()  # compiles what is compiled once
    with CaptureQueriesContext(connection) as captured:
        call()
    return [query["sql"] for query in captured]


# --- roles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", SEEN)
def test_a_role_gets_its_sections_and_nothing_else_is_read(role: str, office: Office, db: None) -> None:
    client = office(member(role))

    answer = client.get(INDEX)
    renewed = client.get(DATA)

    assert (answer.status_code, renewed.status_code) == (200, 200)
    assert list(renewed.json()["sections"]) == SEEN[role]
    assert {each[0].name for column in answer.context["columns"] for each in column} == set(SEEN[role])
    assert ("There is nothing on this page for your role" in text_of(answer)) is (role == "nobody")
    read = " ".join(statements(lambda: client.get(DATA)))
    assert {name for name, table in TABLES.items() if table in read} == set(SEEN[role]) & TABLES.keys()


def test_who_may_not_see_bans_sees_streams_without_their_bans(office: Office, live: LiveStream, now: datetime) -> None:
    banned("spammer", live, now)
    text = section(office(member("streams")), "live")
    assert text is not None
    assert "Gece sohbeti" in text
    assert "Bans in 10 min" not in text


@pytest.mark.parametrize("address", [INDEX, DATA])
def test_others_are_sent_to_the_login(address: str, client: Client, office: Office, viewer: User) -> None:
    for one in (client, office(viewer)):
        answer = one.get(address)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("role", SEEN)
def test_nothing_can_be_posted_to_the_renewal(role: str, office: Office, db: None) -> None:
    assert office(member(role)).post(DATA).status_code == 405


@pytest.mark.parametrize("role", ["nobody", "viewer", "ops", "streams"])
def test_an_undo_that_is_crafted_without_the_permission_is_forbidden(
    role: str, office: Office, moderator: User, live: LiveStream, now: datetime
) -> None:
    ban = banned("spammer", live, now)
    review_ban(ban.pk, by=moderator, now=now, verdict=LiveStreamBan.Review.UPHELD, reason="Seen.")
    before = LiveStreamBan.all_objects.values().get(pk=ban.pk)

    answer = office(member(role)).post(reverse("admin:review_undo"), {"ban": ban.pk})

    assert answer.status_code == 403
    assert LiveStreamBan.all_objects.values().get(pk=ban.pk) == before


# --- statements -----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "moderator", "ops", "superuser"])
def test_the_number_of_statements_is_small_and_does_not_depend_on_the_rows(
    role: str, office: Office, live: LiveStream, later: LiveStream, now: datetime
) -> None:
    user = member(role)
    client = office(user)

    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            ban = banned(f"b{number}", (live, later)[number % 2], now - number * MINUTE)
            if number % 3 == 0:
                appealed(ban, now)
            if number % 5 == 0:
                review_ban(ban.pk, by=user, now=now, verdict=LiveStreamBan.Review.UPHELD, reason="Seen.")
            make_stream(make_user(f"host{number}"), "active", now=now - number * MINUTE)
        services.ban_many(live.pk, [f"host{number}" for number in range(first, last)], by=live.creator, now=now)

    fill(0, 1)
    few = [len(statements(partial(client.get, address))) for address in (INDEX, DATA)]
    fill(1, 50)
    many = [len(statements(partial(client.get, address))) for address in (INDEX, DATA)]

    assert few == many
    assert max(many) <= 8


# --- what waits -----------------------------------------------------------------------------------


def test_the_queues_have_their_numbers_and_lead_to_the_queue(
    office: Office, moderator: User, live: LiveStream, later: LiveStream, now: datetime
) -> None:
    client = office(moderator)
    assert section(client, "waiting") == (
        "forum 0 Appeals nothing waits sensors 0 On live streams nothing waits"
        " hourglass_bottom 0 Ending within the hour nothing waits inbox 0 The rest nothing waits"
    )
    for number in range(2):
        appealed(banned(f"appellant{number}", live, now - HOUR), now - (48 - number) * MINUTE)
    for number in range(3):
        banned(f"loud{number}", live, now)
    for number in range(4):
        banned(f"ending{number}", later, now - 3 * HOUR, expires_at=now + (10 + number) * MINUTE)
    for number in range(5):
        banned(f"other{number}", later, now - 3 * HOUR)

    assert section(client, "waiting") == (
        "forum 2 Appeals oldest: 48\xa0minutes ago sensors 3 On live streams unreviewed"
        " hourglass_bottom 4 Ending within the hour unreviewed inbox 5 The rest unreviewed"
    ).replace("\xa0", " ")
    for name, address in zip(("appeals", "live", "ending", "rest"), links(client, "waiting"), strict=True):
        assert address == f"/admin/bans/review/?queue={name}"
        opened = client.get(address, follow=True)
        assert opened.status_code == 200
        shown = LiveStreamBan.all_objects.get(pk=opened.request["PATH_INFO"].strip("/").split("/")[-1])
        assert shown in LiveStreamBan.all_objects.waiting(now, name)


def test_above_a_thousand_the_numbers_are_not_exact(
    office: Office, moderator: User, later: LiveStream, now: datetime
) -> None:
    people = User.objects.bulk_create(User(username=f"p{n}", username_key=f"p{n}") for n in range(1_001))
    new = {"stream": later, "created_by": later.creator, "created_at": now, "updated_at": now}
    LiveStreamBan.objects.bulk_create(LiveStreamBan(target=person, **new) for person in people)

    text = section(office(moderator), "waiting")

    assert text is not None
    assert "1,000+ The rest" in text


# --- live now -------------------------------------------------------------------------------------


def test_live_streams_have_their_viewers_and_the_bans_of_the_last_ten_minutes(
    office: Office, moderator: User, live: LiveStream, later: LiveStream, viewer: User, now: datetime
) -> None:
    record_presence(viewer, live.pk, role="audience", now=now)
    LIVE.take_step(now)
    banned("long-ago", live, now - 11 * MINUTE)
    for number in range(3):
        banned(f"just-now{number}", live, now - 9 * MINUTE)
    lifted = banned("lifted", live, now)
    services.lift_ban(lifted.pk, by=live.creator, now=now)
    client = office(moderator)

    text = section(client, "live")

    assert text == ("Stream Host Minutes Viewers Bans in 10 min Gece sohbeti creator 42 1 3 All live streams (1)")
    assert links(client, "live") == [page_url(live), "/admin/livestreams/livestream/?status__exact=active"]
    for address in links(client, "live"):
        assert client.get(address).status_code == 200


def test_the_streams_with_most_viewers_are_shown_and_all_are_counted(
    office: Office, moderator: User, now: datetime
) -> None:
    for number in range(10):
        make_stream(make_user(f"host{number}"), "active", now=now, title=f"Stream {number}")
    text = section(office(moderator), "live")
    assert text is not None
    assert text.count("host") == 8
    assert text.endswith("All live streams (10)")


# --- decisions ------------------------------------------------------------------------------------


def test_decisions_can_be_taken_back_until_somebody_objects(
    office: Office, moderator: User, live: LiveStream, now: datetime
) -> None:
    made = [banned(name, live, now - HOUR) for name in ("first", "second", "third")]
    for number, ban in enumerate(made):
        at = now - (30 - number) * MINUTE
        review_ban(ban.pk, by=moderator, now=at, verdict=LiveStreamBan.Review.UPHELD, reason="Seen.")
    appealed(made[0], now)
    services.change_ban(made[1].pk, by=live.creator, now=now, reason="Enough.", changes={"action_type": "CHAT_ONLY"})
    client = office(moderator)

    assert section(client, "decisions") == (
        "upheld third Gece sohbeti 28 minutes ago Undo upheld second Gece sohbeti 29 minutes ago changed since"
        " upheld first Gece sohbeti 30 minutes ago appealed since"
    )
    client.post(reverse("admin:review_undo"), {"ban": made[2].pk})
    made[2].refresh_from_db()
    assert made[2].review == LiveStreamBan.Review.UNREVIEWED
    text = section(client, "decisions")
    assert text is not None
    assert "third" not in text


def test_the_decisions_of_others_are_not_shown(
    office: Office, moderator: User, live: LiveStream, now: datetime
) -> None:
    other = member("superuser")
    ban = banned("spammer", live, now)
    review_ban(ban.pk, by=other, now=now, verdict=LiveStreamBan.Review.LIFTED, reason="Seen.")
    assert section(office(moderator), "decisions") == "You have decided nothing yet."


# --- raids ----------------------------------------------------------------------------------------


def test_a_batch_with_unreviewed_bans_is_one_row_and_leaves_when_all_are_decided(
    office: Office, moderator: User, live: LiveStream, now: datetime
) -> None:
    client = office(moderator)
    assert section(client, "raids") == ""
    names = [make_user(f"raider{number}").username for number in range(3)]
    batch = services.ban_many(live.pk, names, by=live.creator, now=now - 6 * MINUTE, reason="All at once")
    bans = [result.ban_id for result in batch.results]

    def review(ban_id: str | None) -> None:
        assert ban_id is not None
        review_ban(ban_id, by=moderator, now=now, verdict=LiveStreamBan.Review.UPHELD, reason="Seen.")

    review(bans[0])
    text = section(client, "raids")
    assert text is not None
    assert text.startswith("3 people on Gece sohbeti 2 unreviewed, banned by creator, 6 minutes ago All at once")
    (address,) = links(client, "raids")
    assert batch.id is not None
    assert batch.id in address
    assert client.get(address, follow=True).status_code == 200
    for ban_id in bans[1:]:
        review(ban_id)
    assert section(client, "raids") == ""


def test_the_newest_raids_are_shown(office: Office, moderator: User, live: LiveStream, now: datetime) -> None:
    for number in range(6):
        names = [make_user(f"raider{number}").username]
        services.ban_many(live.pk, names, by=live.creator, now=now - number * MINUTE, reason=f"No. {number}")
    text = section(office(moderator), "raids")
    assert text is not None
    assert text.count("banned by creator") == 4
    assert "No. 5" in text
    assert "Older ones follow when these are decided." in text
