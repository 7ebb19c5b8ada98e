"""The same API on FastAPI with the async ORM of SQLAlchemy 2, as its documentation teaches it.

Whatever helps it and is in common use is here: uvloop, httptools and asyncpg; one joined statement for a stream;
a verified-token cache like Kumanda's; responses that pydantic writes straight to bytes; no implicit transaction
around reads.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, Self
from uuid import uuid4

import jwt
from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    Numeric,
    SmallInteger,
    TypeDecorator,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

KEY = os.environ["JWT_SIGNING_KEY"]
MEDIA_URL = os.environ["MEDIA_URL"]
DEFAULT_THUMBNAIL = os.environ["PUBLIC_URL"] + "/static/livestreams/default-thumbnail.webp"
POOL_SIZE = 4  # one for each connection of the load generator

# --- tables ---------------------------------------------------------------------------------------


class ObjectId(TypeDecorator[str]):
    impl = LargeBinary(12)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        return None if value is None else value.hex()


class Base(DeclarativeBase):
    type_annotation_map = {
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
    }


class MediaRow(Base):
    __tablename__ = "accounts_media"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    type: Mapped[str]
    file: Mapped[str]
    variants: Mapped[dict[str, Any]]


class UserRow(Base):
    __tablename__ = "accounts_user"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    username: Mapped[str]
    name: Mapped[str]
    surname: Mapped[str]
    availability_status: Mapped[str]
    is_active: Mapped[bool]
    profile_photo_id: Mapped[str | None] = mapped_column(ObjectId, ForeignKey("accounts_media.id"))

    profile_photo: Mapped[MediaRow | None] = relationship()


class SessionRow(Base):
    __tablename__ = "accounts_session"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    user_id: Mapped[str] = mapped_column(ObjectId, ForeignKey("accounts_user.id"))
    ended_at: Mapped[datetime | None]


class StreamRow(Base):
    __tablename__ = "livestreams_livestream"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    deleted_by_id: Mapped[str | None] = mapped_column(ObjectId)
    title: Mapped[str]
    type: Mapped[str]
    channel_name: Mapped[str]
    thumbnail: Mapped[str]
    status: Mapped[str]
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    interest: Mapped[str | None]
    duration_goal: Mapped[int | None] = mapped_column(SmallInteger)
    motivation: Mapped[str | None]
    planned_start_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    creator_id: Mapped[str] = mapped_column(ObjectId, ForeignKey("accounts_user.id"))
    guest_id: Mapped[str | None] = mapped_column(ObjectId, ForeignKey("accounts_user.id"))

    creator: Mapped[UserRow] = relationship(foreign_keys=creator_id)
    guest: Mapped[UserRow | None] = relationship(foreign_keys=guest_id)


class AuditRow(Base):
    __tablename__ = "common_auditentry"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime]
    door: Mapped[str]
    actor_id: Mapped[str] = mapped_column(ObjectId)
    actor_name: Mapped[str]
    action: Mapped[str]
    target_type: Mapped[str]
    target_id: Mapped[str] = mapped_column(ObjectId)
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    reason: Mapped[str]
    request_id: Mapped[str]


WITH_PEOPLE = (
    joinedload(StreamRow.creator, innerjoin=True).joinedload(UserRow.profile_photo),
    joinedload(StreamRow.guest).joinedload(UserRow.profile_photo),
)

engine = create_async_engine("postgresql+asyncpg://kumanda@/kumanda", pool_size=POOL_SIZE, max_overflow=0)
# Reads need no transaction around their one statement; without this SQLAlchemy sends a BEGIN and a ROLLBACK.
reading = async_sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False)
writing = async_sessionmaker(engine, expire_on_commit=False)


async def read_session() -> AsyncIterator[AsyncSession]:
    async with reading() as session:
        yield session


async def write_session() -> AsyncIterator[AsyncSession]:
    async with writing() as session:
        yield session


# --- the wire -------------------------------------------------------------------------------------


def wire_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


type Time = Annotated[datetime, PlainSerializer(wire_time, return_type=str)]
type Id = Annotated[str, Path(pattern="^[0-9a-f]{24}$")]


class Wire(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))


class Media(Wire):
    id: str = Field(serialization_alias="_id")
    url: str
    type: str
    variants: dict[str, str]
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, row: MediaRow) -> Self:
        return cls(
            id=row.id,
            url=MEDIA_URL + row.file,
            type=row.type,
            variants={size: MEDIA_URL + file for size, file in row.variants.items()},
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class UserSummary(Wire):
    id: str = Field(serialization_alias="_id")
    username: str
    name: str
    surname: str
    profile_photo: Media | None
    availability_status: str

    @classmethod
    def of(cls, row: UserRow) -> Self:
        return cls(
            id=row.id,
            username=row.username,
            name=row.name,
            surname=row.surname,
            profile_photo=Media.of(row.profile_photo) if row.profile_photo else None,
            availability_status=row.availability_status,
        )


class Broadcaster(Wire):
    user: UserSummary
    role: Literal["host", "guest"]


class LiveStream(Wire):
    id: str
    title: str
    live_stream_type: str
    channel_name: str
    creator: UserSummary
    guests: list[UserSummary]
    broadcasters: list[Broadcaster]
    thumbnail_url: str
    status: str
    access_type: Literal["free", "paid"]
    price: float | None
    interest: str | None
    duration_goal: int | None
    motivation: str | None
    planned_start_date: Time | None
    planned_end_date: Time | None
    started_at: Time | None
    ended_at: Time | None
    role: Literal["host", "guest", "audience"]
    deleted_at: Time | None
    deleted_by: str | None
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, row: StreamRow, user: UserRow) -> Self:
        creator = UserSummary.of(row.creator)
        guests = [UserSummary.of(row.guest)] if row.guest else []
        planned_end = None
        if row.planned_start_at and row.duration_goal:
            planned_end = row.planned_start_at + timedelta(minutes=row.duration_goal)
        return cls(
            id=row.id,
            title=row.title,
            live_stream_type=row.type,
            channel_name=row.channel_name,
            creator=creator,
            guests=guests,
            broadcasters=[
                Broadcaster(user=creator, role="host"),
                *(Broadcaster(user=guest, role="guest") for guest in guests),
            ],
            thumbnail_url=MEDIA_URL + row.thumbnail if row.thumbnail else DEFAULT_THUMBNAIL,
            status=row.status,
            access_type="paid" if row.price else "free",
            price=None if row.price is None else float(row.price),
            interest=row.interest,
            duration_goal=row.duration_goal,
            motivation=row.motivation,
            planned_start_date=row.planned_start_at,
            planned_end_date=planned_end,
            started_at=row.started_at,
            ended_at=row.ended_at,
            role="host" if user.id == row.creator_id else "guest" if user.id == row.guest_id else "audience",
            deleted_at=row.deleted_at,
            deleted_by=row.deleted_by_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class Pagination(Wire):
    current_page: int
    total_pages: int
    total_items: int
    items_per_page: int
    has_next_page: bool
    has_prev_page: bool


class Page(Wire):
    list: list[LiveStream]
    pagination: Pagination


class Envelope[T](Wire):
    is_success: bool = True
    status_code: int = 200
    data: T
    errors: list[str] = []
    timestamp: Time = Field(default_factory=lambda: datetime.now(UTC))


# --- who is calling -------------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def signed(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, KEY, algorithms=["HS256"], issuer="kumanda", options={"require": ["exp", "sub", "sid"]}
    )
    if claims.get("token_type") != "access":
        raise jwt.InvalidTokenError
    return claims


def claims_of(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> dict[str, Any]:
    try:
        claims = signed(credentials.credentials if credentials else "")
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    if claims["exp"] <= datetime.now(UTC).timestamp():
        raise HTTPException(401)
    return claims


async def user_of(claims: dict[str, Any], session: AsyncSession) -> UserRow:
    user = await session.scalar(
        select(UserRow)
        .join(SessionRow, SessionRow.user_id == UserRow.id)
        .where(
            UserRow.id == claims["sub"],
            UserRow.is_active,
            SessionRow.id == claims["sid"],
            SessionRow.ended_at.is_(None),
        )
    )
    if user is None:
        raise HTTPException(401)
    return user


# --- the API --------------------------------------------------------------------------------------


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
PATH = "/api/v1/live-stream"

REASONS = {
    400: "Validation failed",
    401: "Authentication required",
    403: "Insufficient permissions",
    404: "Resource not found",
    409: "Resource already exists or cannot be changed in its current state",
}


@app.exception_handler(HTTPException)
async def refused(_: Request, error: HTTPException) -> JSONResponse:
    reason = REASONS.get(error.status_code, str(error.detail))
    timestamp = wire_time(datetime.now(UTC))
    answer = {
        "isSuccess": False,
        "statusCode": error.status_code,
        "data": None,
        "errors": [reason],
        "timestamp": timestamp,
    }
    return JSONResponse(answer, error.status_code)


@app.get(PATH + "/{id}")
async def read(
    id: Id,
    claims: Annotated[dict[str, Any], Depends(claims_of)],
    session: Annotated[AsyncSession, Depends(read_session)],
    response: Response,
) -> Envelope[LiveStream]:
    user = await user_of(claims, session)
    row = await session.scalar(
        select(StreamRow).where(StreamRow.id == id, StreamRow.deleted_at.is_(None)).options(*WITH_PEOPLE)
    )
    if row is None:
        raise HTTPException(404)
    response.headers["X-Request-ID"] = uuid4().hex
    return Envelope(data=LiveStream.of(row, user))


@app.get(PATH)
async def page(  # noqa: PLR0917 - FastAPI reads the parameters by name
    claims: Annotated[dict[str, Any], Depends(claims_of)],
    session: Annotated[AsyncSession, Depends(read_session)],
    response: Response,
    status: Annotated[list[str] | None, Query()] = None,
    creator: Annotated[str | None, Query(alias="creatorId", pattern="^[0-9a-f]{24}$")] = None,
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Envelope[Page]:
    user = await user_of(claims, session)
    wanted: list[ColumnElement[bool]] = [StreamRow.deleted_at.is_(None)]
    if status:
        wanted.append(StreamRow.status.in_(status))
    if creator:
        wanted.append(StreamRow.creator_id == creator)
    total = await session.scalar(select(func.count(StreamRow.id)).where(*wanted)) or 0
    rows = await session.scalars(
        select(StreamRow)
        .where(*wanted)
        .options(*WITH_PEOPLE)
        .order_by(StreamRow.created_at.desc(), StreamRow.id.desc())
        .limit(limit)
        .offset((number - 1) * limit)
    )
    response.headers["X-Request-ID"] = uuid4().hex
    pagination = Pagination(
        current_page=number,
        total_pages=-(-total // limit),
        total_items=total,
        items_per_page=limit,
        has_next_page=number * limit < total,
        has_prev_page=number > 1,
    )
    return Envelope(data=Page(list=[LiveStream.of(row, user) for row in rows], pagination=pagination))


@app.post(PATH + "/{id}/cancel")
async def cancel(
    id: Id,
    claims: Annotated[dict[str, Any], Depends(claims_of)],
    session: Annotated[AsyncSession, Depends(write_session)],
    response: Response,
) -> Envelope[LiveStream]:
    request_id = uuid4().hex
    now = datetime.now(UTC)
    async with session.begin():
        user = await user_of(claims, session)
        # The lock is taken in the statement that reads, so that nothing is asked twice.
        row = await session.scalar(
            select(StreamRow)
            .where(StreamRow.id == id, StreamRow.deleted_at.is_(None))
            .options(*WITH_PEOPLE)
            .with_for_update(of=StreamRow, key_share=True)
        )
        if row is None:
            raise HTTPException(404)
        if user.id not in (row.creator_id, row.guest_id):
            raise HTTPException(403)
        if row.status not in ("scheduled", "preparing"):
            raise HTTPException(409)
        before = row.status
        row.status = "cancelled_by_guest" if user.id == row.guest_id else "cancelled_by_host"
        row.updated_at = max(now, row.updated_at)
        session.add(
            AuditRow(
                at=row.updated_at,
                door="api",
                actor_id=user.id,
                actor_name=user.username,
                action="cancel_stream",
                target_type="livestream",
                target_id=row.id,
                before={"status": before},
                after={"status": row.status},
                reason="",
                request_id=request_id,
            )
        )
    response.headers["X-Request-ID"] = request_id
    return Envelope(data=LiveStream.of(row, user))
