"""How jobs are deferred: in batches, with priorities, and again when they were lost."""

from datetime import datetime, timedelta

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from common.fields import new_object_id
from common.jobs import batches
from livestreams import services as streams
from reminders import services
from reminders.models import Chunk, Notification, Round
from tests.conftest import make_user
from tests.reminders import working
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)


def remind(user: User, stream_id: str, now: datetime, minute: int | None = None) -> None:
    services.set_reminder(stream_id, by=user, now=now, minute=minute, language="en")


def waiting(task: str) -> list[ProcrastinateJob]:
    return list(ProcrastinateJob.objects.filter(task_name=f"reminders.tasks.{task}").order_by("id"))


def test_a_start_has_priority_over_older_lead_times(creator: User, viewer: User, now: datetime) -> None:
    soon, live = make_stream(creator, now=now), make_stream(make_user("other"), now=now)
    remind(viewer, soon.pk, now, 15)
    remind(viewer, live.pk, now)
    services.open_due_rounds(now + 45 * MINUTE)
    streams.start_stream(live.pk, by=live.creator, now=now + 46 * MINUTE)

    lead_time, start = waiting("cut_rounds")
    assert start.priority > lead_time.priority
    working.cut(now + 46 * MINUTE)
    assert [job.priority for job in waiting("notify_chunks")] == [lead_time.priority, start.priority]


def test_many_due_rounds_are_deferred_in_few_jobs(
    creator: User, viewer: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_JOBS", 2)
    for _ in range(5):
        remind(viewer, make_stream(creator, now=now).pk, now, 15)

    services.open_due_rounds(now + 45 * MINUTE)

    assert [len(job.args["round_ids"]) for job in waiting("cut_rounds")] == [3, 2]
    working.work_off(now + 45 * MINUTE)
    assert Notification.objects.count() == 5


def test_rounds_and_chunks_whose_job_was_lost_are_deferred_again(creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    remind(viewer, stream.pk, now)
    streams.start_stream(stream.pk, by=creator, now=now)
    for task, model in (("cut_rounds", Round), ("notify_chunks", Chunk)):
        (lost,) = waiting(task)
        working.finish(lost)
        services.requeue_lost_work(now + MINUTE)
        assert not waiting(task), f"a {model.__name__} that is young has its job"
        services.requeue_lost_work(now + 4 * MINUTE)
        (again,) = waiting(task)
        working.run(again, now + 4 * MINUTE if model is Chunk else now)
    assert Notification.objects.get().user_id == viewer.pk


def test_jobs_of_rounds_and_chunks_that_were_purged_before_do_nothing(db: None, now: datetime) -> None:
    assert services.cut_round(new_object_id(), now=now) == []
    assert services.notify_chunk(new_object_id(), now=now) == []
    assert not ProcrastinateJob.objects.exists()
