"""What `test_vanished_rows.py` calls: every service that locks a row which may have been purged since it was read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

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
from tests.conftest import PASSWORD


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


def never_issued(session: Session, *, now: datetime) -> str:
    raise AssertionError("there is no user to sign for")


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
    "livestreams.retain_stream": (
        lambda w: streams.retain_stream(w.stream.pk, reason="x", **w.by),
        streams.StreamMissing,
    ),
    "livestreams.release_stream": (
        lambda w: streams.release_stream(w.stream.pk, reason="x", **w.by),
        streams.StreamMissing,
    ),
    "livestreams.purge_records": (lambda w: streams.purge_records(w.stream.pk, now=w.now + timedelta(days=99)), None),
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
    "reminders.retry_delivery": (
        lambda w: reminders.retry_delivery(
            reminders.seen(Delivery.objects.filter(pk=w.delivery.pk))[0], by=w.moderator, reason="x"
        ),
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
    "accounts.grant_role": (
        lambda w: accounts.grant_role(w.viewer.pk, "superuser", **w.by),
        accounts.UserMissing,
    ),
    "accounts.revoke_role": (
        lambda w: accounts.revoke_role(w.viewer.pk, "superuser", **w.by),
        accounts.UserMissing,
    ),
    "accounts.issue_token": (
        lambda w: accounts.issue_token(w.viewer.pk, lifetime=timedelta(days=1), sign=never_issued, **w.by),
        accounts.UserMissing,
    ),
    "accounts.end_token": (
        lambda w: accounts.end_token(w.viewer.pk, session_of(w).pk, **w.by),
        accounts.NoSession,
    ),
    "accounts.close_account": (
        lambda w: accounts.close_account(w.viewer.pk, reason="x", **w.by),
        accounts.UserMissing,
    ),
    "accounts.erase_account": (
        lambda w: accounts.erase_account(w.viewer.pk, rows={}, reason="x", **w.by),
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
    "accounts.erased_person",
    "accounts.is_erased",
    "accounts.refuse_erasure",
    "accounts.refuse_log_out",
    "accounts.refuse_set_active",
    "accounts.roles_of",
    "accounts.logged_out_since",
    "accounts.set_profile_photo",  # calls set_own_photo
    "bans.creator_of_stream",
    "bans.decide_appeal",  # of a locked ban
    "bans.is_harder",
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
    "reminders.withdraw_verdict_notice",
}
