"""Three rows of each kind of retention, of which one is past it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.db import connection, models
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import KnownAddress, LoginCounter, PersonNote, RefreshedPair, Session, User
from bans.models import BulkRequest, ReportCase, ReviewClaim
from bans.services import dismiss_case
from common.models import StoredAnswer
from edges.models import Feedback, Participant, Revocation, ViewerSample
from livestreams.models import LiveStream
from livestreams.services import cancel_stream, delete_stream
from reminders.models import Chunk, Delivery, DeviceToken, Reminder, Round
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.conftest import make_user, session_of
from tests.streams import make_stream

A_SECOND = timedelta(seconds=1)


class World(NamedTuple):
    """`over` was cancelled longer ago than records are kept, `recent` lately; `open` is not over."""

    creator: User
    viewer: User
    over: LiveStream
    recent: LiveStream
    open: LiveStream
    old: datetime  # before records are removed
    now: datetime


def make_world(creator: User, viewer: User, now: datetime) -> World:
    old = now - settings.PARTICIPANT_RETENTION - A_SECOND
    over, recent, still = (make_stream(creator, now=old - timedelta(days=1)) for _ in range(3))
    cancel_stream(over.pk, by=creator, now=old)
    cancel_stream(recent.pk, by=creator, now=now - timedelta(days=1))
    Round.objects.all().delete()
    return World(creator, viewer, over, recent, still, old, now)


def of_each_stream(world: World, make: Callable[[LiveStream], Any]) -> None:
    for stream in (world.over, world.recent, world.open):
        make(stream)


def make_participants(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Participant.objects.create(
            stream=stream, user=world.viewer, first_seen_at=world.old, last_seen_at=world.old
        ),
    )
    return Participant


def make_viewer_samples(world: World) -> type[models.Model]:
    of_each_stream(world, lambda stream: ViewerSample.objects.create(stream=stream, at=world.old, viewers=1))
    return ViewerSample


def make_feedback(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Feedback.objects.create(stream=stream, user=world.viewer, rating=5, created_at=world.old),
    )
    return Feedback


def make_revocations(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Revocation.objects.create(stream=stream, user=world.viewer, action="BLOCK", at=world.old),
    )
    return Revocation


def make_reminders(world: World) -> type[models.Model]:
    of_each_stream(
        world,
        lambda stream: Reminder.objects.create(
            stream=stream, user=world.viewer, language="en", created_at=world.old, updated_at=world.old
        ),
    )
    return Reminder


def make_rounds(world: World) -> type[models.Model]:
    def make(stream: LiveStream) -> None:
        times = {"due_at": world.old, "good_until": world.old, "opened_at": world.old}
        made = Round.objects.create(stream=stream, kind="cancelled", state="cut", **times)
        chunk = Chunk.objects.create(round=made, number=1, due_at=world.old, state="notified")
        Delivery.objects.create(
            chunk=chunk, channel="email", state="delivered", created_at=world.old, closed_at=world.old
        )

    of_each_stream(world, make)
    return Round


def make_report_cases(world: World) -> type[models.Model]:
    """The last one is not decided, and so kept."""
    kept = settings.REPORT_RETENTION
    decided = {world.over: world.now - kept - A_SECOND, world.recent: world.now - kept + A_SECOND}
    for stream in (world.over, world.recent, world.open):
        case = make_report(world.viewer, stream, now=world.now - kept - timedelta(days=1)).case
        if stream in decided:
            dismiss_case(case.pk, by=world.viewer, now=decided[stream], reason="x")
    return ReportCase


def make_streams(world: World) -> type[models.Model]:
    for stream, when in ((world.over, world.now - settings.DELETED_RETENTION - A_SECOND), (world.recent, world.now)):
        delete_stream(stream.pk, by=world.creator, now=when)
    return LiveStream


def make_sessions(world: World) -> type[models.Model]:
    old = world.now - settings.SESSION_RETENTION - A_SECOND
    ended, lately, _holding = (session_of(world.creator) for _ in range(3))
    Session.objects.filter(pk=ended.pk).update(ended_at=old)
    Session.objects.filter(pk=lately.pk).update(ended_at=world.now)
    return Session


def make_admin_sessions(world: World) -> type[models.Model]:
    for key, days in (("a", -1), ("b", 1), ("c", 1)):
        AdminSession.objects.create(session_key=key, session_data="", expire_date=world.now + timedelta(days=days))
    return AdminSession


def make_failed_logins(world: World) -> type[models.Model]:
    for number, hours in enumerate((2, 0, 0)):
        LoginCounter.objects.create(key=bytes([number]), count=1, window_started_at=world.now - timedelta(hours=hours))
    return LoginCounter


def make_known_addresses(world: World) -> type[models.Model]:
    for number, days in enumerate((91, 1, 1)):
        KnownAddress.objects.create(
            user=world.creator, address=bytes([number]), last_login_at=world.now - timedelta(days=days)
        )
    return KnownAddress


def make_token_pairs(world: World) -> type[models.Model]:
    session = session_of(world.creator)
    for number, seconds in enumerate((-1, 50, 50)):
        RefreshedPair.objects.create(
            refresh_id=str(number), session=session, pair=b"", until=world.now + timedelta(seconds=seconds)
        )
    return RefreshedPair


def make_person_notes(world: World) -> type[models.Model]:
    old = world.now - settings.DELETED_RETENTION - A_SECOND
    for deleted_at in (old, world.now, None):
        PersonNote.objects.create(
            person=world.viewer, author=world.creator, text="x", created_at=old, deleted_at=deleted_at
        )
    return PersonNote


def make_jobs(world: World) -> type[models.Model]:
    old = world.now - settings.JOB_RETENTION - A_SECOND
    with connection.cursor() as cursor:
        for status, when in (("failed", old), ("failed", world.now), ("todo", old)):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
                " VALUES ('notifying', 't', '{}', %s::procrastinate_job_status) RETURNING id",
                [status],
            )
            (key,) = cursor.fetchone()
            cursor.execute("UPDATE procrastinate_events SET at = %s WHERE job_id = %s", [when, key])
            cursor.execute("INSERT INTO procrastinate_events (job_id, type, at) VALUES (%s, 'failed', %s)", [key, when])
    return ProcrastinateJob


def make_stored_answers(world: World) -> type[models.Model]:
    for number, seconds in enumerate((0, 1, 1)):
        StoredAnswer.objects.create(
            key=UUID(int=number), fingerprint=b"", answer=b"", expires_at=world.now + timedelta(seconds=seconds)
        )
    return StoredAnswer


def make_device_tokens(world: World) -> type[models.Model]:
    for number, days in enumerate((1, 0, 0)):
        when = world.now - settings.DEVICE_TOKEN_RETENTION - timedelta(days=days) + A_SECOND
        DeviceToken.objects.create(
            user=world.viewer, platform="ios", token="t", digest=bytes([number]), created_at=when, updated_at=when
        )
    return DeviceToken


def make_review_claims(world: World) -> type[models.Model]:
    for number, seconds in enumerate((0, 1, 1)):
        ban = make_ban(make_user(f"claimed{number}"), world.open, now=world.now)
        until = world.now + timedelta(seconds=seconds)
        ReviewClaim.objects.create(ban=ban, moderator=world.creator, claimed_at=world.old, until=until)
    return ReviewClaim


def make_bulk_requests(world: World) -> type[models.Model]:
    """The first was decided, the second has expired lately, and the third lately decided."""
    old = world.now - settings.BULK_REQUEST_RETENTION - A_SECOND
    lately = {"state": "approved", "decided_by": world.viewer, "decided_at": world.now}
    for expires_at, decided in (
        (old, lately | {"decided_at": old}),
        (world.now, {}),
        (old, lately),
    ):
        BulkRequest.objects.create(
            stream=world.recent, action="ban", payload={}, people=1, expires_at=expires_at,
            created_at=old, updated_at=old, **decided,
        )  # fmt: skip
    return BulkRequest


# Each makes three rows, of which one is past its retention.
MAKERS: dict[str, Callable[[World], type[models.Model]]] = {
    "streams": make_streams,
    "participants": make_participants,
    "viewer_samples": make_viewer_samples,
    "feedback": make_feedback,
    "revocations": make_revocations,
    "report_cases": make_report_cases,
    "review_claims": make_review_claims,
    "bulk_requests": make_bulk_requests,
    "reminders": make_reminders,
    "rounds": make_rounds,
    "sessions": make_sessions,
    "admin_sessions": make_admin_sessions,
    "failed_logins": make_failed_logins,
    "known_addresses": make_known_addresses,
    "token_pairs": make_token_pairs,
    "person_notes": make_person_notes,
    "jobs": make_jobs,
    "stored_answers": make_stored_answers,
    "device_tokens": make_device_tokens,
}
