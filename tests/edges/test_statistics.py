"""GET /api/v1/live-stream/{id}/statistics"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from bans.services import lift_ban
from common.times import wire_time
from edges.models import Participant, StreamStatistics, ViewerSample
from edges.reads.statistics import MOST_POINTS
from edges.reads.statistics import statistics_of as read
from edges.services import LIVE, STATISTICS, leave, statistics
from edges.services.presence import window
from edges.tasks import count_statistics
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.bans.people import make_ban, permitted
from tests.conftest import Api, make_user
from tests.edges.test_join import ban
from tests.edges.test_live import join
from tests.envelope import assert_refused, data_of
from tests.reminders.asking import remind
from tests.streams import STREAMS, make_stream, stream_url

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def begin() -> datetime:
    """Twenty seconds after a full minute, some hours ago."""
    return timezone.now().replace(minute=30, second=20, microsecond=0) - timedelta(hours=5)


@pytest.fixture
def stream(creator: User, begin: datetime) -> LiveStream:
    return make_stream(creator, Status.ACTIVE, now=begin)


def statistics_url(stream: LiveStream) -> str:
    return stream_url(stream, "statistics")


def ended(stream: LiveStream, at: datetime) -> None:
    services.end_stream(stream.pk, by=stream.creator, now=at)


def numbers(stream: LiveStream, now: datetime | None = None) -> dict[str, Any]:
    found = read(stream.pk, now=now or timezone.now())
    return {name: value for name, value in found.items() if name not in ("streamId", "secondsPerPoint")}


# --- who may ask ----------------------------------------------------------------------------------


def test_the_creator_the_guest_who_accepted_and_moderators_may_ask(api: Api, creator: User, guest: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer="accepted")

    for user in (creator, guest, permitted("mod", "moderate"), make_user("root", is_superuser=True)):
        assert data_of(api(user).get(statistics_url(stream)))["streamId"] == stream.pk


@pytest.mark.parametrize("answer", ["invited", "declined"])
def test_others_are_refused(answer: str, api: Api, creator: User, guest: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer=answer)
    join(viewer, stream)
    reason = "only the creator, the guest who has accepted, or a moderator may see this"

    for user in (guest, viewer):
        assert_refused(api(user).get(statistics_url(stream)), 403, "not_member_or_moderator", reason)
    client: Any = api(viewer)
    turkish = "bunu yalnızca yayını oluşturan, kabul etmiş olan konuk ya da bir moderatör görebilir"
    refused = client.get(statistics_url(stream), HTTP_X_LANGUAGE="tr")
    assert_refused(refused, 403, "not_member_or_moderator", turkish)
    assert_refused(api().get(statistics_url(stream)), 401, "authentication_required")


def test_a_block_holds_here_too(api: Api, stream: LiveStream, viewer: User) -> None:
    ban(viewer, stream)

    assert_refused(api(viewer).get(statistics_url(stream)), 403, "banned")


def test_an_unknown_or_deleted_stream_has_no_statistics(api: Api, creator: User, stream: LiveStream) -> None:
    client = api(creator)
    ended(stream, timezone.now())
    services.delete_stream(stream.pk, by=creator, now=timezone.now())

    for stream_id in ("0" * 24, stream.pk):
        assert_refused(client.get(f"{STREAMS}/{stream_id}/statistics"), 404, "stream_not_found")
    assert_refused(client.get(f"{STREAMS}/x/statistics"), 400, "validation_failed")


# --- the numbers ----------------------------------------------------------------------------------


def test_a_stream_that_has_not_started_has_its_reminders(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    remind(viewer, stream)

    data = data_of(api(creator).get(statistics_url(stream)))

    assert data == {
        "streamId": stream.pk,
        "isFinal": False,
        "uniqueViewers": 0,
        "peakViewers": 0,
        "peakAt": None,
        "watchSeconds": 0,
        "averageWatchSeconds": 0,
        "remindersSet": 1,
        "remindersConverted": 0,
        "bans": 0,
        "secondsPerPoint": 60,
        "viewersOverTime": [],
    }


def test_each_user_is_one_unique_viewer_and_broadcasters_are_none(
    stream: LiveStream, creator: User, viewer: User, stranger: User, begin: datetime
) -> None:
    join(creator, stream, role="host", now=begin)
    for seconds in (0, 100, 900):
        join(viewer, stream, now=begin + seconds * SECOND)
    join(stranger, stream, now=begin)
    leave(stream.pk, by=stranger, now=begin + 40 * SECOND)

    found = numbers(stream, begin + 900 * SECOND)

    assert (found["uniqueViewers"], found["watchSeconds"], found["averageWatchSeconds"]) == (2, 140, 70)


def test_who_is_there_at_the_end_has_watched_until_then(
    stream: LiveStream, viewer: User, stranger: User, guest: User, begin: datetime
) -> None:
    join(viewer, stream, now=begin + 900 * SECOND)  # is there
    join(guest, stream, now=begin + 900 * SECOND)
    leave(stream.pk, by=guest, now=begin + 930 * SECOND)  # left before
    join(stranger, stream, now=begin + 1000 * SECOND - window() - SECOND)  # was gone
    assert numbers(stream)["watchSeconds"] == 30
    ended(stream, begin + 1000 * SECOND)

    assert numbers(stream)["watchSeconds"] == 30 + 100
    leave(stream.pk, by=viewer, now=begin + 1010 * SECOND)
    assert numbers(stream)["watchSeconds"] == 30 + 100


def test_reminders_are_converted_when_their_users_join(
    creator: User, viewer: User, stranger: User, guest: User, begin: datetime
) -> None:
    stream = make_stream(creator, now=begin)
    for user in (viewer, stranger):
        remind(user, stream, now=begin)
    services.start_stream(stream.pk, by=creator, now=begin)
    for user in (viewer, guest):
        join(user, stream, now=begin)

    found = numbers(stream)

    assert (found["remindersSet"], found["remindersConverted"], found["uniqueViewers"]) == (2, 1, 2)


def test_bans_that_are_over_count_too(stream: LiveStream, creator: User, viewer: User, stranger: User) -> None:
    lift_ban(make_ban(viewer, stream).pk, by=creator, now=timezone.now())
    make_ban(viewer, stream)
    make_ban(stranger, stream)

    assert numbers(stream)["bans"] == 3


# --- few and many ---------------------------------------------------------------------------------


def world_of_many(stream: LiveStream, begin: datetime) -> None:
    """Three viewers, of whom each watched for 50 seconds, had a reminder and is banned now."""
    for number in range(3):
        user = make_user(f"fan{number}")
        join(user, stream, now=begin)
        leave(stream.pk, by=user, now=begin + 50 * SECOND)
        make_ban(user, stream)


OF_MANY = ("uniqueViewers", "watchSeconds", "remindersSet", "remindersConverted", "bans")


def of_many(stream: LiveStream) -> tuple[int, ...]:
    found = numbers(stream)
    return tuple(found[name] for name in OF_MANY)


def test_numbers_of_many_are_those_that_were_counted_last(
    creator: User, begin: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream(creator, now=begin)
    for number in range(3):
        remind(make_user(f"waits{number}"), stream, now=begin)
    services.start_stream(stream.pk, by=creator, now=begin)
    world_of_many(stream, begin)
    join(User.objects.get(username="waits0"), stream, now=begin)
    exact = (4, 150, 3, 1, 3)
    assert of_many(stream) == exact

    monkeypatch.setattr(statistics, "COUNTED_EACH_TIME", 2)
    assert of_many(stream) == (4, 0, 3, 0, 3), "at least; no worker has counted"
    STATISTICS.finish_pass(begin + MINUTE)
    assert of_many(stream) == exact
    StreamStatistics.objects.update(audience=7, watched_seconds=700, reminders=8, converted=5, bans=9)
    assert of_many(stream) == (7, 700, 8, 5, 9)


def test_a_stream_that_started_before_there_were_statistics_is_counted_when_many_watched_it(
    stream: LiveStream, begin: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    StreamStatistics.objects.all().delete()
    world_of_many(stream, begin)
    numbers(stream)
    assert not StreamStatistics.objects.exists(), "few are counted at each call"

    monkeypatch.setattr(statistics, "COUNTED_EACH_TIME", 2)
    numbers(stream)
    STATISTICS.finish_pass(begin)

    assert StreamStatistics.objects.values_list("audience", "bans").get() == (3, 3)


def test_a_pass_finds_active_streams_without_statistics(stream: LiveStream, begin: datetime) -> None:
    StreamStatistics.objects.all().delete()

    LIVE.finish_pass(begin)

    assert StreamStatistics.objects.get().stream_id == stream.pk


def test_many_streams_are_counted_in_chunks(begin: datetime, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CHUNK", 2)
    fan = make_user("fan")
    for number in range(5):
        join(fan, make_stream(make_user(f"host{number}"), Status.ACTIVE, now=begin), now=begin)

    STATISTICS.finish_pass(begin + MINUTE)

    assert list(StreamStatistics.objects.values_list("audience", flat=True)) == [1] * 5


# --- the end --------------------------------------------------------------------------------------


def test_the_numbers_are_final_when_nobody_can_leave_any_more(
    stream: LiveStream, viewer: User, begin: datetime
) -> None:
    join(viewer, stream, now=begin)
    end = begin + 100 * SECOND
    ended(stream, end)
    STATISTICS.finish_pass(end + window())
    assert numbers(stream)["isFinal"] is False
    STATISTICS.finish_pass(end + window() + MINUTE)

    final = numbers(stream)

    assert (final["isFinal"], final["uniqueViewers"], final["watchSeconds"]) == (True, 1, 100)
    Participant.objects.all().delete()  # as the retention removes them
    STATISTICS.finish_pass(end + timedelta(hours=1))
    assert numbers(stream) == final


def test_the_task_settles_streams(stream: LiveStream, viewer: User, begin: datetime) -> None:
    join(viewer, stream, now=begin)
    ended(stream, begin + MINUTE)

    count_statistics(0)

    assert StreamStatistics.objects.values_list("audience", "watched_seconds").get() == (1, 60.0)
    assert numbers(stream)["isFinal"]


def test_purging_a_stream_removes_its_statistics(stream: LiveStream, creator: User, now: datetime) -> None:
    ViewerSample.objects.create(stream=stream, at=now, viewers=1)
    ended(stream, now)
    services.delete_stream(stream.pk, by=creator, now=now)

    assert services.purge_stream(stream.pk, now=now + timedelta(days=365)) == ""
    assert not StreamStatistics.objects.exists()
    assert not ViewerSample.objects.exists()


# --- viewers over time ----------------------------------------------------------------------------


def points(stream: LiveStream, now: datetime) -> list[int]:
    return [point["viewers"] for point in numbers(stream, now)["viewersOverTime"]]


def count_at(begin: datetime, *seconds: int) -> None:
    for each in seconds:
        LIVE.finish_pass(begin + each * SECOND)


def test_the_peak_is_the_largest_number_that_was_counted(
    stream: LiveStream, viewer: User, stranger: User, begin: datetime
) -> None:
    join(viewer, stream, now=begin)
    count_at(begin, 0)
    join(stranger, stream, now=begin)
    count_at(begin, 10, 20)
    leave(stream.pk, by=viewer, now=begin + 25 * SECOND)
    count_at(begin, 30)

    found = numbers(stream, begin + 30 * SECOND)

    assert (found["peakViewers"], found["peakAt"]) == (2, wire_time(begin + 10 * SECOND))


def test_a_point_is_the_number_at_the_first_count_of_its_minute(
    stream: LiveStream, viewer: User, stranger: User, begin: datetime
) -> None:
    count_at(begin, 0)
    join(viewer, stream, now=begin + SECOND)
    count_at(begin, 10, 41)  # the minute is over after 40 seconds
    join(stranger, stream, now=begin + 45 * SECOND)
    count_at(begin, 50)
    leave(stream.pk, by=stranger, now=begin + 55 * SECOND)
    count_at(begin, 101)
    leave(stream.pk, by=viewer, now=begin + 110 * SECOND)
    count_at(begin, 161)

    found = numbers(stream, begin + 170 * SECOND)

    minute = begin.replace(second=0)
    expected = [0, 1, 1, 0]
    assert found["viewersOverTime"] == [
        {"at": wire_time(minute + number * MINUTE), "viewers": viewers} for number, viewers in enumerate(expected)
    ]
    assert ViewerSample.objects.count() == 2, "there is none for a minute in which the number did not change"


def test_the_points_end_with_the_stream(stream: LiveStream, viewer: User, begin: datetime) -> None:
    join(viewer, stream, now=begin)
    count_at(begin, 41)
    assert points(stream, begin + 10 * SECOND) == [0]
    ended(stream, begin + 100 * SECOND)

    assert points(stream, begin + timedelta(hours=3)) == [0, 1]


def sampled(stream: LiveStream, begin: datetime, found: dict[int, int]) -> None:
    """Samples of these minutes."""
    minute = begin.replace(second=0)
    ViewerSample.objects.bulk_create(
        [ViewerSample(stream=stream, at=minute + at * MINUTE, viewers=viewers) for at, viewers in found.items()]
    )


def test_a_stream_of_24_hours_has_a_point_for_each_minute(stream: LiveStream, begin: datetime) -> None:
    sampled(stream, begin, {number: number for number in range(1440)})

    assert points(stream, begin + timedelta(days=1)) == [*range(1440), 1439]


def test_a_longer_stream_has_the_largest_numbers_of_some_minutes_each(stream: LiveStream, begin: datetime) -> None:
    sampled(stream, begin, {0: 3, 1: 9, 5: 2, 6: 1, 1800: 4})
    length = MOST_POINTS * 2 * MINUTE - 20 * SECOND

    found = numbers(stream, begin + length)
    longer = read(stream.pk, now=begin + length + MINUTE)

    assert len(found["viewersOverTime"]) == MOST_POINTS
    # The number was 9 until minute 5, and 2 until minute 6.
    assert [point["viewers"] for point in found["viewersOverTime"]][:5] == [9, 9, 9, 1, 1]
    assert found["viewersOverTime"][900]["viewers"] == 4
    assert (longer["secondsPerPoint"], len(longer["viewersOverTime"])) == (180, 1001)


def test_points_are_added_for_30_days(stream: LiveStream, begin: datetime) -> None:
    sampled(stream, begin, {30 * 1440 - 1: 5, 30 * 1440: 6})

    found = read(stream.pk, now=begin + timedelta(days=900))

    assert found["secondsPerPoint"] == 29 * 60
    assert len(found["viewersOverTime"]) == 1490
    assert found["viewersOverTime"][-1]["viewers"] == 6
