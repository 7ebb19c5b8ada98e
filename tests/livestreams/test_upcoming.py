"""GET upcoming and user/{userId}/upcoming-live-streams, in hours (v1) and in minutes (v2)"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from bans.services import lift_ban
from livestreams import services
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import notified_of_start, remind
from tests.reminders.working import work
from tests.streams import STREAMS, make_stream
from tests.test_statements import statements

UPCOMING = f"{STREAMS}/upcoming"


def of_user(user: User | str, version: str = "v1") -> str:
    return f"/api/{version}/live-stream/user/{user if isinstance(user, str) else user.pk}/upcoming-live-streams"


def titles(data: dict[str, Any]) -> list[str]:
    return [stream["title"] for stream in data["list"]]


def test_active_and_preparing_streams_are_listed_and_scheduled_ones_inside_the_window(
    api: Api, creator: User, now: datetime
) -> None:
    for status in ("ended", "cancelled_by_host", "expired"):
        make_stream(creator, status, title=status)
    make_stream(creator, "active", title="running", now=now - timedelta(days=9))
    make_stream(creator, "preparing", title="preparing", now=now - timedelta(days=8))
    for hours in (-23, 3, 23):
        make_stream(creator, title=f"{hours} h", planned_start_at=now + timedelta(hours=hours))
    make_stream(creator, title="too far", planned_start_at=now + timedelta(hours=25))
    make_stream(creator, title="too late", planned_start_at=now - timedelta(hours=25))

    assert titles(data_of(api().get(UPCOMING))) == ["running", "preparing", "-23 h", "3 h", "23 h"]


def test_the_window_is_in_hours(api: Api, creator: User, now: datetime) -> None:
    for hours in (-3, -1, 1, 3):
        make_stream(creator, title=f"{hours} h", planned_start_at=now + timedelta(hours=hours))

    assert titles(data_of(api().get(UPCOMING, {"hoursBefore": 2, "hoursAfter": 2}))) == ["-1 h", "1 h"]
    assert titles(data_of(api().get(UPCOMING, {"hoursBefore": 0, "hoursAfter": 2}))) == ["1 h"]


def test_the_window_of_v2_is_in_minutes(api: Api, creator: User, now: datetime) -> None:
    for minutes in (-30, 30, 90):
        make_stream(creator, title=f"{minutes}", planned_start_at=now + timedelta(minutes=minutes))

    asked = {"minutesBefore": 10, "minutesAfter": 60}
    assert titles(data_of(api().get(of_user(creator, "v2"), asked))) == ["30"]
    assert titles(data_of(api().get(of_user(creator, "v2")))) == ["-30", "30", "90"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_member_is_the_creator_or_an_accepted_guest(
    version: str, api: Api, creator: User, guest: User, stranger: User
) -> None:
    make_stream(creator, title="with guest", guest=guest, answer="accepted")
    make_stream(guest, title="own")
    make_stream(stranger, title="foreign")

    assert set(titles(data_of(api().get(of_user(guest, version))))) == {"with guest", "own"}


def test_a_page_has_ten_items_by_default(api: Api, creator: User, now: datetime) -> None:
    for minutes in range(12):
        make_stream(creator, planned_start_at=now + timedelta(minutes=minutes + 1))

    data = data_of(api().get(UPCOMING))
    assert len(data["list"]) == 10
    assert data["pagination"]["totalItems"] == 12
    assert len(data_of(api().get(UPCOMING, {"limit": 12}))["list"]) == 12


def test_keyset_pages_follow_the_order_of_the_start(api: Api, creator: User, now: datetime) -> None:
    made = [make_stream(creator, planned_start_at=now + timedelta(minutes=minutes)) for minutes in (5, 3, 4)]

    data = data_of(api().get(UPCOMING, {"after": made[1].pk}))

    assert [stream["id"] for stream in data["list"]] == [made[2].pk, made[0].pk]


BAD = {
    "hoursAfter=-1": "hoursAfter: must be between 0 and 8760",
    "hoursBefore=8761": "hoursBefore: must be between 0 and 8760",
    "hoursAfter=soon": "hoursAfter: must be a whole number",
    "limit=0": "limit: must be between 1 and 100",
}


@pytest.mark.parametrize(("query", "reason"), BAD.items(), ids=BAD.keys())
def test_an_invalid_window_is_refused(query: str, reason: str, api: Api) -> None:
    assert_refused(api().get(f"{UPCOMING}?{query}"), 400, "validation_failed", reason)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_unknown_user_is_a_404_and_one_without_upcoming_streams_has_an_empty_list(
    version: str, api: Api, creator: User
) -> None:
    assert data_of(api().get(of_user(creator, version)))["list"] == []
    assert_refused(api().get(of_user("0" * 24, version)), 404, "user_not_found")


# --- isReminderActive -----------------------------------------------------------------------------


def lists_of(creator: User) -> tuple[str, str, str]:
    """The lists of all users, of one user in hours (v1), and of one user in minutes (v2)."""
    return UPCOMING, of_user(creator), of_user(creator, "v2")


def reminded(data: dict[str, Any]) -> dict[str, bool | None]:
    return {stream["title"]: stream["isReminderActive"] for stream in data["list"]}


def test_each_list_says_whether_a_reminder_of_the_caller_is_active(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    sent = make_stream(creator, title="sent", now=now)
    notified_of_start(viewer, sent, now)
    for title, minute in (("before", 15), ("at the start", None)):
        remind(viewer, make_stream(creator, title=title), minute=minute)
    preparing = make_stream(creator, "preparing", title="preparing")
    remind(viewer, preparing, minute=0)
    foreign = make_stream(creator, title="foreign")
    remind(stranger, foreign)
    waiting = {"before": True, "at the start": True, "preparing": True}

    for address in lists_of(creator):
        assert reminded(data_of(api(viewer).get(address))) == waiting | {"sent": False, "foreign": False}
        assert reminded(data_of(api(stranger).get(address))) == dict.fromkeys([*waiting, "sent"], False) | {
            "foreign": True
        }
        assert set(reminded(data_of(api().get(address))).values()) == {None}


def test_a_blocked_user_has_no_active_reminder_until_the_ban_is_lifted(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, title="talk")
    remind(viewer, stream)
    client = api(viewer)
    ban = make_ban(viewer, stream)
    for address in lists_of(creator):
        assert reminded(data_of(client.get(address))) == {"talk": False}

    lift_ban(ban.pk, by=creator, now=now)

    for address in lists_of(creator):
        assert reminded(data_of(client.get(address))) == {"talk": True}


def test_a_sent_reminder_is_active_again_after_the_planned_start_moves(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, title="talk", now=now, planned_start_at=now + timedelta(minutes=10))
    remind(viewer, stream, minute=9, now=now)
    work(now + timedelta(minutes=1))
    client = api(viewer)
    assert reminded(data_of(client.get(UPCOMING))) == {"talk": False}

    services.edit_stream(stream.pk, by=creator, now=now, changes={"planned_start_at": now + timedelta(hours=2)})

    assert reminded(data_of(client.get(UPCOMING))) == {"talk": True}


@pytest.mark.parametrize("at", range(3), ids=["all", "of a user", "of a user in minutes"])
def test_the_number_of_statements_is_the_same_for_one_stream_and_twenty(
    at: int, api: Api, creator: User, viewer: User
) -> None:
    address, client = lists_of(creator)[at], api(viewer)
    counts = []
    for more in (1, 19):
        for _ in range(more):
            remind(viewer, make_stream(creator))
        counts.append(len(statements(lambda: data_of(client.get(address, {"limit": 100})))))
    assert counts == [2, 2]


def test_an_invalid_token_is_refused_where_none_is_needed(api: Api) -> None:
    assert_refused(api().get(UPCOMING, HTTP_AUTHORIZATION="Bearer x"), 401, "token_invalid")
