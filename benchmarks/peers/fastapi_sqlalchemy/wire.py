"""Request and response bodies as pydantic models."""

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from fastapi import Path
from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from benchmarks.peers.fastapi_sqlalchemy.tables import BanRow, MediaRow, StreamRow, UserRow

MEDIA_URL = os.environ["MEDIA_URL"]
DEFAULT_THUMBNAIL = os.environ["PUBLIC_URL"] + "/static/livestreams/default-thumbnail.webp"


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
    guest_status: str | None
    role: Literal["host", "guest", "audience"]
    deleted_at: Time | None
    deleted_by: str | None
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, row: StreamRow, user: UserRow) -> Self:
        creator = UserSummary.of(row.creator)
        guests = [UserSummary.of(row.guest)] if row.guest else []
        declined = row.guest_status == "declined"
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
                *(Broadcaster(user=guest, role="guest") for guest in guests if not declined),
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
            guest_status=row.guest_status,
            role="host"
            if user.id == row.creator_id
            else "guest"
            if user.id == row.guest_id and not declined
            else "audience",
            deleted_at=row.deleted_at,
            deleted_by=row.deleted_by_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class Ban(Wire):
    id: str = Field(serialization_alias="_id")
    target_user_id: str
    target_user: UserSummary
    live_stream_id: str
    action_type: str
    reason: str | None
    created_by: str
    deleted_at: Time | None
    deleted_by: str | None
    created_at: Time
    updated_at: Time
    expires_at: Time | None

    @classmethod
    def of(cls, row: BanRow) -> Self:
        return cls(
            id=row.id,
            target_user_id=row.target_id,
            target_user=UserSummary.of(row.target),
            live_stream_id=row.stream_id,
            action_type=row.action_type,
            reason=row.reason,
            created_by=row.created_by_id,
            deleted_at=row.deleted_at,
            deleted_by=row.deleted_by_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
            expires_at=row.expires_at,
        )


class Check(Wire):
    is_banned: bool
    ban: Ban | None


class MakeBan(BaseModel):
    target_id: str = Field(alias="targetUserId", pattern="^[0-9a-f]{24}$")
    stream_id: str = Field(alias="liveStreamId", pattern="^[0-9a-f]{24}$")
    action_type: Literal["BLOCK", "CHAT_ONLY"] = Field(alias="actionType")
    reason: str | None = None


class Join(BaseModel):
    stream_id: str = Field(alias="liveStreamId", pattern="^[0-9a-f]{24}$")


class Joined(Wire):
    live_stream: LiveStream
    token: str
    role: str
    expires_at: Time


class SetReminder(BaseModel):
    minute: Annotated[int, Field(strict=True, ge=0, le=10_080)] | None = None


class Reminder(Wire):
    stream_id: str
    minute: int | None
    mode: Literal["ON_START", "BEFORE_START"]
    scheduled_for: Time | None
    status: Literal["ARMED_ON_START", "SCHEDULED", "SENT", "MISSED"]


class Pagination(Wire):
    current_page: int
    total_pages: int
    total_items: int
    items_per_page: int
    has_next_page: bool
    has_prev_page: bool

    @classmethod
    def of(cls, total: int, number: int, limit: int) -> Self:
        return cls(
            current_page=number,
            total_pages=-(-total // limit),
            total_items=total,
            items_per_page=limit,
            has_next_page=number * limit < total,
            has_prev_page=number > 1,
        )


class Page[T](Wire):
    list: list[T]
    pagination: Pagination


class Envelope[T](Wire):
    is_success: bool = True
    status_code: int = 200
    data: T
    errors: list[str] = []
    timestamp: Time = Field(default_factory=lambda: datetime.now(UTC))
