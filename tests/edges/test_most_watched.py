"""GET /api/v1/live-stream/most-watched-creators"""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from edges.models import CountingPass, CreatorAudience
from edges.services import CREATORS
from livestreams import services
from livestreams.models import Status
from tests.conftest import Api, make_user
from tests.edges.test_live import join
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream

MOST_WATCHED = f"{STREAMS}/most-watched-creators"
DAY = timedelta(days=1)


def broadcast(creator: User, *viewers: User, ago: timedelta = timedelta(0)) -> None:
    """A stream of half an hour that these users watched."""
    now = timezone.now() - ago - timedelta(hours=1)
    stream = make_stream(creator, Status.ACTIVE, now=now)
    for viewer in viewers:
        join(viewer, stream, now=now + timedelta(minutes=1))
    services.end_stream(stream.pk, by=creator, now=now + timedelta(minutes=30))


def ranked(api: Api, **query: Any) -> list[tuple[str, int]]:
    return [(each["username"], each["uniqueViewers"]) for each in data_of(api().get(MOST_WATCHED, query))]


def count(now: datetime) -> None:
    """As a worker does at this time."""
    CREATORS.finish_pass(now)


def test_creators_are_ranked_by_different_viewers(api: Api, creator: User, stranger: User) -> None:
    fans = [make_user(f"fan{number}") for number in range(3)]
    broadcast(creator, fans[0])
    broadcast(creator, fans[0])
    broadcast(stranger, *fans[:2])
    broadcast(make_user("unwatched"))

    assert ranked(api) == [("stranger", 2), ("creator", 1)]
    assert ranked(api, limit=1) == [("stranger", 2)]


def test_an_item_is_a_user_summary_with_is_following_null(api: Api, creator: User, viewer: User) -> None:
    broadcast(creator, viewer)

    (anonymous,) = data_of(api().get(MOST_WATCHED))
    (known,) = data_of(api(viewer).get(MOST_WATCHED))

    assert anonymous == known
    assert list(anonymous) == [
        "_id",
        "username",
        "name",
        "surname",
        "profilePhoto",
        "availabilityStatus",
        "isFollowing",
        "uniqueViewers",
    ]
    assert anonymous["isFollowing"] is None


def test_a_token_that_is_sent_must_be_valid(api: Api, db: None) -> None:
    client: Any = api()
    assert_refused(client.get(MOST_WATCHED, HTTP_AUTHORIZATION="Bearer garbage"), 401, "token_invalid")


def test_broadcasters_deleted_streams_and_deactivated_creators_do_not_count(
    api: Api, creator: User, guest: User, stranger: User, viewer: User
) -> None:
    now = timezone.now()
    duo = make_stream(creator, Status.ACTIVE, guest=guest, answer="accepted")
    for user, role in ((creator, "host"), (guest, "guest")):
        join(user, duo, role=role)
    gone = make_stream(stranger, Status.ENDED, now=now - timedelta(hours=1))
    join(viewer, gone)
    services.delete_stream(gone.pk, by=stranger, now=now)
    broadcast(make_user("left", is_active=False), viewer)

    assert ranked(api) == []


def test_viewers_of_more_than_thirty_days_ago_do_not_count(api: Api, creator: User, stranger: User) -> None:
    broadcast(creator, make_user("recent"), ago=29 * DAY)
    broadcast(creator, make_user("former"), ago=31 * DAY)
    broadcast(stranger, make_user("old"), ago=31 * DAY)

    assert ranked(api) == [("creator", 1)]


def test_viewers_leave_the_thirty_days_within_a_day(creator: User, stranger: User, viewer: User) -> None:
    now = timezone.now()
    broadcast(creator, viewer)
    broadcast(stranger, viewer, ago=10 * DAY)
    count(now)
    assert CreatorAudience.objects.count() == 2

    count(now + 22 * DAY)
    assert CreatorAudience.objects.values_list("creator__username", flat=True).get() == "creator"
    count(now + 32 * DAY)
    assert not CreatorAudience.objects.exists()


def test_a_later_pass_counts_creators_who_were_active_since(creator: User, stranger: User, viewer: User) -> None:
    now = timezone.now()
    broadcast(creator, viewer)
    count(now)
    stream = make_stream(stranger, Status.ACTIVE, now=now + timedelta(minutes=1))
    join(viewer, stream, now=now + timedelta(minutes=2))
    CreatorAudience.objects.update(viewers=7)  # a mark: who is not counted again keeps it

    count(now + timedelta(minutes=20))

    known = dict(CreatorAudience.objects.values_list("creator__username", "viewers"))
    assert known == {"creator": 7, "stranger": 1}


def test_many_creators_are_counted_in_chunks(viewer: User, monkeypatch: Any) -> None:
    monkeypatch.setattr("edges.services.ranking.CHUNK", 2)
    now = timezone.now()
    for number in range(5):
        broadcast(make_user(f"host{number}"), viewer)

    steps = 1
    while CREATORS.take_step(now):
        steps += 1

    assert steps == 3
    assert CreatorAudience.objects.filter(viewers=1).count() == 5
    assert CountingPass.objects.get().after is None
