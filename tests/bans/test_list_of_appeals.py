"""GET /api/v1/live-stream-ban/appeals"""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from livestreams import services as streams
from tests.bans.people import BANS, ban_url, make_ban, permitted
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.streams import make_stream
from tests.test_statements import statements

APPEALS = f"{BANS}/appeals"
STATES = ("pending", "approved", "denied", "withdrawn")


def appealed(creator: User, viewer: User, now: datetime, *, text: str = "It was not me.") -> LiveStreamBan:
    """A ban that was made and appealed at `now`, on a stream of its own."""
    ban = make_ban(viewer, make_stream(creator, now=now), now=now, reason="spam")
    services.appeal_ban(ban.pk, by=viewer, now=now, text=text)
    return ban


def decided(state: str, creator: User, viewer: User, now: datetime) -> str:
    """The id of an appeal in this state."""
    ban = appealed(creator, viewer, now)
    match state:
        case "withdrawn":
            services.withdraw_appeal(ban.pk, by=viewer, now=now)
        case "approved" | "denied":
            judge = User.objects.filter(username="judge").first() or permitted("judge", "moderate")
            verdict = LiveStreamBan.Review.LIFTED if state == "approved" else LiveStreamBan.Review.UPHELD
            services.review_ban(ban.pk, by=judge, now=now, verdict=verdict, reason="x")
    appeal = Appeal.objects.get(ban=ban)
    assert appeal.state == state
    return appeal.pk


def listed(api: Api, user: User, query: str = "") -> list[str]:
    return [appeal["_id"] for appeal in data_of(api(user).get(f"{APPEALS}{query}"))["list"]]


def test_an_appeal_has_the_fields_of_the_appeal_and_the_ban(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    ban = appealed(creator, viewer, now)

    (appeal,) = data_of(api(viewer).get(APPEALS))["list"]

    assert list(appeal) == ["_id", "banId", "text", "status", "verdictMessage", "createdAt", "updatedAt", "ban"]
    assert {name: appeal[name] for name in appeal if name != "ban"} == data_of(
        api(viewer).get(f"{ban_url(ban)}/appeal")
    )
    assert appeal["ban"] == data_of(api(viewer).get(ban_url(ban)))


def test_people_see_their_own_appeals_and_moderators_those_of_everybody(
    api: Api, creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    first = appealed(creator, viewer, now - timedelta(minutes=2)).appeal.pk
    second = appealed(creator, stranger, now - timedelta(minutes=1)).appeal.pk
    moderator, admin = permitted("mod", "moderate"), make_user("admin", is_superuser=True, is_staff=True)

    assert listed(api, viewer) == [first]
    assert listed(api, stranger) == [second]
    assert listed(api, creator) == [], "the creator of the stream reads the appeal at its ban"
    assert listed(api, moderator) == listed(api, admin) == [second, first]


@pytest.mark.parametrize("state", STATES)
def test_the_list_is_filtered_by_state(state: str, api: Api, creator: User, viewer: User, now: datetime) -> None:
    made = {each: decided(each, creator, viewer, now - timedelta(minutes=at)) for at, each in enumerate(STATES)}
    moderator = permitted("mod", "moderate")

    for user in (viewer, moderator):
        assert listed(api, user, f"?status={state}") == [made[state]]
        assert listed(api, user) == [made[each] for each in STATES]


def test_appeals_on_deleted_streams_are_hidden_until_the_stream_is_restored(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    ban = appealed(creator, viewer, now)
    moderator = permitted("mod", "moderate")
    streams.delete_stream(ban.stream_id, by=creator, now=now)
    assert listed(api, viewer) == listed(api, moderator) == []

    streams.restore_stream(ban.stream_id, by=creator, now=now)
    assert listed(api, viewer) == listed(api, moderator) == [ban.appeal.pk]


def test_the_appeal_against_a_lifted_ban_stays(api: Api, creator: User, viewer: User, now: datetime) -> None:
    ban = appealed(creator, viewer, now)
    services.lift_ban(ban.pk, by=creator, now=now)

    (appeal,) = data_of(api(viewer).get(APPEALS))["list"]

    assert (appeal["_id"], appeal["ban"]["deletedBy"]) == (ban.appeal.pk, creator.pk)


def test_the_list_is_read_by_page_and_by_keyset(api: Api, creator: User, viewer: User, now: datetime) -> None:
    made = [appealed(creator, viewer, now - timedelta(minutes=at)).appeal.pk for at in range(5)]
    client = api(permitted("mod", "moderate"))

    second = client.get(f"{APPEALS}?limit=2&page=2")
    assert [appeal["_id"] for appeal in data_of(second)["list"]] == made[2:4]
    assert data_of(second)["pagination"]["totalItems"] == 5
    for after in (second.headers["X-Next-Cursor"], made[3]):
        rest = data_of(client.get(f"{APPEALS}?after={after}"))["list"]
        assert [appeal["_id"] for appeal in rest] == made[4:]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("status=open", "status: must be one of pending, approved, denied, withdrawn"),
        ("status=", "status: must be one of pending, approved, denied, withdrawn"),
        ("state=pending", "state: unknown"),
        ("limit=0", "limit: must be between 1 and 100"),
    ],
)
def test_a_bad_query_is_refused(query: str, reason: str, api: Api, viewer: User) -> None:
    assert_refused(api(viewer).get(f"{APPEALS}?{query}"), 400, "validation_failed", reason)


def test_the_list_needs_a_token(api: Api) -> None:
    assert_refused(api().get(APPEALS), 401, "authentication_required")


def test_the_number_of_statements_is_the_same_for_one_as_for_twenty(
    api: Api, creator: User, viewer: User, now: datetime
) -> None:
    client = api(viewer)
    counts = []
    for more in (1, 19):
        for _ in range(more):
            appealed(creator, viewer, now)
        counts.append(len(statements(lambda: data_of(client.get(f"{APPEALS}?limit=100")))))
    assert counts == [3, 3], "one for the permission"
