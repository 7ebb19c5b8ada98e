"""Setting reminders."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.dialects.postgresql import insert

from benchmarks.peers.fastapi_sqlalchemy.callers import Claims, user_of
from benchmarks.peers.fastapi_sqlalchemy.tables import (
    BanRow,
    LeadTimeRow,
    NotificationRow,
    ReminderRow,
    RoundRow,
    StreamRow,
    Writing,
    audit_row,
    new_id,
)
from benchmarks.peers.fastapi_sqlalchemy.wire import Envelope, Id, Reminder, SetReminder

GRACE = timedelta(minutes=10)

router = APIRouter(prefix="/api/v1/live-stream")


@router.post("/{id}/reminder")
async def remind(
    id: Id, asked: SetReminder, claims: Claims, session: Writing, response: Response
) -> Envelope[Reminder]:
    request_id = uuid4().hex
    now = datetime.now(UTC)
    minute = asked.minute
    async with session.begin():
        user = await user_of(claims, session)
        notified = exists().where(
            NotificationRow.stream_id == StreamRow.id,
            NotificationRow.user_id == user.id,
            or_(
                NotificationRow.kind == "live",
                and_(
                    NotificationRow.kind == "reminder", NotificationRow.planned_start_at == StreamRow.planned_start_at
                ),
            ),
        )
        opened = exists().where(
            RoundRow.stream_id == StreamRow.id,
            RoundRow.kind == "reminder",
            RoundRow.minute == (minute or 0),
            RoundRow.planned_start_at == StreamRow.planned_start_at,
        )
        restriction = (
            select(BanRow.action_type)
            .where(BanRow.stream_id == StreamRow.id, BanRow.target_id == user.id, BanRow.holds(now))
            .scalar_subquery()
        )
        # Everything that is checked, in the statement that locks the stream.
        found = await session.execute(
            select(StreamRow.status, StreamRow.planned_start_at, StreamRow.plan_set_at, notified, opened, restriction)
            .where(StreamRow.id == id, StreamRow.deleted_at.is_(None))
            .with_for_update(of=StreamRow, read=True)
        )
        seen = found.first()
        if seen is None:
            raise HTTPException(404)
        status, planned, plan_set_at, is_notified, is_open, action_type = seen
        if action_type == "BLOCK":
            raise HTTPException(403)
        if status not in ("scheduled", "preparing") or (minute and planned is None):
            raise HTTPException(409)
        moment = planned - timedelta(minutes=minute) if minute else None
        if moment is not None and (moment <= now or is_open):
            raise HTTPException(400)
        if minute:
            lead = insert(LeadTimeRow).values(stream_id=id, minute=minute)
            await session.execute(lead.on_conflict_do_nothing())
        mine = select(ReminderRow).where(ReminderRow.stream_id == id, ReminderRow.user_id == user.id)
        reminder = await session.scalar(mine.with_for_update())
        before = {"minute": reminder.minute, "language": reminder.language} if reminder else {}
        if before != {"minute": minute, "language": "en"}:
            if reminder is None:
                reminder = ReminderRow(id=new_id(now), stream_id=id, user_id=user.id, created_at=now, updated_at=now)
                session.add(reminder)
            reminder.minute, reminder.language = minute, "en"
            reminder.updated_at = max(now, reminder.updated_at)
            session.add(
                audit_row(
                    "set_reminder",
                    reminder,
                    by=user,
                    at=now,
                    before=before,
                    after={"stream_id": id, "minute": minute, "language": "en"},
                    request_id=request_id,
                )
            )
    missed = moment is not None and max(moment, plan_set_at or moment) + GRACE < now
    response.headers["X-Request-ID"] = request_id
    return Envelope(
        data=Reminder(
            stream_id=id,
            minute=minute,
            mode="BEFORE_START" if minute else "ON_START",
            scheduled_for=moment,
            status="SENT" if is_notified else "MISSED" if missed else "SCHEDULED" if minute else "ARMED_ON_START",
        )
    )
