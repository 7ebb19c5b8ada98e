"""Who is let in: whether somebody is restricted on a stream, and the token that opens the media edge's door."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, TypedDict

import jwt
from django.conf import settings
from django.db import connection
from django.db.models.expressions import Combinable
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.fields import new_object_id
from common.refusals import Forbidden
from common.texts import isolated
from common.times import wire_time
from livestreams.models import Revocation, Status
from livestreams.services.join_keys import signing_key
from livestreams.services.streams import StreamNotActive

MEDIA = "media"  # the audience that join tokens are for


class Restriction(TypedDict):
    """What holds for somebody on a stream: BLOCK or CHAT_ONLY, why, and until when (ISO 8601; None: until lifted)."""

    action: str
    reason: str | None
    until: str | None


class Banned(Forbidden):
    """The person is kept from this stream; the reasons say why and until when."""

    code = "banned"
    message = _("you are banned from this stream until a moderator lifts it")

    def __init__(self, reason: str | None = None, until: datetime | None = None) -> None:
        message: Any = self.message
        if until is not None:
            message = gettext("you are banned from this stream until %(until)s") % {"until": wire_time(until)}
        super().__init__(f"{message}: {isolated(reason)}" if reason else message)


class JoinToken(NamedTuple):
    """`token` is a JWT that anybody can verify with the public keys; it is good until `expires_at`."""

    token: str
    expires_at: datetime


@cache
def _restriction() -> Callable[..., Combinable]:
    # Bans live in an app above this one, so settings name the function.
    return import_string(settings.AUDIENCE_RESTRICTION)


def audience_restriction(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """An expression for the Restriction that holds for `user` on `stream` at `now`, or NULL.

    It is a subquery: `stream` is an OuterRef to the stream's id.
    """
    return _restriction()(stream=stream, user=user, now=now)


@cache
def _reminder_waits() -> Callable[..., Combinable]:
    return import_string(settings.REMINDER_WAITS)


def reminder_waits(*, stream: Combinable, user: Combinable, now: Combinable) -> Combinable:
    """An expression for whether `user` will still be told of `stream`, an OuterRef to the stream's id."""
    return _reminder_waits()(stream=stream, user=user, now=now)


def refuse_blocked(restriction: Restriction | None) -> None:
    """Raises Banned when the restriction is a BLOCK."""
    if restriction is not None and restriction["action"] == Revocation.Action.BLOCK:
        until = restriction["until"]
        raise Banned(restriction["reason"], datetime.fromisoformat(until).astimezone(UTC) if until else None)


# One statement, so that two devices of one person that join at once make one row. Fixed text: the ORM would compile it
# anew for each join.
_SEEN = """
    INSERT INTO livestreams_participant AS known (id, stream_id, user_id, first_seen_at, last_seen_at)
    VALUES (%(id)s, %(stream)s, %(user)s, %(now)s, %(now)s)
    ON CONFLICT (stream_id, user_id) DO UPDATE SET last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
"""


def admit(
    user: User, stream_id: str, *, status: str, role: str, restriction: Restriction | None, now: datetime
) -> JoinToken:
    """Let `user` into an active stream: note that they were here and sign their token.

    `status`, `role` and `restriction` are what was just read. Raises Banned, StreamNotActive.
    """
    refuse_blocked(restriction)
    if status != Status.ACTIVE:
        raise StreamNotActive(status)
    with connection.cursor() as cursor:
        ids = {"id": new_object_id(), "stream": stream_id, "user": user.pk}
        cursor.execute(_SEEN, {name: bytes.fromhex(value) for name, value in ids.items()} | {"now": now})
    key = signing_key(now)
    issued_at = int(now.timestamp())
    expires_at = issued_at + int(settings.JOIN_TOKEN_LIFETIME.total_seconds())
    claims = {
        "iss": settings.PUBLIC_URL,
        "aud": MEDIA,
        "sub": user.pk,
        "stream": stream_id,
        "role": role,
        "grants": ["watch"] if restriction else ["watch", "chat"],
        "jti": new_object_id(),
        "iat": issued_at,
        "exp": expires_at,
    }
    token = jwt.encode(claims, key.private_key, algorithm="ES256", headers={"kid": key.kid})
    return JoinToken(token, datetime.fromtimestamp(expires_at, UTC))
