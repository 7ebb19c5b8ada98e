"""The page of one ban in the admin: what it shows and offers, and its cost."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from tests.admin.bans.reviewing import ACTIONS, HOUR, REASON, appeal, review
from tests.admin.conftest import Office
from tests.admin.pages import action_url, page_url, text_of
from tests.bans.people import lapsed_ban, make_ban
from tests.streams import make_stream


def test_the_page_shows_the_appeal_the_earlier_bans_and_the_audit_trail(
    ban: LiveStreamBan, viewer: User, guest: User, office: Office, moderator: User, now: datetime
) -> None:
    earlier = make_ban(viewer, make_stream(guest, title="Yoga"), now=now - 5 * HOUR, reason="shouting")
    make_ban(guest, ban.stream, reason="of somebody else")
    appeal(ban, "It was my <b>brother</b>.")
    client = office(moderator)
    client.post(action_url(earlier, "uphold_ban"), REASON)

    page = client.get(page_url(ban))

    text = text_of(page)
    assert "It was my <b>brother</b>." in text
    assert "of somebody else" not in text
    assert "Earlier bans of this person" in text
    assert f'href="{page_url(earlier)}"' in page.content.decode()
    assert f"Yoga may not watch shouting holds until it is lifted upheld {guest.username}" in text
    assert [entry.action for entry in page.context["audit_trail"]["entries"]] == ["ban_user", "appeal_ban"]
    assert "Earlier bans" not in text_of(client.get(page_url(earlier)))


def test_the_page_shows_until_when_the_ban_holds(office: Office, moderator: User, creator: User, viewer: User) -> None:
    ban = make_ban(viewer, make_stream(creator))

    page = text_of(office(moderator).get(page_url(ban)))

    assert "holds, until it is lifted" in page
    assert f"{viewer.username}: may not watch" in page
    assert "['holds" not in page


def test_the_page_offers_what_the_ban_allows(
    ban: LiveStreamBan, viewer: User, guest: User, creator: User, office: Office, moderator: User
) -> None:
    ended, lifted = lapsed_ban(guest, ban.stream), make_ban(viewer, make_stream(creator))
    services.lift_ban(lifted.pk, by=creator, now=timezone.now())
    client = office(moderator)

    def offered(one: LiveStreamBan) -> list[str]:
        page = client.get(page_url(one)).content.decode()
        return [action for action in [*ACTIONS, "change_ban"] if f'"{action_url(one, action)}"' in page]

    assert offered(ban) == ["uphold_ban", "lift_ban", "change_ban"]
    assert text_of(client.get(action_url(lifted, "lift_ban"))).count("the ban has been lifted already") == 1
    assert offered(ended) == ["uphold_ban", "lift_ban"]
    assert offered(lifted) == []
    review(ban, moderator, "upheld")
    assert offered(ban) == ["lift_ban", "change_ban"]


def test_the_page_costs_the_same_however_often_the_person_was_banned(
    ban: LiveStreamBan, viewer: User, guest: User, office: Office, moderator: User, now: datetime,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    client = office(moderator)
    client.get(page_url(ban))
    with django_assert_max_num_queries(15) as few:
        client.get(page_url(ban))
    for number in range(30):
        make_ban(viewer, make_stream(guest, now=now + number * HOUR), now=now - HOUR)

    with django_assert_max_num_queries(15) as many:
        client.get(page_url(ban))

    assert len(many) == len(few), [query["sql"] for query in many]
