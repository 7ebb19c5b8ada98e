"""Authentication and permissions of the caller."""

import os
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.fastapi_sqlalchemy.tables import (
    ContentTypeRow,
    GroupPermissionRow,
    PermissionRow,
    SessionRow,
    UserGroupRow,
    UserPermissionRow,
    UserRow,
)

KEY = os.environ["JWT_SIGNING_KEY"]


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


type Claims = Annotated[dict[str, Any], Depends(claims_of)]


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


async def may(user: UserRow, app_label: str, codename: str, session: AsyncSession) -> bool:
    """Whether the user has the permission, as a superuser, directly or through a group."""
    if user.is_superuser:
        return True
    own = exists().where(UserPermissionRow.permission_id == PermissionRow.id, UserPermissionRow.user_id == user.id)
    of_group = exists().where(
        GroupPermissionRow.permission_id == PermissionRow.id,
        GroupPermissionRow.group_id == UserGroupRow.group_id,
        UserGroupRow.user_id == user.id,
    )
    held = (
        select(PermissionRow.id)
        .join(ContentTypeRow, ContentTypeRow.id == PermissionRow.content_type_id)
        .where(PermissionRow.codename == codename, ContentTypeRow.app_label == app_label, own | of_group)
    )
    return await session.scalar(held) is not None
