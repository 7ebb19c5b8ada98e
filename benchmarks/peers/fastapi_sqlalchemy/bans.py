"""Checking, listing, making and lifting bans."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from benchmarks.peers.fastapi_sqlalchemy.callers import Claims, may, user_of
from benchmarks.peers.fastapi_sqlalchemy.tables import (
    WITH_TARGET,
    AppealRow,
    BanRow,
    Reading,
    RevocationRow,
    StreamRow,
    UserRow,
    Writing,
    audit_row,
    new_id,
)
from benchmarks.peers.fastapi_sqlalchemy.wire import Ban, Check, Envelope, Id, MakeBan, Page, Pagination
from benchmarks.peers.sql import EXACT_UP_TO

router = APIRouter(prefix="/api/v1/live-stream-ban")


@router.get("/check/{target_id}")
async def check(
    target_id: Id,
    stream_id: Annotated[str, Query(alias="liveStreamId", pattern="^[0-9a-f]{24}$")],
    claims: Claims,
    session: Reading,
    response: Response,
) -> Envelope[Check]:
    user = await user_of(claims, session)
    stream = select(StreamRow.creator_id).where(StreamRow.id == stream_id, StreamRow.deleted_at.is_(None))
    creator_id = await session.scalar(stream)
    if creator_id is None:
        raise HTTPException(404)
    if (
        user.id not in (creator_id, target_id)
        and not await may(user, "bans", "moderate", session)
        and not await may(user, "livestreams", "enforce", session)
    ):
        raise HTTPException(403)
    ban = await session.scalar(
        select(BanRow)
        .where(BanRow.stream_id == stream_id, BanRow.target_id == target_id, BanRow.holds(datetime.now(UTC)))
        .options(WITH_TARGET)
    )
    response.headers["X-Request-ID"] = uuid4().hex
    return Envelope(data=Check(is_banned=ban is not None, ban=Ban.of(ban) if ban else None))


@router.get("")
async def page(
    claims: Claims,
    session: Reading,
    response: Response,
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Envelope[Page[Ban]]:
    user = await user_of(claims, session)
    wanted = [BanRow.holds(datetime.now(UTC))]
    if not await may(user, "bans", "moderate", session):
        wanted.append(StreamRow.creator_id == user.id)
    of_streams = StreamRow.id == BanRow.stream_id
    counted = select(BanRow.id).join(StreamRow, of_streams).where(*wanted).limit(EXACT_UP_TO + 1).subquery()
    total = min(await session.scalar(select(func.count()).select_from(counted)) or 0, EXACT_UP_TO)
    newest = (BanRow.created_at.desc(), BanRow.id.desc())
    ids = select(BanRow.id).join(StreamRow, of_streams).where(*wanted).order_by(*newest)
    ids = ids.limit(limit).offset((number - 1) * limit).correlate(None)
    rows = await session.scalars(select(BanRow).where(BanRow.id.in_(ids)).options(WITH_TARGET).order_by(*newest))
    response.headers["X-Request-ID"] = uuid4().hex
    return Envelope(data=Page(list=[Ban.of(row) for row in rows], pagination=Pagination.of(total, number, limit)))


@router.post("", status_code=201)
async def make(asked: MakeBan, claims: Claims, session: Writing, response: Response) -> Envelope[Ban]:
    request_id = uuid4().hex
    now = datetime.now(UTC)
    async with session.begin():
        user = await user_of(claims, session)
        stream = await session.scalar(
            select(StreamRow)
            .where(StreamRow.id == asked.stream_id, StreamRow.deleted_at.is_(None))
            .with_for_update(of=StreamRow, key_share=True)
        )
        if stream is None:
            raise HTTPException(404)
        if user.id != stream.creator_id and not await may(user, "bans", "moderate", session):
            raise HTTPException(403)
        if stream.status not in ("scheduled", "preparing", "active"):
            raise HTTPException(409)
        target = await session.scalar(
            select(UserRow).where(UserRow.id == asked.target_id).options(joinedload(UserRow.profile_photo))
        )
        if target is None:
            raise HTTPException(404)
        members = [user.id, stream.creator_id]
        if stream.guest_status != "declined":
            members.append(stream.guest_id or "")
        if target.id in members or target.is_staff or await may(target, "bans", "moderate", session):
            raise HTTPException(403)
        held = select(BanRow.id).where(BanRow.stream_id == stream.id, BanRow.target_id == target.id, BanRow.holds(now))
        if await session.scalar(held) is not None:
            raise HTTPException(409)
        ban = BanRow(
            id=new_id(now),
            created_at=now,
            updated_at=now,
            stream_id=stream.id,
            target=target,
            action_type=asked.action_type,
            reason=asked.reason,
            created_by_id=user.id,
            review="unreviewed",
        )
        session.add(ban)
        after = {
            "stream_id": stream.id,
            "target_id": target.id,
            "action_type": ban.action_type,
            "reason": ban.reason,
            "expires_at": None,
            "deleted_at": None,
            "review": ban.review,
        }
        session.add(audit_row("ban_user", ban, by=user, at=now, before={}, after=after, request_id=request_id))
        session.add(RevocationRow(stream_id=stream.id, user_id=target.id, action=ban.action_type, until=None, at=now))
        await session.execute(select(func.pg_notify("edges_revocations", stream.id)))
    response.headers["X-Request-ID"] = request_id
    return Envelope(status_code=201, data=Ban.of(ban))


@router.delete("/{id}")
async def lift(id: Id, claims: Claims, session: Writing, response: Response) -> Envelope[Ban]:
    request_id = uuid4().hex
    now = datetime.now(UTC)
    async with session.begin():
        user = await user_of(claims, session)
        # The stream is locked before its bans, as everywhere. Each statement that reads a row also locks it.
        creator_id = await session.scalar(
            select(StreamRow.creator_id)
            .join(BanRow, BanRow.stream_id == StreamRow.id)
            .where(BanRow.id == id)
            .with_for_update(of=StreamRow, key_share=True)
        )
        if creator_id is None:
            raise HTTPException(404)
        if user.id != creator_id and not await may(user, "bans", "moderate", session):
            raise HTTPException(403)
        ban = (
            await session.scalars(
                select(BanRow).where(BanRow.id == id).options(WITH_TARGET).with_for_update(of=BanRow, key_share=True)
            )
        ).one()
        if ban.deleted_at is not None:
            raise HTTPException(409)
        ban.updated_at = ban.deleted_at = max(now, ban.updated_at)
        ban.deleted_by_id = user.id
        session.add(
            audit_row(
                "lift_ban",
                ban,
                by=user,
                at=ban.updated_at,
                before={"deleted_at": None, "deleted_by_id": None},
                after={"deleted_at": ban.deleted_at.isoformat(), "deleted_by_id": user.id},
                request_id=request_id,
            )
        )
        session.add(
            RevocationRow(
                stream_id=ban.stream_id, user_id=ban.target_id, action="LIFTED", until=None, at=ban.updated_at
            )
        )
        await session.execute(select(func.pg_notify("edges_revocations", ban.stream_id)))
        pending = select(AppealRow.id).where(AppealRow.ban_id == ban.id, AppealRow.state == "pending")
        if await session.scalar(pending) is not None:
            # The lifted bans have no appeals, so only this query is measured.
            raise HTTPException(501)
    response.headers["X-Request-ID"] = request_id
    return Envelope(data=Ban.of(ban))
