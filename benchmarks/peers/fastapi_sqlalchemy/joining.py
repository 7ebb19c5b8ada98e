"""Joining streams."""

import os
from datetime import UTC, datetime
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import insert

from benchmarks.peers.fastapi_sqlalchemy.callers import Claims, user_of
from benchmarks.peers.fastapi_sqlalchemy.tables import (
    WITH_PEOPLE,
    BanRow,
    ParticipantRow,
    Reading,
    StreamRow,
    new_id,
)
from benchmarks.peers.fastapi_sqlalchemy.wire import Envelope, Join, Joined, LiveStream

TOKEN_SECONDS = 120
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())

router = APIRouter(prefix="/api/v1/live-stream")


@router.post("/join")
async def join(asked: Join, claims: Claims, session: Reading, response: Response) -> Envelope[Joined]:
    now = datetime.now(UTC)
    user = await user_of(claims, session)
    holding = and_(BanRow.stream_id == StreamRow.id, BanRow.target_id == user.id, BanRow.holds(now))
    found = await session.execute(
        select(StreamRow, BanRow.action_type)
        .outerjoin(BanRow, holding)
        .where(StreamRow.id == asked.stream_id, StreamRow.deleted_at.is_(None))
        .options(*WITH_PEOPLE)
    )
    seen = found.first()
    if seen is None:
        raise HTTPException(404)
    row, restriction = seen
    if restriction == "BLOCK":
        raise HTTPException(403)
    if row.status != "active":
        raise HTTPException(409)
    statement = insert(ParticipantRow).values(
        id=new_id(now), stream_id=row.id, user_id=user.id, first_seen_at=now, last_seen_at=now
    )
    latest = func.greatest(ParticipantRow.last_seen_at, statement.excluded.last_seen_at)
    # One statement, which needs no transaction.
    await session.execute(
        statement.on_conflict_do_update(index_elements=["stream_id", "user_id"], set_={"last_seen_at": latest})
    )
    stream = LiveStream.of(row, user)
    issued_at = int(now.timestamp())
    signed = {
        "iss": os.environ["PUBLIC_URL"],
        "aud": "media",
        "sub": user.id,
        "stream": row.id,
        "role": stream.role,
        "grants": ["watch"] if restriction else ["watch", "chat"],
        "jti": uuid4().hex,
        "iat": issued_at,
        "exp": issued_at + TOKEN_SECONDS,
    }
    token = jwt.encode(signed, SIGNING_KEY, algorithm="ES256", headers={"kid": "fastapi"})
    response.headers["X-Request-ID"] = uuid4().hex
    expires_at = datetime.fromtimestamp(issued_at + TOKEN_SECONDS, UTC)
    return Envelope(data=Joined(live_stream=stream, token=token, role=stream.role, expires_at=expires_at))
