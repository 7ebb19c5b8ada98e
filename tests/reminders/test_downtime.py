"""Failures of other reminder systems, one test each, with the bug report that describes it."""

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


def notified() -> list[tuple[str, str, datetime | None]]:
    """User, kind and planned start of each notification, in the order of creation."""
    rows = Notification.objects.order_by("created_at", "user__username", "kind")
    return [
        (name, str(kind), planned)
        for name, kind, planned in rows.values_list("user__username", "kind", "planned_start_at")
    ]


def move(stream: LiveStream, planned: datetime, now: datetime) -> None:
    streams.edit_stream(stream.pk, by=stream.creator, now=now, changes={"planned_start_at": planned})


def work_each_minute(begin: datetime, first: int, last: int) -> None:
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
    "ended early": (
        lambda stream, now: (
            streams.start_stream(stream.pk, by=stream.creator, now=now),
            streams.end_stream(stream.pk, by=stream.creator, now=now),
        ),
        [],
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("step", ["before it was due", "due", "found", "cut"])
def test_a_stream_that_is_over_sends_no_reminder(
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
    work_each_minute(now, 45, 62)
    assert [kind for _, kind, _ in notified()] == expected


@pytest.mark.parametrize("minutes_later", [-20, 1, 30, 12 * 24 * 60])
def test_a_moved_start_sends_reminders_at_the_new_time_only(
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
    assert notified() == []
    work(due)
    assert notified() == [("viewer", "reminder", planned)]


def test_a_start_moved_after_its_notification_sends_one_more(stream: LiveStream, viewer: User, now: datetime) -> None:
    """Not sent again after a move: svthalia/concrexit#656, jgayfer/apollo#47."""
    remind(viewer, stream, now=now)
    work_each_minute(now, 44, 50)
    later = now + 100 * MINUTE
    move(stream, later, now + 51 * MINUTE)
    work_each_minute(now, 51, 101)
    assert notified() == [("viewer", "reminder", now + 60 * MINUTE), ("viewer", "reminder", later)]


def test_ten_moves_back_and_forth_send_one_notification(stream: LiveStream, viewer: User, now: datetime) -> None:
    remind(viewer, stream, now=now)
    planned = [now + 60 * MINUTE, now + 90 * MINUTE]
    for number in range(1, 11):
        move(stream, planned[number % 2], now + number * MINUTE)
        work(now + number * MINUTE)
    work_each_minute(now, 40, 62)
    assert notified() == [("viewer", "reminder", planned[0])]


def test_a_start_moved_away_and_back_after_its_notification_sends_no_other(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    planned = now + 60 * MINUTE
    remind(viewer, stream, now=now)
    work_each_minute(now, 45, 46)
    for number in range(5):
        move(stream, now + 500 * MINUTE, now + (47 + 2 * number) * MINUTE)
        work(now + (47 + 2 * number) * MINUTE)
        move(stream, planned, now + (48 + 2 * number) * MINUTE)
        work(now + (48 + 2 * number) * MINUTE)
    assert notified() == [("viewer", "reminder", planned)]


def test_a_user_notified_after_a_move_away_and_back_is_not_counted_as_missed(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    planned = now + 60 * MINUTE
    remind(viewer, stream, now=now)
    find(now + 45 * MINUTE)  # then the worker stops
    move(stream, now + 500 * MINUTE, now + 46 * MINUTE)
    move(stream, planned, now + 50 * MINUTE)
    work(now + 57 * MINUTE)
    assert notified() == [("viewer", "reminder", planned)]
    assert not Round.objects.filter(state=Round.State.MISSED).exists()


@pytest.mark.parametrize("is_cut", [True, False], ids=["chunk", "round"])
def test_a_user_notified_before_a_move_away_and_back_is_not_counted_as_missed(
    stream: LiveStream, viewer: User, now: datetime, *, is_cut: bool
) -> None:
    """The start is due again after the move, in a round that is later than its grace, or whose chunk is."""
    planned = now + 60 * MINUTE
    remind(viewer, stream, now=now)
    work(now + 45 * MINUTE)
    move(stream, now + 500 * MINUTE, now + 46 * MINUTE)
    remind(make_user("second"), stream, now=now + 48 * MINUTE)
    move(stream, planned, now + 50 * MINUTE)
    find(now + 50 * MINUTE)
    if is_cut:
        cut(now + 50 * MINUTE)
    work_off(now + 61 * MINUTE)  # the worker stopped meanwhile
    assert notified() == [("viewer", "reminder", planned)]
    if is_cut:
        assert Chunk.objects.filter(state=Chunk.State.MISSED).values_list("missed").get() == (1,)
    else:
        assert Round.objects.filter(state=Round.State.MISSED).values_list("reminders").get() == (1,)


# --- exactly once, despite crashes (N12) ----------------------------------------------------------


def test_two_finders_and_two_workers_do_the_work_once(stream: LiveStream, viewer: User, now: datetime) -> None:
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
    assert [kind for _, kind, _ in notified()] == ["reminder"]


def test_repeated_start_calls_send_one_live_notification(creator: User, viewer: User, now: datetime) -> None:
    """Bursts with one stream id: twitchdev/issues#230, PhantomBot/PhantomBot#2807, TheBastionBot/Bastion#666."""
    stream = make_stream(creator, now=now)
    remind(viewer, stream, now=now, minute=None)
    streams.start_stream(stream.pk, by=creator, now=now)
    for again in range(5):
        with pytest.raises(streams.StreamNotStartable):
            streams.start_stream(stream.pk, by=creator, now=now + again * MINUTE)
        work(now + again * MINUTE)
    assert [kind for _, kind, _ in notified()] == ["live"]


# --- after downtime (N13) -------------------------------------------------------------------------


def test_after_an_hour_without_workers_recent_ones_are_sent_once_and_others_counted_as_missed(
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
    assert sorted(notified()) == sorted(
        [("viewer", "reminder", planned["young"]), ("viewer", "cancelled", planned["off"])]
    )
    missed = Round.objects.filter(state=Round.State.MISSED).values_list("stream", "kind", "reminders")
    assert set(missed) == {(evening["early"].pk, "live", 1), (evening["late"].pk, "reminder", 1)}
    assert not Round.objects.filter(state=Round.State.OPEN).exists()
    assert not Chunk.objects.filter(state=Chunk.State.WAITING).exists()


@pytest.mark.parametrize(("late", "kinds"), [(timedelta(0), ["reminder"]), (timedelta(microseconds=1), [])])
def test_the_grace_ends_at_the_exact_microsecond(
    late: timedelta, kinds: list[str], stream: LiveStream, viewer: User, now: datetime
) -> None:
    """A window of 300 s missed by one second: RestyaPlatform/board#1269."""
    remind(viewer, stream, now=now)
    work(now)
    work(now + 55 * MINUTE + late)
    assert [kind for _, kind, _ in notified()] == kinds
    assert Round.objects.get().state == ("cut" if kinds else "missed")


def test_the_first_run_of_a_worker_counts_what_was_missed_before(
    stream: LiveStream, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now=now)
    work(now + 59 * MINUTE)
    work(now + 80 * MINUTE)
    assert notified() == []
    assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)


@pytest.mark.parametrize("step", ["found", "cut"])
def test_claimed_but_unsent_work_is_sent_after_the_worker_restarts(
    step: str, stream: LiveStream, viewer: User, now: datetime
) -> None:
    """Claimed but unsent work lost: QwenAudio/qwen-audio-agent#83."""
    remind(viewer, stream, now=now)
    find(now + 45 * MINUTE)
    if step == "cut":
        cut(now + 45 * MINUTE)
    work(now + 54 * MINUTE)
    assert [kind for _, kind, _ in notified()] == ["reminder"]


@pytest.mark.parametrize("step", ["found", "cut"])
def test_claimed_work_that_is_too_late_after_a_restart_is_counted_as_missed(
    step: str, stream: LiveStream, viewer: User, now: datetime
) -> None:
    """A 120 s grace, then missed: NousResearch/hermes-agent#93554."""
    remind(viewer, stream, now=now)
    find(now + 45 * MINUTE)
    if step == "cut":
        cut(now + 45 * MINUTE)
    work(now + 56 * MINUTE)
    assert notified() == []
    if step == "cut":
        assert Chunk.objects.values_list("state", "missed").get() == ("missed", 1)
    else:
        assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)


def test_users_whose_reminder_was_missed_are_notified_at_the_start(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now=now)
    work(now)
    work(now + 56 * MINUTE)
    streams.start_stream(stream.pk, by=creator, now=now + 60 * MINUTE)
    work(now + 60 * MINUTE)
    assert [kind for _, kind, _ in notified()] == ["live"]


@pytest.mark.parametrize("restored", [45, 50, 56])
def test_a_restored_stream_sends_nothing_that_came_due_while_it_was_deleted(
    restored: int, stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now=now)
    streams.delete_stream(stream.pk, by=creator, now=now + 44 * MINUTE)
    work(now + 44 * MINUTE)
    streams.restore_stream(stream.pk, by=creator, now=now + restored * MINUTE)
    work(now + restored * MINUTE + timedelta(seconds=1))
    assert notified() == []
    assert Round.objects.values_list("state", "reminders").get() == ("missed", 1)


def test_a_restored_stream_sends_what_comes_due_afterwards(
    stream: LiveStream, creator: User, viewer: User, now: datetime
) -> None:
    remind(viewer, stream, now=now)
    streams.delete_stream(stream.pk, by=creator, now=now + 43 * MINUTE)
    streams.restore_stream(stream.pk, by=creator, now=now + 44 * MINUTE)
    work(now + 45 * MINUTE)
    assert [kind for _, kind, _ in notified()] == ["reminder"]
