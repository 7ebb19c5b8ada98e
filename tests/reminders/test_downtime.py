"""What others complain about: each failure of theirs once, with its source, as it must not happen here."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Chunk, Notification, Round
from tests.conftest import make_user
from tests.reminders.asking import remind
from tests.reminders.working import cut, find, work, work_off
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)


@pytest.fixture
def stream(creator: User, now: datetime) -> LiveStream:
    """Planned in an hour."""
    return make_stream(creator, now=now)


def told() -> list[tuple[str, str, datetime | None]]:
    """To whom what was said of which planned start, in the order of its saying."""
    rows = Notification.objects.order_by("created_at", "user__username", "kind")
    return [
        (name, str(kind), planned)
        for name, kind, planned in rows.values_list("user__username", "kind", "planned_start_at")
    ]


def move(stream: LiveStream, planned: datetime, now: datetime) -> None:
    streams.edit_stream(stream.pk, by=stream.creator, now=now, changes={"planned_start_at": planned})


def minutes_worked(begin: datetime, first: int, last: int) -> None:
    for minute in range(first, last + 1):
        work(begin + minute * MINUTE)


# --- reminders follow the stream (N11) ------------------------------------------------------------

# Cancelled still reminds: calcom/cal.diy#6973, humhub/calendar#326, gather-community/gather#729,
# FossifyOrg/Calendar#524.
# Not stopped after early completion: OneUptime/oneuptime#2150.
ENDINGS = {
    "cancelled": (lambda stream, now: streams.cancel_stream(stream.pk, by=stream.creator, now=now), ["cancelled"]),
    "deleted": (lambda stream, now: streams.delete_stream(stream.pk, by=stream.creator, now=now), []),
    "unscheduled": (
        lambda stream, now: streams.edit_stream(
            stream.pk, by=stream.creator, now=now, changes={"planned_start_at": None}
        ),
        [],
    ),
    "done before its time": (
        lambda stream, now: (
            streams.start_stream(stream.pk, by=stream.creator, now=now),
            streams.end_stream(stream.pk, by=stream.creator, now=now),
        ),
        [],
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("step", ["before it was due", "due", "found", "cut"])
def test_a_stream_that_is_over_reminds_nobody_of_its_start(
    ending: str, step: str, stream: LiveStream, viewer: User, now: datetime
) -> None:
    end, expected = ENDINGS[ending]
    remind(viewer, stream, now=now)
    work(now)
    at = now + (45 * MINUTE if step != "before it was due" else 20 * MINUTE)
    if step in {"found", "cut"}:
        find(at)
    if step == "cut":
        cut(at)
    end(stream, at)  # type: ignore[no-untyped-call]
    minutes_worked(now, 45, 62)
    assert [kind for _, kind, _ in told()] == expected


@pytest.mark.parametrize("minutes_later", [-20, 1, 30, 12 * 24 * 60])
def test_a_moved_start_reminds_at_the_new_time_and_not_at_the_old_one(
    minutes_later: int, stream: LiveStream, viewer: User, now: datetime
) -> None:
    """Old time used: calcom/cal.diy#13238, #19594, tutao/tutanota#2585, SimpleMobileTools/Simple-Calendar#142.

    Fired twelve days early after a move: OneUptime/oneuptime#2018.
    """
    remind(viewer, stream, now=now)
    planned = now + (60 + minutes_later) * MINUTE
    move(stream, planned, now + MINUTE)
    due = planned - 15 * MINUTE
    for at in (now + 2 * MINUTE, *(now + minute * MINUTE for minute in (44, 45, 46) if minute < 45 + minutes_later)):
        work(at)
    work(due - timedelta(microseconds=1))
    assert told() == []
    work(due)
    assert told() == [("viewer", "reminder", planned)]


def test_a_start_that_is_moved_after_its_notice_earns_one_new_notice(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    """Not sent again after a move: svthalia/concrexit#656, jgayfer/apollo#47."""
    remind(viewer, stream, now=now)
    minutes_worked(now, 44, 50)
    later = now + 100 * MINUTE
    move(stream, later, now + 51 * MINUTE)
    minutes_worked(now, 51, 101)
    assert told() == [("viewer", "reminder", now + 60 * MINUTE), ("viewer", "reminder", later)]


def test_ten_moves_back_and_forth_before_the_notice_make_one(stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now=now)
    planned = [now + 60 * MINUTE, now + 90 * MINUTE]
    for number in range(1, 11):
        move(stream, planned[number % 2], now + number * MINUTE)
        work(now + number * MINUTE)
    minutes_worked(now, 40, 62)
    assert told() == [("viewer", "reminder", planned[0])]


def test_a_start_that_comes_back_to_where_it_was_notified_is_not_notified_again(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    planned = now + 60 * MINUTE
    remind(viewer, stream, now=now)
    minutes_worked(now, 45, 46)
    for number in range(5):
        move(stream, now + 500 * MINUTE, now + (47 + 2 * number) * MINUTE)
        work(now + (47 + 2 * number) * MINUTE)
        move(stream, planned, now + (48 + 2 * number) * MINUTE)
        work(now + (48 + 2 * number) * MINUTE)
    assert told() == [("viewer", "reminder", planned)]


def test_who_is_notified_after_a_move_away_and_back_is_not_counted_as_missed(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    planned = now + 60 * MINUTE
    remind(viewer, stream, now=now)
    find(now + 45 * MINUTE)  # found, and then the worker is off
    move(stream, now + 500 * MINUTE, now + 46 * MINUTE)
    move(stream, planned, now + 50 * MINUTE)
    work(now + 57 * MINUTE)
    assert told() == [("viewer", "reminder", planned)]
    assert not Round.objects.filter(state=Round.State.MISSED).exists()


def test_who_was_notified_before_a_move_away_and_back_is_not_counted_as_missed(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    """The start is due again after the move, in a round whose chunk is later than its grace."""
    planned = now + 60 * MINUTE
    remind(viewer, stream, now=now)
    work(now + 45 * MINUTE)
    move(stream, now + 500 * MINUTE, now + 46 * MINUTE)
    remind(make_user("second"), stream, now=now + 48 * MINUTE)
    move(stream, planned, now + 50 * MINUTE)
    find(now + 50 * MINUTE)
    cut(now + 50 * MINUTE)  # and then the worker is off
    work_off(now + 61 * MINUTE)
    assert told() == [("viewer", "reminder", planned)]
    assert Chunk.objects.filter(state=Chunk.State.MISSED).values_list("missed").get() == (1,)


# --- once, through drops and restarts (N12) -------------------------------------------------------


def test_each_of_two_finders_and_two_workers_does_what_the_other_left(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    """Two schedulers double everything: celery/django-celery-beat#387, #558, celery/celery#4041."""
    remind(viewer, stream, now=now)
    for at in (now + 45 * MINUTE, now + 45 * MINUTE, now + 46 * MINUTE):
        find(at)
        find(at)
    work_off(now + 46 * MINUTE)
    for round_ in Round.objects.all():
        assert services.cut_round(round_.pk, now=now + 46 * MINUTE) == []
    for chunk in Chunk.objects.all():
        assert services.notify_chunk(chunk.pk, now=now + 46 * MINUTE) == []
    assert [kind for _, kind, _ in told()] == ["reminder"]


def test_a_stream_that_is_live_again_and_again_is_told_of_once_each_session(
    creator: User, viewer: User, now: datetime
) -> None:
    """Bursts with one stream id: twitchdev/issues#230, PhantomBot/PhantomBot#2807, TheBastionBot/Bastion#666."""
    stream = make_stream(creator, now=now)
    remind(viewer, stream, now=now, minute=None)
    streams.start_stream(stream.pk, by=creator, now=now)
    for again in range(5):
        with pytest.raises(streams.StreamNotStartable):
            streams.start_stream(stream.pk, by=creator, now=now + again * MINUTE)
        work(now + again * MINUTE)
    assert [kind for _, kind, _ in told()] == ["live"]


# --- after downtime (N13) -------------------------------------------------------------------------


def test_after_an_hour_without_workers_what_is_young_goes_out_once_and_the_rest_is_counted(
    viewer: User, now: datetime
) -> None:
    """Floods: theexperiencecompany/gaia#753, bcgov/entity#2253. Stuck for ever: anoadragon453/matrix-reminder-bot#9."""
    work(now)
    evening: dict[str, LiveStream] = {}
    for name, minutes in {"early": 40, "late": 70, "young": 72, "soon": 90, "over": 71, "off": 72, "gone": 73}.items():
        evening[name] = make_stream(make_user(name), now=now, planned_start_at=now + minutes * MINUTE)
        remind(viewer, evening[name], now=now)
    for name in ("early", "over"):
        streams.start_stream(evening[name].pk, by=evening[name].creator, now=now + 41 * MINUTE)
    streams.end_stream(evening["over"].pk, by=evening["over"].creator, now=now + 50 * MINUTE)
    streams.cancel_stream(evening["off"].pk, by=evening["off"].creator, now=now + 50 * MINUTE)
    streams.delete_stream(evening["gone"].pk, by=evening["gone"].creator, now=now + 50 * MINUTE)

    for at in (now + 66 * MINUTE, now + 66 * MINUTE, now + 67 * MINUTE):
        work(at)

    planned = {name: stream.planned_start_at for name, stream in evening.items()}
    assert sorted(told()) == sorted([("viewer", "reminder", planned["young"]), ("viewer", "cancelled", planned["off"])])
    missed = Round.objects.filter(state=Round.State.MISSED).values_list("stream", "kind", "reminders")
    assert set(missed) == {(evening["early"].pk, "live", 1), (evening["late"].pk, "reminder", 1)}
    assert not Round.objects.filter(state=Round.State.OPEN).exists()
    assert not Chunk.objects.filter(state=Chunk.State.WAITING).exists()


@pytest.mark.parametrize(("late", "kinds"), [(timedelta(0), ["reminder"]), (timedelta(microseconds=1), [])])
def test_the_grace_ends_to_the_microsecond_and_no_second_is_lost_between(
    late: timedelta, kinds: list[str], stream: LiveStream, viewer: User, now: datetime
) -> None:
    """A window of 300 s missed by one second: RestyaPlatform/board#1269."""
    remind(viewer, stream, now=now)
    work(now)
    work(now + 55 * MINUTE + late)
    assert [kind for _, kind, _ in told()] == kinds
    assert Round.objects.get().state == ("cut" if kinds else "missed")


def test_a_worker_that_never_ran_before_counts_what_it_missed(stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now=now)
    work(now + 59 * MINUTE)
    work(now + 80 * MINUTE)
    assert told() == []
    assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)


@pytest.mark.parametrize("step", ["found", "cut"])
def test_what_was_claimed_and_not_sent_when_the_worker_went_down_is_sent_when_it_returns(
    step: str, stream: LiveStream, viewer: User, now: datetime
) -> None:
    """Claimed but unsent work lost: QwenAudio/qwen-audio-agent#83."""
    remind(viewer, stream, now=now)
    find(now + 45 * MINUTE)
    if step == "cut":
        cut(now + 45 * MINUTE)
    work(now + 54 * MINUTE)
    assert [kind for _, kind, _ in told()] == ["reminder"]


@pytest.mark.parametrize("step", ["found", "cut"])
def test_what_was_claimed_and_is_too_old_when_the_worker_returns_is_missed_and_counted(
    step: str, stream: LiveStream, viewer: User, now: datetime
) -> None:
    """A 120 s grace, then missed: NousResearch/hermes-agent#93554."""
    remind(viewer, stream, now=now)
    find(now + 45 * MINUTE)
    if step == "cut":
        cut(now + 45 * MINUTE)
    work(now + 56 * MINUTE)
    assert told() == []
    if step == "cut":
        assert Chunk.objects.values_list("state", "missed").get() == ("missed", 1)
    else:
        assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)


def test_who_missed_the_reminder_is_told_when_the_stream_starts(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now=now)
    work(now)
    work(now + 56 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 60 * MINUTE)
    assert [kind for _, kind, _ in told()] == ["live"]


def test_a_restored_stream_tells_what_came_due_within_the_grace(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now=now)
    streams.delete_stream(stream.pk, by=creator, now=now + 44 * MINUTE)
    work(now + 46 * MINUTE)
    streams.restore_stream(stream.pk, by=creator, now=now + 50 * MINUTE)
    work(now + 50 * MINUTE)
    assert [kind for _, kind, _ in told()] == ["reminder"]


def test_a_stream_that_is_restored_after_the_grace_tells_nothing_old(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now=now)
    streams.delete_stream(stream.pk, by=creator, now=now + 44 * MINUTE)
    work(now + 46 * MINUTE)
    streams.restore_stream(stream.pk, by=creator, now=now + 56 * MINUTE)
    work(now + 56 * MINUTE)
    assert told() == []
    assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)
