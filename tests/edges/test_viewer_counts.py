"""The cost of presence: renewals of join tokens, and the number of viewers of a stream with many."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from accounts.models import User
from benchmarks.growth.rows import Size, fill, user_id
from edges import services
from edges.models import Participant, ViewerCount
from edges.reads import viewer_count
from edges.services.viewer_counts import COUNTED_EACH_TIME, OLDEST, RENEWED_AFTER
from livestreams.models import LiveStream
from tests.databases import updates_of
from tests.races import at_once
from tests.streams import make_stream

SECOND = timedelta(seconds=1)


def test_nine_of_ten_renewals_write_no_index(creator: User, viewer: User) -> None:
    stream = make_stream(creator, "active")
    begin = datetime.fromisoformat("2026-03-01T18:50:30+00:00")

    before = updates_of("edges_participant")
    for minute in range(21):  # of which one is the first of an hour
        now = begin + minute * 60 * SECOND
        services.admit(viewer, stream.pk, status="active", role="audience", restriction=None, now=now)

    updates, hot = updates_of("edges_participant")
    # Once the hour changes, and once at most a page has no room left.
    assert updates - before[0] == 20
    assert hot - before[1] >= 18
    assert Participant.objects.get().last_seen_at == now


@pytest.fixture
def watched(creator: User, now: datetime) -> LiveStream:
    """A stream with one viewer more than are counted each time."""
    stream = make_stream(creator, "active")
    with connection.cursor() as cursor:
        fill(cursor.execute, Size(users=COUNTED_EACH_TIME + 10, streams=0, bans=0, viewers=0))
    join(stream, 1, COUNTED_EACH_TIME + 1, now)
    return stream


def join(stream: LiveStream, first: int, last: int, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO edges_participant (id, stream_id, user_id, first_seen_at, last_seen_at)"
            f" SELECT {user_id('n')}, %s, {user_id('n')}, %s, %s FROM generate_series(%s::bigint, %s::bigint) AS n",
            [bytes.fromhex(stream.pk), now, now, first, last],
        )


def counted(stream: LiveStream, caller: User, now: datetime) -> int:
    number: int = viewer_count(stream.pk, caller=caller.pk, now=now)["viewerCount"]
    return number


def test_the_number_of_few_viewers_is_counted_each_time_and_not_stored(
    creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, "active")
    for number, user in enumerate([viewer, creator], 1):
        services.admit(user, stream.pk, status="active", role="audience", restriction=None, now=now)
        assert counted(stream, creator, now) == 1, f"{number} joined, of whom the creator is no viewer"
    assert ViewerCount.objects.values_list("viewers", flat=True).get() == 0, "the number for lists is counted by passes"


def test_the_number_of_many_viewers_is_at_most_five_seconds_old(
    watched: LiveStream, creator: User, now: datetime
) -> None:
    many = COUNTED_EACH_TIME + 1
    assert counted(watched, creator, now) == many
    join(watched, many + 1, many + 5, now)

    assert counted(watched, creator, now + RENEWED_AFTER - SECOND) == many
    assert counted(watched, creator, now - OLDEST) == many + 5, "a clock that was ahead makes no number older"
    ViewerCount.objects.update(viewers=many, counted_at=now)
    assert counted(watched, creator, now + RENEWED_AFTER) == many + 5
    join(watched, many + 6, many + 6, now)
    assert counted(watched, creator, now + RENEWED_AFTER + OLDEST) == many + 6
    assert ViewerCount.objects.values_list("viewers", flat=True).get() == many + 6


@pytest.mark.django_db(transaction=True)
def test_of_many_who_ask_one_counts_again(watched: LiveStream, creator: User, now: datetime) -> None:
    many = COUNTED_EACH_TIME + 1
    assert counted(watched, creator, now) == many
    join(watched, many + 1, many + 1, now)

    late = at_once(8, lambda _: counted(watched, creator, now + RENEWED_AFTER))
    too_late = at_once(8, lambda _: counted(watched, creator, now + RENEWED_AFTER + OLDEST))

    assert set(late) <= {many, many + 1}
    assert many + 1 in late
    assert set(too_late) == {many + 1}
