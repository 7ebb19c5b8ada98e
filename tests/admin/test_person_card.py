"""The card of a person: who it is, the state of the account, and what became of the bans."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpRequest
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from bans.records import COUNTED, HOLDING_SHOWN, bans_in_force, record_of
from common.admin import card_of
from common.times import written
from livestreams.models import Status
from tests.admin.conftest import CHANGE_PERMISSIONS, Office, permit
from tests.admin.pages import page_url, text_of
from tests.bans.people import lapsed_ban, make_ban
from tests.conftest import make_user
from tests.streams import make_stream

Review = LiveStreamBan.Review


@pytest.fixture
def moderator(moderator: User) -> User:
    return permit(moderator, (*CHANGE_PERMISSIONS, "view_livestreamban", "moderate"))


@pytest.fixture
def mia(db: None) -> User:
    return make_user("mia", name="Mia", surname="Öztürk")


def test_the_card_says_who_it_is_and_how_old_the_account_is(office: Office, moderator: User, mia: User) -> None:
    User.objects.filter(pk=mia.pk).update(created_at=timezone.now() - timedelta(days=800), availability_status="busy")

    page = office(moderator).get(page_url(mia))

    head = page.context["card"]["head"]
    assert (head.title, head.subtitle, head.initials) == ("Mia Öztürk", "@mia", "MÖ")
    shown = text_of(page)
    for text in ("Mia Öztürk @mia", "active account", "busy", "Account for 2 years", "Bans none"):
        assert text in shown.replace("\xa0", " "), text


def test_the_card_of_a_deactivated_account_says_so(office: Office, moderator: User, mia: User, creator: User) -> None:
    accounts.deactivate_user(mia.pk, by=User.objects.create_superuser("root"), now=timezone.now(), reason="Spam.")
    assert "deactivated" in text_of(office(moderator).get(page_url(mia)))
    assert "deactivated" not in text_of(office(moderator).get(page_url(creator)))


def test_the_card_counts_bans_and_appeals(office: Office, moderator: User, mia: User, creator: User) -> None:
    now = timezone.now()
    bans = [make_ban(mia, make_stream(creator, title=f"Talk {number}")) for number in range(4)]
    services.appeal_ban(bans[0].pk, by=mia, now=now, text="Not me.")
    services.review_ban(bans[0].pk, by=moderator, now=now, verdict=Review.UPHELD, reason="Seen.")
    services.appeal_ban(bans[1].pk, by=mia, now=now, text="Nor here.")
    services.lift_ban(bans[2].pk, by=creator, now=now)

    record = record_of(mia.pk)
    shown = text_of(office(moderator).get(page_url(mia)))

    assert (record.bans, record.upheld, record.lifted, record.appeals, record.pending) == (4, 1, 1, 2, 1)
    assert not record.has_more
    assert "Bans 4 Upheld or changed 1 Lifted 1 Appeals 2 (1 pending)" in shown


def test_counts_are_bounded(mia: User, creator: User, moderator: User, office: Office) -> None:
    stream = make_stream(creator)
    now = timezone.now()
    LiveStreamBan.objects.bulk_create(
        LiveStreamBan(
            stream=stream,
            target=mia,
            created_by=creator,
            created_at=now - timedelta(hours=hour + 1),
            updated_at=now,
            expires_at=now - timedelta(hours=hour + 1) + timedelta(minutes=1),
        )
        for hour in range(COUNTED + 5)
    )
    assert record_of(mia.pk).has_more
    assert f"Bans {COUNTED}+" in text_of(office(moderator).get(page_url(mia)))


def test_the_card_names_the_penalties_in_force_and_those_of_live_streams_first(
    office: Office, moderator: User, mia: User, creator: User
) -> None:
    until = timezone.now() + timedelta(hours=2)
    live = make_ban(mia, make_stream(creator, Status.ACTIVE, title="Ask me anything"), expires_at=until)
    later = make_ban(mia, make_stream(creator, title="Tomorrow"), action_type="CHAT_ONLY")
    lapsed_ban(mia, make_stream(creator, title="Yesterday"))

    assert [ban.pk for ban in bans_in_force(mia.pk, now=timezone.now())] == [live.pk, later.pk]
    page = office(moderator).get(page_url(mia))
    shown = text_of(page)
    assert f"In force: may not watch on “Ask me anything”, until {written(until)}" in shown
    assert "In force: may not write on “Tomorrow”, until it is lifted" in shown
    assert "Yesterday”" not in shown
    assert page_url(live) in page.content.decode()


def test_a_few_of_many_penalties_are_named(mia: User, creator: User, moderator: User, office: Office) -> None:
    for number in range(HOLDING_SHOWN + 2):
        make_ban(mia, make_stream(creator, title=f"Talk {number}"))
    shown = text_of(office(moderator).get(page_url(mia)))
    assert shown.count("In force:") == HOLDING_SHOWN
    assert "More bans hold" in shown


def test_a_reader_without_permission_for_bans_sees_nothing_of_them(
    office: Office, reader: User, mia: User, creator: User, django_assert_max_num_queries: Any
) -> None:
    make_ban(mia, make_stream(creator, title="Secret talk"))
    client = office(reader)
    with django_assert_max_num_queries(15) as seen:
        page = client.get(page_url(mia))
    assert "Secret talk" not in text_of(page)
    assert "Bans" not in [str(fact.label) for fact in page.context["card"]["facts"]]
    assert not [one for one in seen.captured_queries if "livestreamban" in one["sql"]]


def test_the_card_elsewhere_links_to_the_person_for_those_who_may_see_it(
    moderator: User, mia: User, rf: Any, creator: User
) -> None:
    request: HttpRequest = rf.get("/admin/")
    request.user = moderator
    card = card_of(request, mia, now=timezone.now())
    assert card is not None
    assert card["address"] == page_url(mia)

    request.user = permit(make_user("half", is_staff=True), ("view_livestreamban",))
    card = card_of(request, mia, now=timezone.now())
    assert card is not None
    assert card["address"] == ""
    assert [str(fact.label) for fact in card["facts"]] == ["bans"]


def test_a_model_without_cards_has_none(rf: Any, moderator: User, creator: User) -> None:
    request: HttpRequest = rf.get("/admin/")
    request.user = moderator
    assert card_of(request, Appeal(), now=timezone.now()) is None
