"""Who is in a stream, since when, and how long they watched. Joins and renewals record it, and leaving ends it.

The time since the user was seen last is added to `watched_seconds` if no more than the window of presence has passed
and the user has not left meanwhile. So a user who comes back after an hour has not watched in that hour.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.fields import new_object_id
from common.queries import ID, Param, Question
from common.refusals import Conflict
from livestreams.models import LiveStream
from livestreams.services import StreamMissing


class NotJoined(Conflict):
    code = "not_joined"
    message = _("you never joined this stream")


def window() -> timedelta:
    """How long a user counts as present without being seen: two lifetimes of a token, so that one renewal may fail."""
    return 2 * settings.JOIN_TOKEN_LIFETIME


def seen_after(now: datetime) -> datetime:
    """A participant seen after this time, and who has not left, is a viewer."""
    return now - window()


_HAS_LEFT = "coalesce(known.left_at >= known.last_seen_at, false)"


def _watched(until: str) -> str:
    """SQL for the new value of `watched_seconds`, of a user who was there until then."""
    return f"""known.watched_seconds + CASE
        WHEN {_HAS_LEFT} OR {until} <= known.last_seen_at OR {until} > known.last_seen_at + %(window)s THEN 0
        ELSE extract(epoch FROM {until} - known.last_seen_at) END"""


# One statement, so that concurrent joins of one user insert one row. Written as SQL, because the ORM would compile it
# again for each join.
_SEEN = f"""
    INSERT INTO edges_participant AS known (id, stream_id, user_id, role, first_seen_at, last_seen_at)
    VALUES (%(id)s, %(stream)s, %(user)s, %(role)s, %(now)s, %(now)s)
    ON CONFLICT (stream_id, user_id) DO UPDATE SET
        watched_seconds = {_watched("excluded.last_seen_at")},
        last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at), left_at = NULL
"""  # noqa: S608 - the names are ours
# It changes no indexed column, so that it is a HOT update. Leaving again changes nothing.
_LEFT = f"""
    UPDATE edges_participant AS known SET
        watched_seconds = {_watched("least(%(now)s, stream.ended_at)")},
        left_at = CASE WHEN {_HAS_LEFT} THEN known.left_at ELSE greatest(known.last_seen_at, %(now)s) END
    FROM livestreams_livestream AS stream
    WHERE known.stream_id = %(stream)s AND known.user_id = %(user)s
        AND stream.id = known.stream_id AND stream.deleted_at IS NULL
    RETURNING known.left_at
"""  # noqa: S608
_STREAM_EXISTS = Question(lambda: LiveStream.objects.filter(pk=Param("id", ID)).values_list("pk"))


def record_presence(user: User, stream_id: str, *, role: str, now: datetime) -> None:
    """Record that `user` joins the stream or renews the join token. Presence is not audited."""
    ids = {"id": new_object_id(), "stream": stream_id, "user": user.pk}
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, _bytes(ids) | {"role": role, "now": now, "window": window()})


def leave(stream_id: str, *, by: User, now: datetime) -> datetime:
    """Record that the user is no longer in the stream. Returns when they left; the first time, if called again.

    Bans do not matter. Raises StreamMissing and NotJoined. It is not audited, as joining is not: the row of the
    participant says who left and when.
    """
    with connection.cursor() as cursor:
        ids = {"stream": stream_id, "user": by.pk}
        cursor.execute(_LEFT, _bytes(ids) | {"now": now, "window": window()})
        found = cursor.fetchone()
    if found is None:
        raise NotJoined if _STREAM_EXISTS.rows(id=stream_id) else StreamMissing
    left_at: datetime = found[0]
    return left_at


def _bytes(ids: dict[str, str]) -> dict[str, Any]:
    return {name: bytes.fromhex(value) for name, value in ids.items()}
