"""The tables as mapped classes, and the sessions that ask them."""

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, Numeric, SmallInteger, TypeDecorator, column, table
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

POOL_SIZE = 4  # one for each connection of the load generator


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
