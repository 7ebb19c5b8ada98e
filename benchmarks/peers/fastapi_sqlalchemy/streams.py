"""Reading and listing streams."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from sqlalchemy import ColumnElement, and_, func, select

from benchmarks.peers.fastapi_sqlalchemy.callers import Claims, user_of
from benchmarks.peers.fastapi_sqlalchemy.tables import (
    WITH_PEOPLE,
    BanRow,
    Reading,
    StreamRow,
)
from benchmarks.peers.fastapi_sqlalchemy.wire import Envelope, Id, LiveStream, Page, Pagination
from benchmarks.peers.sql import EXACT_UP_TO

router = APIRouter(prefix="/api/v1/live-stream")


@router.get("/{id}")
async def read(
    id: Id,
    claims: Claims,
    session: Reading,
    response: Response,
) -> Envelope[LiveStream]:
    user = await user_of(claims, session)
    holding = and_(BanRow.stream_id == StreamRow.id, BanRow.target_id == user.id, BanRow.holds(datetime.now(UTC)))
    found = await session.execute(
        select(StreamRow, BanRow.action_type)
        .outerjoin(BanRow, holding)
        .where(StreamRow.id == id, StreamRow.deleted_at.is_(None))
        .options(*WITH_PEOPLE)
    )
    seen = found.first()
    if seen is None:
        raise HTTPException(404)
    row, restriction = seen
    if restriction == "BLOCK":
        raise HTTPException(403)
    response.headers["X-Request-ID"] = uuid4().hex
    return Envelope(data=LiveStream.of(row, user))


@router.get("")
async def page(  # noqa: PLR0917 - FastAPI reads the parameters by name
    claims: Claims,
    session: Reading,
    response: Response,
    status: Annotated[list[str] | None, Query()] = None,
    creator: Annotated[str | None, Query(alias="creatorId", pattern="^[0-9a-f]{24}$")] = None,
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Envelope[Page[LiveStream]]:
    user = await user_of(claims, session)
    wanted: list[ColumnElement[bool]] = [StreamRow.deleted_at.is_(None)]
    if status:
        wanted.append(StreamRow.status.in_(status))
    if creator:
        wanted.append(StreamRow.creator_id == creator)
    counted = select(StreamRow.id).where(*wanted).limit(EXACT_UP_TO + 1).subquery()
    total = min(await session.scalar(select(func.count()).select_from(counted)) or 0, EXACT_UP_TO)
    newest = (StreamRow.created_at.desc(), StreamRow.id.desc())
    ids = select(StreamRow.id).where(*wanted).order_by(*newest).limit(limit).offset((number - 1) * limit)
    rows = await session.scalars(
        select(StreamRow).where(StreamRow.id.in_(ids.correlate(None))).options(*WITH_PEOPLE).order_by(*newest)
    )
    response.headers["X-Request-ID"] = uuid4().hex
    pagination = Pagination.of(total, number, limit)
    return Envelope(data=Page(list=[LiveStream.of(row, user) for row in rows], pagination=pagination))
