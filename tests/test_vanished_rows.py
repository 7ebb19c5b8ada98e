"""Rows that are purged after they were read and before they are locked: every service refuses, and none fails."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone

from accounts import services as accounts
from accounts.models import PHOTO_SIZES, PersonNote, Session, User
from bans import services as bans
from bans.models import BulkRequest, LiveStreamBan
from common.refusals import Refusal
from edges import services as edges
from edges.models import Participant
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services as reminders
from reminders.models import Chunk, Delivery, DeviceToken, Notification, Round
from tests.conftest import PASSWORD, make_user
from tests.races import at_once
from tests.reminders.sending import delivery_to
from tests.streams import make_stream

_LOCKING = re.compile(r'FROM "(\w+)".*FOR NO KEY UPDATE', re.DOTALL)


def vanish(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Empty each table just before its rows are locked."""
    if locking := _LOCKING.search(str(sql)):
        execute(f'DELETE FROM "{locking[1]}"', None, False, context)  # noqa: FBT003
    return execute(sql, params, many, context)


@dataclass
class World:
    now: datetime
    creator: User
    viewer: User
    moderator: User
    stream: LiveStream
    ban: LiveStreamBan
    delivery: Delivery

    @property
    def by(self) -> dict[str, Any]:
        return {"by": self.moderator, "now": self.now}

    @property
    def by_viewer(self) -> dict[str, Any]:
        return {"by": self.viewer, "now": self.now}

    @property
    def notice(self) -> Notification:
        return Notification.objects.get()


@pytest.fixture
def world(creator: User, viewer: User, moderator: User, settings: Any) -> World:
    settings.NOTIFICATION_CHANNELS = {"webhook": "reminders.channels.webhook.WebhookChannel"}
    settings.WEBHOOK_URL = "http://127.0.0.1:9/"
    now = timezone.now()
    reader = make_user("reader")
    delivery = delivery_to(reader, now=now)
    stream = make_stream(creator, now=now)
    batch = bans.ban_many(stream.pk, [viewer.pk], by=creator, now=now)
    ban = LiveStreamBan.objects.get(batch_id=batch.id)
    return World(now, creator, viewer, moderator, stream, ban, delivery)


def session_of(world: World) -> Session:
    return Session.objects.create(
        user=world.viewer, refresh_id="0" * 32, created_at=world.now, expires_at=world.now + timedelta(days=1)
    )


def case_of(world: World) -> str:
    """The id of the case of a report that another user made."""
    return bans.report_stream(world.stream.pk, reason="spam", **world.by).case_id


def request_of(world: World) -> str:
    """The id of a bulk request of another user."""
    times = {"created_at": world.now, "updated_at": world.now, "expires_at": world.now + timedelta(days=1)}
    return BulkRequest.objects.create(
        stream=world.stream, action="ban", payload={"bans": []}, people=1, requested_by=world.creator, **times
    ).pk


def note_of(world: World) -> PersonNote:
    return PersonNote.objects.create(person=world.viewer, author=world.moderator, text="x", created_at=world.now)


def watched_by(world: World) -> str:
    """The id of a stream that the moderator watched."""
    times = {"first_seen_at": world.now, "last_seen_at": world.now}
    return Participant.objects.create(stream=world.stream, user=world.moderator, role="audience", **times).stream_id


def device_of(world: World) -> DeviceToken:
    return DeviceToken.objects.create(
        user=world.viewer, platform="ios", token="x", digest=b"x", created_at=world.now, updated_at=world.now
    )


def never_signed(session: Session, *, now: datetime) -> accounts.Pair:
    raise AssertionError("there is no session to sign for")


# The expected result: a refusal, or a value for "nothing to do".
Case = tuple[Callable[[World], Any], "type[Refusal] | bool | list[Any] | tuple[Any, ...] | None"]
CASES: dict[str, Case] = {
    "bans.appeal_ban": (lambda w: bans.appeal_ban(w.ban.pk, text="no", **w.by_viewer), bans.BanMissing),
    "bans.withdraw_appeal": (lambda w: bans.withdraw_appeal(w.ban.pk, **w.by_viewer), bans.BanMissing),
    "bans.ban_user": (lambda w: bans.ban_user(w.viewer.pk, w.stream.pk, **w.by), streams.StreamMissing),
    "bans.ban_many": (lambda w: bans.ban_many(w.stream.pk, [w.viewer.pk], **w.by), streams.StreamMissing),
    "bans.ban_each": (
        lambda w: bans.ban_each(w.stream.pk, [bans.BanRequest(w.viewer.pk, w.moderator)], **w.by),
        streams.StreamMissing,
    ),
    "bans.locked_ban": (lambda w: bans.locked_ban(w.ban.pk), bans.BanMissing),
    "bans.change_ban": (lambda w: bans.change_ban(w.ban.pk, changes={"reason": "x"}, **w.by), bans.BanMissing),
    "bans.lift_ban": (lambda w: bans.lift_ban(w.ban.pk, **w.by), bans.BanMissing),
    "bans.review_ban": (
        lambda w: bans.review_ban(w.ban.pk, verdict=LiveStreamBan.Review.UPHELD, reason="x", **w.by),
        bans.BanMissing,
    ),
    "bans.undo_batch": (lambda w: bans.undo_batch(w.ban.batch_id or "", **w.by), bans.BatchMissing),
    "bans.overrule_review": (
        lambda w: bans.overrule_review(w.ban.pk, verdict=LiveStreamBan.Review.UPHELD, reason="x", **w.by),
        bans.BanMissing,
    ),
    "bans.review_batch": (
        lambda w: bans.review_batch(w.ban.batch_id or "", verdict=LiveStreamBan.Review.UPHELD, reason="x", **w.by),
        bans.BatchMissing,
    ),
    "bans.take_over_claim": (lambda w: bans.take_over_claim(w.ban.pk, **w.by), bans.BanMissing),
    "bans.undo_review": (lambda w: bans.undo_review(w.ban.pk, **w.by), bans.BanMissing),
    "bans.approve_request": (
        lambda w: bans.approve_request(request_of(w), reason="x", **w.by),
        bans.BulkRequestMissing,
    ),
    "bans.reject_request": (
        lambda w: bans.reject_request(request_of(w), reason="x", **w.by),
        bans.BulkRequestMissing,
    ),
    "bans.dismiss_case": (lambda w: bans.dismiss_case(case_of(w), reason="x", **w.by), bans.CaseMissing),
    "bans.mark_acted_on": (lambda w: bans.mark_acted_on(case_of(w), reason="x", **w.by), bans.CaseMissing),
    # The report opens another case.
    "bans.report_stream": (
        lambda w: (case_of(w), bans.report_stream(w.stream.pk, reason="x", **w.by_viewer).case.report_count)[1] == 1,
        True,
    ),
    "edges.give_feedback": (
        lambda w: edges.give_feedback(watched_by(w), rating=5, **w.by),
        edges.NotWatched,
    ),
    "livestreams.accept_guest": (lambda w: streams.accept_guest(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.decline_guest": (lambda w: streams.decline_guest(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.edit_stream": (
        lambda w: streams.edit_stream(w.stream.pk, changes={"title": "x"}, **w.by),
        streams.StreamMissing,
    ),
    "livestreams.start_stream": (lambda w: streams.start_stream(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.end_stream": (lambda w: streams.end_stream(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.cancel_stream": (lambda w: streams.cancel_stream(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.delete_stream": (lambda w: streams.delete_stream(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.set_thumbnail": (
        lambda w: streams.set_thumbnail(w.stream.pk, file="x", **w.by),
        streams.StreamMissing,
    ),
    "livestreams.remove_thumbnail": (lambda w: streams.remove_thumbnail(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.restore_own_stream": (
        lambda w: streams.restore_own_stream(w.stream.pk, **w.by),
        streams.StreamMissing,
    ),
    "livestreams.restore_stream": (lambda w: streams.restore_stream(w.stream.pk, **w.by), streams.StreamMissing),
    "livestreams.expire_stream": (lambda w: streams.expire_stream(w.stream.pk, now=w.now + timedelta(days=9)), False),
    "livestreams.purge_stream": (lambda w: streams.purge_stream(w.stream.pk, now=w.now + timedelta(days=99)), None),
    "reminders.choose_channels": (
        lambda w: reminders.choose_channels(wanted={"webhook": False}, **w.by_viewer),
        accounts.UserMissing,
    ),
    "reminders.lock_channels": (lambda w: reminders.lock_channels(by=w.viewer), accounts.UserMissing),
    "reminders.lock_reminder": (lambda w: reminders.lock_reminder(w.notice.stream_id, by=w.notice.user), None),
    "reminders.unsubscribe": (lambda w: reminders.unsubscribe(w.viewer.pk, now=w.now), False),
    "reminders.mark_notification": (
        lambda w: reminders.mark_notification(w.notice.pk, by=w.notice.user, now=w.now, read=True),
        reminders.NotificationMissing,
    ),
    "reminders.mark_all_notifications": (
        lambda w: reminders.mark_all_notifications(by=w.notice.user, now=w.now),
        accounts.UserMissing,
    ),
    "reminders.mark_rest_of_notifications": (
        lambda w: reminders.mark_rest_of_notifications(w.notice.user_id, now=w.now, until=w.now),
        reminders.Marked(0, has_rest=False),
    ),
    "reminders.register_device": (
        lambda w: reminders.register_device(token="x", platform="ios", **w.by_viewer),
        accounts.UserMissing,
    ),
    "reminders.remove_device": (
        lambda w: reminders.remove_device(device_of(w).pk, **w.by_viewer),
        reminders.DeviceTokenMissing,
    ),
    "reminders.create_calendar_address": (
        lambda w: reminders.create_calendar_address(**w.by_viewer),
        accounts.UserMissing,
    ),
    "reminders.delete_calendar_address": (
        lambda w: reminders.delete_calendar_address(**w.by_viewer),
        reminders.CalendarAddressMissing,
    ),
    "reminders.remove_reminder": (
        lambda w: reminders.remove_reminder(w.notice.stream_id, by=w.notice.user, now=w.now),
        reminders.ReminderMissing,
    ),
    "reminders.cut_round": (lambda w: reminders.cut_round(Round.objects.get().pk, now=w.now), []),
    "reminders.notify_chunk": (lambda w: reminders.notify_chunk(Chunk.objects.get().pk, now=w.now), []),
    "reminders.deliver": (lambda w: reminders.deliver(w.delivery.pk, now=w.now + timedelta(seconds=1)), None),
    "reminders.send_again": (
        lambda w: reminders.send_again(w.delivery.pk, **w.by),
        reminders.DeliveryMissing,
    ),
    "accounts.add_note": (lambda w: accounts.add_note(w.viewer.pk, "x", **w.by), accounts.UserMissing),
    "accounts.delete_note": (lambda w: accounts.delete_note(note_of(w).pk, **w.by), accounts.NoteMissing),
    "accounts.change_preferences": (
        lambda w: accounts.change_preferences(language="tr", **w.by),
        accounts.UserMissing,
    ),
    "accounts.log_in": (lambda w: accounts.log_in("viewer", PASSWORD, now=w.now), accounts.WrongCredentials),
    "accounts.refresh": (
        lambda w: accounts.refresh(session_of(w).pk, "0" * 32, now=w.now, sign=never_signed),
        accounts.RefreshTokenInvalid,
    ),
    "accounts.revoke": (lambda w: accounts.revoke(session_of(w).pk, now=w.now), None),
    "accounts.log_out": (lambda w: accounts.log_out(w.viewer, **w.by), accounts.UserMissing),
    "accounts.change_own_password": (
        lambda w: accounts.change_own_password(w.viewer, PASSWORD, "another one", now=w.now),
        accounts.UserMissing,
    ),
    "accounts.replace_password": (
        lambda w: accounts.replace_password(w.viewer, "another one", **w.by),
        accounts.UserMissing,
    ),
    "accounts.deactivate_user": (
        lambda w: accounts.deactivate_user(w.viewer.pk, reason="x", **w.by),
        accounts.UserMissing,
    ),
    "accounts.activate_user": (
        lambda w: accounts.activate_user(w.viewer.pk, reason="x", **w.by),
        accounts.UserMissing,
    ),
    "accounts.rename_user": (
        lambda w: accounts.rename_user(w.viewer.pk, "another", **w.by),
        accounts.UserMissing,
    ),
    "accounts.set_own_photo": (
        lambda w: accounts.set_own_photo(w.viewer, b"x", dict.fromkeys(PHOTO_SIZES, b"x"), **w.by),
        accounts.UserMissing,
    ),
}
# These lock no row that they have read before: they only read, or read only under the advisory lock of the stream.
WITHOUT_LOCK = {
    "edges.follow_stream",
    "accounts.may_be_logged_in",
    "accounts.may_delete_note",  # of a locked note
    "accounts.refuse_log_out",
    "accounts.refuse_set_active",
    "accounts.logged_out_since",
    "accounts.set_profile_photo",  # calls set_own_photo
    "bans.creator_of_stream",
    "bans.decide_appeal",  # of a locked ban
    "bans.is_open_for_bans",
    "bans.refuse_approval",
    "bans.refuse_decision",
    "bans.refuse_overruling",
    "bans.refuse_rejection",
    "bans.refuse_reporting",
    "bans.refuse_review",
    "bans.refuse_undo",
    "bans.release_claim",  # deletes the row in one statement
    "bans.take_claim",  # writes the row in one statement
    "reminders.withdraw_verdict_notice",
    "bans.stream_of_batch",
    "bans.version_of_ban",
    "edges.admit",
    "edges.cursor_for",
    "edges.leave",  # updates the participation in one statement
    "edges.new_revocations",
    "edges.record_revocations",
    "edges.refuse_feedback",
    "livestreams.allow_cancel",
    "livestreams.allow_delete",
    "livestreams.allow_end",
    "livestreams.allow_restore",
    "livestreams.audience_restriction",
    "livestreams.reminder_waits",
    "livestreams.share_stream_lock",
    "livestreams.take_stream_lock",
    "reminders.channels_of",
    "reminders.due_of_stream",
    "reminders.follow_stream",
    "reminders.open_due_rounds_of_stream",
    "reminders.set_reminder",
}
TAKES_A_ROW = re.compile(r"(\w+_id|user|stream|ban|by)")


@pytest.mark.parametrize("name", CASES)
def test_a_row_that_is_purged_before_its_lock_is_missing(name: str, world: World) -> None:
    call, expected = CASES[name]
    with transaction.atomic():
        with connection.execute_wrapper(vanish):
            if isinstance(expected, type):
                with pytest.raises(expected):
                    call(world)
            else:
                assert call(world) == expected
        transaction.set_rollback(True)


def test_every_service_that_takes_a_row_is_tested() -> None:
    found = set()
    modules = {"bans": bans, "edges": edges, "livestreams": streams, "reminders": reminders, "accounts": accounts}
    for app, module in modules.items():
        names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        for name in names:
            service = getattr(module, name)
            if not inspect.isfunction(service) or not service.__module__.startswith(module.__name__):
                continue
            if any(TAKES_A_ROW.fullmatch(parameter) for parameter in inspect.signature(service).parameters):
                found.add(f"{app}.{name}")
    creating = {"livestreams.create_stream", "edges.rotate_join_key", "accounts.create_user"}
    by_name = {"accounts.log_in"}
    assert found - creating == CASES.keys() - by_name | WITHOUT_LOCK


def test_no_service_gets_a_row_that_may_be_gone() -> None:
    """`get` raises DoesNotExist, which is answered with 500; `locked` raises a refusal."""
    sources = [
        path
        for app in ("accounts", "bans", "edges", "livestreams", "reminders")
        for path in [*Path(django_settings.BASE_DIR, app).glob("services/*.py"), *Path(app).glob("services.py")]
    ]
    assert len(sources) > 15
    for path in sources:
        assert not re.search(r"(objects|for_update\(.*\))\.get\(", path.read_text(encoding="utf-8")), path


# --- with threads ------------------------------------------------------------------------------

_WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND NOT granted
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["appeal_ban", "lift_ban", "change_ban", "review_ban", "undo_batch"])
def test_a_call_that_waits_for_a_ban_that_is_purged_is_refused(name: str) -> None:
    creator, viewer, now = make_user("creator"), make_user("viewer"), timezone.now()
    stream = make_stream(creator)
    batch = bans.ban_many(stream.pk, [viewer.pk], by=creator, now=now)
    ban = LiveStreamBan.objects.get(batch_id=batch.id)
    calls: dict[str, Callable[[], Any]] = {
        "appeal_ban": lambda: bans.appeal_ban(ban.pk, by=viewer, now=now, text="no"),
        "lift_ban": lambda: bans.lift_ban(ban.pk, by=creator, now=now),
        "change_ban": lambda: bans.change_ban(ban.pk, by=creator, now=now, changes={"reason": "x"}),
        "review_ban": lambda: bans.review_ban(
            ban.pk, by=creator, now=now, verdict=LiveStreamBan.Review.UPHELD, reason="x"
        ),
        "undo_batch": lambda: bans.undo_batch(batch.id or "", by=creator, now=now),
    }
    held = Event()

    def run(number: int) -> Any:
        if number == 0:
            with transaction.atomic(), connection.cursor() as cursor:
                streams.take_stream_lock(stream.pk)
                LiveStreamBan.all_objects.for_update().filter(pk=ban.pk).first()
                held.set()
                for _ in range(500):
                    cursor.execute(_WAITING)
                    if cursor.fetchone()[0]:
                        break
                    cursor.execute("SELECT pg_sleep(0.02)")
                LiveStreamBan.all_objects.filter(pk=ban.pk).delete()
                LiveStream.all_objects.filter(pk=stream.pk).delete()
            return None
        assert held.wait(30)
        try:
            return calls[name]()
        except Exception as error:  # the assertion below names the type
            return type(error)

    _, answer = at_once(2, run)
    assert answer is (bans.BatchMissing if name == "undo_batch" else bans.BanMissing)
