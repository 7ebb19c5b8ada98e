"""Revocations: the bans that media edges and chat servers enforce, written with each ban and read by cursor.

An edge first reads without a cursor all that holds, keeps that list, and then reads what is new. It checks the list at
each connect, because a token that was signed just before a ban is still valid for its lifetime.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from common.queries import ID, Param, Question
from common.refusals import Invalid
from common.replica.last_writes import note_write_of_others
from common.writes import Write, run
from edges.models import Revocation
from livestreams.models import LiveStream
from livestreams.services import StreamMissing

CHANNEL = "edges_revocations"
LARGEST_PAGE = 1000
FROM_THE_BEGINNING = 0
LARGEST_POSITION = 2**63 - 1

# The sequence is drawn while the stream is locked, so for one stream its order is the commit order: a reader that has
# seen row 7 never sees a row 6 appear later. PostgreSQL sends the notification at the commit, once for all rows.
_RECORD = f"""
    INSERT INTO edges_revocation (stream_id, user_id, action, until, at)
    SELECT stream.id, given.user_id, given.action, given.until, %s
    FROM (SELECT id FROM livestreams_livestream WHERE id = %s FOR NO KEY UPDATE) AS stream,
        unnest(%s::bytea[], %s::text[], %s::timestamptz[]) AS given(user_id, action, until)
    RETURNING pg_notify('{CHANNEL}', %s)
"""  # noqa: S608 - the name of the channel is ours


def record_revocations(stream_id: str, people: Sequence[tuple[str, str, datetime | None]], *, now: datetime) -> None:
    """Record what holds for these users of one stream from now on, in one statement.

    Each is (user id, action, until), with the action BLOCK, CHAT_ONLY or LIFTED. Call it in the transaction of the
    change; waiting edges are woken by its commit.
    """
    run(new_revocations(stream_id, people, now=now))


def new_revocations(stream_id: str, people: Sequence[tuple[str, str, datetime | None]], *, now: datetime) -> Write:
    """What `record_revocations` writes, to be run together with the change itself, in its transaction."""
    # What these users read of the stream, of their reminders and calendars depends on it.
    note_write_of_others([user_id for user_id, _, _ in people])
    return Write(
        _RECORD,
        [
            now,
            bytes.fromhex(stream_id),
            [bytes.fromhex(user_id) for user_id, _, _ in people],
            [str(action) for _, action, _ in people],
            [None if action == Revocation.Action.LIFTED else until for _, action, until in people],
            stream_id,
        ],
    )


class Cursor(NamedTuple):
    """How far an edge has read the revocations of one stream."""

    stream_id: str
    position: int

    def __str__(self) -> str:
        return urlsafe_b64encode(bytes.fromhex(self.stream_id) + self.position.to_bytes(8)).decode().rstrip("=")

    @classmethod
    def parsed(cls, text: str) -> "Cursor | None":
        """None when `text` is not a cursor."""
        try:
            data = urlsafe_b64decode(text + "=")
        except (NotBase64, ValueError):
            return None
        # A larger number does not fit PostgreSQL's bigint.
        if len(data) != 20 or (position := int.from_bytes(data[12:])) > LARGEST_POSITION:
            return None
        cursor = cls(data[:12].hex(), position)
        return cursor if str(cursor) == text else None


class RevocationPage(NamedTuple):
    """`rows` are (user id, action, until, at) in commit order; `cursor` is for the next call."""

    rows: list[tuple[str, str, datetime | None, datetime]]
    cursor: Cursor


def _latest() -> models.QuerySet[Any, Any]:
    """The latest row of each user after the cursor, as an anti-join."""
    stream = Param("stream", ID)
    newer = Revocation.objects.filter(user=OuterRef("user"), stream=OuterRef("stream"), pk__gt=OuterRef("pk"))
    return (
        Revocation.objects.filter(~Exists(newer), stream=stream, pk__gt=Param("position", models.BigIntegerField()))
        .order_by("pk")
        .values_list("pk", "user_id", "action", "until", "at")
    )


_LATEST = Question(_latest)
_STREAM_WITH_CURSOR = Question(
    lambda: LiveStream.objects.filter(pk=Param("stream", ID)).values_list(
        Exists(Revocation.objects.filter(pk=Param("position", models.BigIntegerField()), stream=OuterRef("pk")))
    )
)


def cursor_for(stream_id: str, since: str | None) -> Cursor:
    """The cursor to read from, parsed and checked. Raises StreamMissing, and Invalid for an unusable cursor."""
    cursor = Cursor(stream_id, FROM_THE_BEGINNING) if since is None else Cursor.parsed(since)
    rows = _STREAM_WITH_CURSOR.rows(stream=stream_id, position=cursor.position if cursor else FROM_THE_BEGINNING)
    if not rows:
        raise StreamMissing
    known = cursor is not None and (cursor.position == FROM_THE_BEGINNING or rows[0][0])
    if cursor is None or not known or cursor.stream_id != stream_id:
        # After a restore the database may lack the row of a valid cursor. Then the edge reads everything again.
        raise Invalid("since", _("is no cursor of this stream; leave it out to begin anew"))
    return cursor


def revocations_after(cursor: Cursor, *, now: datetime) -> RevocationPage:
    """The latest revocation of each user after `cursor`, at most LARGEST_PAGE of them.

    From the beginning, only those that hold at `now`.
    """
    rows = _LATEST.rows(stream=cursor.stream_id, position=cursor.position, limit=LARGEST_PAGE)
    if not rows:
        return RevocationPage([], cursor)
    listed: Iterable[list[Any]] = rows
    if cursor.position == FROM_THE_BEGINNING:
        listed = [row for row in rows if row[2] != Revocation.Action.LIFTED and (row[3] is None or now < row[3])]
    return RevocationPage([(row[1], row[2], row[3], row[4]) for row in listed], Cursor(cursor.stream_id, rows[-1][0]))
