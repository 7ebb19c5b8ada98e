"""POST /api/v1/live-stream/{id}/leave"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from common.times import optional_wire_time
from edges.models import Participant
from edges.services import LIVE, leave
from edges.services.presence import window
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.conftest import Api
from tests.databases import updates_of
from tests.edges.test_join import ban
from tests.edges.test_live import FEATURED, counted, join
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import STREAMS, make_stream, stream_url

SECOND = timedelta(seconds=1)


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator, Status.ACTIVE)


def leave_url(stream: LiveStream) -> str:
    return stream_url(stream, "leave")


def viewers_of(api: Api, stream: LiveStream) -> tuple[int, int]:
    """The number of viewers and the length of their list."""
    client = api(stream.creator)
    page = data_of(client.get(stream_url(stream, "viewers")))
    assert page["pagination"]["totalItems"] == len(page["list"])
    return data_of(client.get(stream_url(stream, "viewer-count")))["viewerCount"], len(page["list"])


def test_who_leaves_is_no_viewer_at_once(api: Api, stream: LiveStream, viewer: User, stranger: User) -> None:
    for user in (viewer, stranger):
        join(user, stream)

    data = data_of(api(viewer).post(leave_url(stream)))

    left_at = Participant.objects.values_list("left_at", flat=True).get(user=viewer)
    assert data == {"streamId": stream.pk, "leftAt": optional_wire_time(left_at)}
    assert viewers_of(api, stream) == (1, 1)


def test_lists_by_viewers_count_who_left_no_more(api: Api, stream: LiveStream, viewer: User) -> None:
    join(viewer, stream)
    assert counted(data_of(api().get(FEATURED))) == [("Evening talk", 1)]

    data_of(api(viewer).post(leave_url(stream)))
    LIVE.finish_pass(timezone.now() + timedelta(minutes=1))

    assert counted(data_of(api().get(FEATURED))) == [("Evening talk", 0)]


def test_leaving_again_changes_nothing(api: Api, stream: LiveStream, viewer: User, now: datetime) -> None:
    join(viewer, stream, now=now - 60 * SECOND)
    first = data_of(api(viewer).post(leave_url(stream)))
    before = Participant.objects.values().get()

    assert data_of(api(viewer).post(leave_url(stream))) == first
    assert Participant.objects.values().get() == before


def test_who_left_can_join_again(api: Api, stream: LiveStream, viewer: User) -> None:
    client = api(viewer)
    for _ in range(2):
        data_of(client.post(f"{STREAMS}/join", {"liveStreamId": stream.pk}))
        assert viewers_of(api, stream) == (1, 1)
        data_of(client.post(leave_url(stream)))
        assert viewers_of(api, stream) == (0, 0)


def test_who_joins_again_at_a_machine_whose_clock_is_behind_is_a_viewer(
    api: Api, stream: LiveStream, viewer: User, now: datetime
) -> None:
    join(viewer, stream, now=now)
    leave(stream.pk, by=viewer, now=now + 10 * SECOND)

    join(viewer, stream, now=now - 20 * SECOND)

    assert viewers_of(api, stream) == (1, 1)


def test_who_leaves_at_a_machine_whose_clock_is_behind_has_left(
    api: Api, stream: LiveStream, viewer: User, now: datetime
) -> None:
    join(viewer, stream, now=now)

    assert leave(stream.pk, by=viewer, now=now - 20 * SECOND) == now
    assert viewers_of(api, stream) == (0, 0)


def test_a_server_of_an_older_version_can_admit_who_left(
    api: Api, stream: LiveStream, viewer: User, now: datetime
) -> None:
    join(viewer, stream, now=now - SECOND)
    leave(stream.pk, by=viewer, now=now - SECOND)

    Participant.objects.update(last_seen_at=now)  # all that it writes

    assert viewers_of(api, stream) == (1, 1)


def test_leaving_twice_at_the_same_moment_leaves_once(
    transactional_db: None, api: Api, creator: User, viewer: User, now: datetime
) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    join(viewer, stream, now=now - 60 * SECOND)

    left = at_once(8, lambda number: leave(stream.pk, by=viewer, now=now + number * SECOND))

    assert len(set(left)) == 1
    assert Participant.objects.get().watched_seconds == (left[0] - now).total_seconds() + 60


def test_the_broadcasters_leave_too_and_keep_their_roles(api: Api, creator: User, guest: User, now: datetime) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer="accepted")
    for user, role in ((creator, "host"), (guest, "guest")):
        join(user, stream, role=role)
        data_of(api(user).post(leave_url(stream)))

    assert set(Participant.objects.values_list("role", flat=True)) == {"host", "guest"}
    assert data_of(api(guest).get(stream_url(stream)))["guestStatus"] == "accepted"


def test_who_has_ever_joined_may_leave_also_after_the_end(api: Api, stream: LiveStream, viewer: User) -> None:
    join(viewer, stream)
    services.end_stream(stream.pk, by=stream.creator, now=timezone.now())
    assert viewers_of(api, stream) == (1, 1)

    data_of(api(viewer).post(leave_url(stream)))

    assert viewers_of(api, stream) == (0, 0)


def test_a_banned_user_can_leave(api: Api, stream: LiveStream, viewer: User) -> None:
    join(viewer, stream)
    ban(viewer, stream)

    data_of(api(viewer).post(leave_url(stream)))

    assert viewers_of(api, stream) == (0, 0)


def test_who_never_joined_cannot_leave(api: Api, stream: LiveStream, viewer: User) -> None:
    client: Any = api(viewer)

    assert_refused(client.post(leave_url(stream)), 409, "not_joined", "you never joined this stream")
    turkish = client.post(leave_url(stream), HTTP_X_LANGUAGE="tr")
    assert_refused(turkish, 409, "not_joined", "bu yayına hiç katılmadınız")


def test_leaving_an_unknown_or_deleted_stream_is_refused(api: Api, creator: User, viewer: User) -> None:
    deleted = make_stream(creator, Status.ENDED)
    Participant.objects.create(stream=deleted, user=viewer, first_seen_at=timezone.now(), last_seen_at=timezone.now())
    services.delete_stream(deleted.pk, by=creator, now=timezone.now())
    client = api(viewer)

    for stream_id in ("0" * 24, deleted.pk):
        assert_refused(client.post(f"{STREAMS}/{stream_id}/leave"), 404, "stream_not_found")
    assert_refused(client.post(f"{STREAMS}/x/leave"), 400, "validation_failed")
    assert_refused(api().post(f"{STREAMS}/{deleted.pk}/leave"), 401, "authentication_required")


def test_leaving_is_not_audited(api: Api, stream: LiveStream, viewer: User) -> None:
    """Neither is joining: the participant has both times."""
    join(viewer, stream)
    client = api(viewer)
    before = AuditEntry.objects.count()

    data_of(client.post(leave_url(stream)))

    assert AuditEntry.objects.count() == before


def test_leaving_writes_no_index(stream: LiveStream, viewer: User, now: datetime) -> None:
    # In a table without dead rows there is room in the page.
    hot = 0
    for number in range(10):
        join(viewer, stream, now=now + number * 7200 * SECOND)
        before = updates_of("edges_participant")
        leave(stream.pk, by=viewer, now=now + (number * 7200 + 3599) * SECOND)
        after = updates_of("edges_participant")
        assert after[0] - before[0] == 1
        hot += after[1] - before[1]
    assert hot >= 9, "each of them but one, if the page was full"


# --- watch time -----------------------------------------------------------------------------------


def watched(user: User, stream: LiveStream, now: datetime, *seconds: int) -> float:
    """After joining at each of these seconds, or leaving at a negative one."""
    Participant.objects.all().delete()
    for each in seconds:
        moment = now + abs(each) * SECOND
        if each < 0:
            leave(stream.pk, by=user, now=moment)
        else:
            join(user, stream, now=moment)
    found: float = Participant.objects.get().watched_seconds
    return found


def test_watch_time_is_the_time_from_join_to_join_and_to_leaving(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    gap = int(window().total_seconds())
    cases: dict[tuple[int, ...], int] = {
        (0,): 0,
        (0, 100, 200): 200,
        (0, 100, -130): 130,
        (0, -30, -90): 30,
        (0, -30, 60, -100): 70,  # not while they were away
        (0, -30, 60): 30,
        (0, gap): gap,
        (0, gap + 1): 0,  # they were no viewer meanwhile
        (0, gap + 1, gap + 51): 50,
        (0, 100, -(100 + gap + 1)): 100,
        (0, 100, 70, 130): 130,  # the third is at a machine whose clock is behind
    }

    assert {case: watched(viewer, stream, now, *case) for case in cases} == cases


def test_nothing_is_watched_after_the_end(stream: LiveStream, viewer: User, now: datetime) -> None:
    join(viewer, stream, now=now)
    services.end_stream(stream.pk, by=stream.creator, now=now + 20 * SECOND)

    leave(stream.pk, by=viewer, now=now + 50 * SECOND)

    assert Participant.objects.get().watched_seconds == 20
