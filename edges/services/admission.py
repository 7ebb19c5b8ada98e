"""Joining a stream: records the presence and signs the join token."""

from datetime import UTC, datetime
from typing import NamedTuple

import jwt
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.fields import new_object_id
from edges.services.join_keys import signing_key
from edges.services.presence import record_presence
from livestreams.models import Status
from livestreams.services import MoveRefused, Restriction, refuse_blocked

MEDIA = "media"  # the claim `aud` of join tokens


class StreamNotActive(MoveRefused):
    code = "stream_not_active"
    message = _("only an active stream can be joined")


class JoinToken(NamedTuple):
    """`token` is a JWT that is verified with the public keys and valid until `expires_at`."""

    token: str
    expires_at: datetime


def admit(
    user: User, stream_id: str, *, status: str, role: str, restriction: Restriction | None, now: datetime
) -> JoinToken:
    """Record that `user` joins an active stream, and sign a join token.

    `status`, `role` and `restriction` were read in this request (`stream_and_restriction`). Raises Banned and
    StreamNotActive.
    """
    refuse_blocked(restriction)
    if status != Status.ACTIVE:
        raise StreamNotActive(status)
    record_presence(user, stream_id, role=role, now=now)
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
