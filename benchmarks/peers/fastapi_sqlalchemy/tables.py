"""Mapped classes of the tables, and the sessions."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import BigInteger, ColumnElement, ForeignKey, LargeBinary, Numeric, SmallInteger, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

POOL_SIZE = 4  # one for each connection of the load generator


def new_id(now: datetime) -> str:
    return (int(now.timestamp()).to_bytes(4) + os.urandom(8)).hex()


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
    is_staff: Mapped[bool]
    is_superuser: Mapped[bool]
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
    plan_set_at: Mapped[datetime | None]
    revision: Mapped[int]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    creator_id: Mapped[str] = mapped_column(ObjectId, ForeignKey("accounts_user.id"))
    guest_id: Mapped[str | None] = mapped_column(ObjectId, ForeignKey("accounts_user.id"))
    guest_status: Mapped[str | None]

    creator: Mapped[UserRow] = relationship(foreign_keys=creator_id)
    guest: Mapped[UserRow | None] = relationship(foreign_keys=guest_id)


class BanRow(Base):
    __tablename__ = "bans_livestreamban"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    deleted_by_id: Mapped[str | None] = mapped_column(ObjectId)
    action_type: Mapped[str]
    reason: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    created_by_id: Mapped[str] = mapped_column(ObjectId)
    review: Mapped[str]
    stream_id: Mapped[str] = mapped_column(ObjectId, ForeignKey("livestreams_livestream.id"))
    target_id: Mapped[str] = mapped_column(ObjectId, ForeignKey("accounts_user.id"))

    target: Mapped[UserRow] = relationship()

    @classmethod
    def holds(cls, now: datetime) -> ColumnElement[bool]:
        return cls.deleted_at.is_(None) & (cls.expires_at.is_(None) | (cls.expires_at > now))


class AppealRow(Base):
    __tablename__ = "bans_appeal"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    ban_id: Mapped[str] = mapped_column(ObjectId, ForeignKey("bans_livestreamban.id"))
    state: Mapped[str]


class RevocationRow(Base):
    __tablename__ = "edges_revocation"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    stream_id: Mapped[str] = mapped_column(ObjectId)
    user_id: Mapped[str] = mapped_column(ObjectId)
    action: Mapped[str]
    until: Mapped[datetime | None]
    at: Mapped[datetime]


class ParticipantRow(Base):
    __tablename__ = "edges_participant"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    stream_id: Mapped[str] = mapped_column(ObjectId)
    user_id: Mapped[str] = mapped_column(ObjectId)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class ReminderRow(Base):
    __tablename__ = "reminders_reminder"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    stream_id: Mapped[str] = mapped_column(ObjectId)
    user_id: Mapped[str] = mapped_column(ObjectId)
    minute: Mapped[int | None] = mapped_column(SmallInteger)
    language: Mapped[str]


class LeadTimeRow(Base):
    __tablename__ = "reminders_leadtime"

    stream_id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    minute: Mapped[int] = mapped_column(SmallInteger, primary_key=True)


class RoundRow(Base):
    __tablename__ = "reminders_round"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    stream_id: Mapped[str] = mapped_column(ObjectId)
    kind: Mapped[str]
    minute: Mapped[int | None] = mapped_column(SmallInteger)
    planned_start_at: Mapped[datetime | None]


class NotificationRow(Base):
    __tablename__ = "reminders_notification"

    id: Mapped[str] = mapped_column(ObjectId, primary_key=True)
    stream_id: Mapped[str] = mapped_column(ObjectId)
    user_id: Mapped[str] = mapped_column(ObjectId)
    kind: Mapped[str]
    planned_start_at: Mapped[datetime | None]


class PermissionRow(Base):
    __tablename__ = "auth_permission"

    id: Mapped[int] = mapped_column(primary_key=True)
    content_type_id: Mapped[int] = mapped_column(ForeignKey("django_content_type.id"))
    codename: Mapped[str]


class ContentTypeRow(Base):
    __tablename__ = "django_content_type"

    id: Mapped[int] = mapped_column(primary_key=True)
    app_label: Mapped[str]


class GroupPermissionRow(Base):
    __tablename__ = "auth_group_permissions"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    group_id: Mapped[int]
    permission_id: Mapped[int]


class UserGroupRow(Base):
    __tablename__ = "accounts_user_groups"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(ObjectId)
    group_id: Mapped[int]


class UserPermissionRow(Base):
    __tablename__ = "accounts_user_user_permissions"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[str] = mapped_column(ObjectId)
    permission_id: Mapped[int]


class AuditRow(Base):
    __tablename__ = "common_auditentry"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime]
    entry_point: Mapped[str]
    actor_id: Mapped[str] = mapped_column(ObjectId)
    actor_name: Mapped[str]
    action: Mapped[str]
    target_type: Mapped[str]
    target_id: Mapped[str] = mapped_column(ObjectId)
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    reason: Mapped[str]
    request_id: Mapped[str]


AUDITED: dict[type[Base], str] = {StreamRow: "livestream", BanRow: "livestreamban", ReminderRow: "reminder"}


def audit_row(
    action: str,
    target: StreamRow | BanRow | ReminderRow,
    *,
    by: UserRow,
    at: datetime,
    before: dict[str, Any],
    after: dict[str, Any],
    request_id: str,
) -> AuditRow:
    return AuditRow(
        at=at,
        entry_point="api",
        actor_id=by.id,
        actor_name=by.username,
        action=action,
        target_type=AUDITED[type(target)],
        target_id=target.id,
        before=before,
        after=after,
        reason="",
        request_id=request_id,
    )


WITH_PEOPLE = (
    joinedload(StreamRow.creator, innerjoin=True).joinedload(UserRow.profile_photo),
    joinedload(StreamRow.guest).joinedload(UserRow.profile_photo),
)
WITH_TARGET = joinedload(BanRow.target, innerjoin=True).joinedload(UserRow.profile_photo)

engine = create_async_engine("postgresql+asyncpg://kumanda@/kumanda", pool_size=POOL_SIZE, max_overflow=0)
# A read is one statement and needs no transaction. Without this setting SQLAlchemy sends BEGIN and ROLLBACK.
reading = async_sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False)
writing = async_sessionmaker(engine, expire_on_commit=False)


async def read_session() -> AsyncIterator[AsyncSession]:
    async with reading() as session:
        yield session


async def write_session() -> AsyncIterator[AsyncSession]:
    async with writing() as session:
        yield session


type Reading = Annotated[AsyncSession, Depends(read_session)]
type Writing = Annotated[AsyncSession, Depends(write_session)]
