"""What media edges and chat servers must know of bans: written with each, read from where one stopped.

An edge asks once without a cursor for all that holds, keeps that list, and then follows the news. It looks into its
list at each connect, because a token that was signed just before a ban is still good for its lifetime.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from common.fields import ObjectIdField
from common.queries import Param, Question
from common.refusals import Invalid
from edges.models import Revocation
from livestreams.models import LiveStream
from livestreams.services import StreamMissing

CHANNEL = "edges_revocations"
NEWS_AT_ONCE = 1000
FROM_THE_BEGINNING = 0
LARGEST_POSITION = 2**63 - 1

# The sequence is drawn while the stream is locked, so that for one stream its order is the order of the commits: a
# reader that has seen row 7 will never see a row 6 appear. The notice goes out with the commit.
_RECORD = f"""
    WITH stream AS (SELECT id FROM livestreams_livestream WHERE id = %s FOR NO KEY UPDATE),
    recorded AS (
        INSERT INTO edges_revocation (stream_id, user_id, action, until, at)
        SELECT stream.id, told.user_id, told.action, told.until, %s
        FROM stream, unnest(%s::bytea[], %s::text[], %s::timestamptz[]) AS told(user_id, action, until)
        RETURNING 1
    )
    SELECT pg_notify('{CHANNEL}', %s) FROM (SELECT FROM recorded LIMIT 1) AS any_of_them
"""  # noqa: S608 - the name of the channel is ours


def record_revocation(stream_id: str, user_id: str, *, action: str, until: datetime | None, now: datetime) -> None:
    """Tell every edge what holds for this person from now on: BLOCK, CHAT_ONLY, or LIFTED.

    Call it in the transaction of the change; waiting edges wake when that commits.
    """
    record_revocations(stream_id, [(user_id, action, until)], now=now)


def record_revocations(stream_id: str, people: Sequence[tuple[str, str, datetime | None]], *, now: datetime) -> None:
    """The same for many people of one stream, in one statement; each is (user id, action, until)."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            [
                bytes.fromhex(stream_id),
                now,
                [bytes.fromhex(user_id) for user_id, _, _ in people],
                [str(action) for _, action, _ in people],
                [None if action == Revocation.Action.LIFTED else until for _, action, until in people],
                stream_id,
            ],
        )


class Cursor(NamedTuple):
    """How far somebody has read the revocations of one stream."""

    stream_id: str
    position: int

    def __str__(self) -> str:
        return urlsafe_b64encode(bytes.fromhex(self.stream_id) + self.position.to_bytes(8)).decode().rstrip("=")

    @classmethod
    def parsed(cls, text: str) -> "Cursor | None":
        """None when it is no cursor of ours."""
        try:
            data = urlsafe_b64decode(text + "=")
        except (NotBase64, ValueError):
            return None
        # PostgreSQL's bigint ends here; a larger number was never given out.
        if len(data) != 20 or (position := int.from_bytes(data[12:])) > LARGEST_POSITION:
            return None
        cursor = cls(data[:12].hex(), position)
        return cursor if str(cursor) == text else None


class News(NamedTuple):
    """Each is (user id, action, until, at), in the order in which they came about; `cursor` is where to go on."""

    people: list[tuple[str, str, datetime | None, datetime]]
    cursor: Cursor


def _latest() -> models.QuerySet[Any, Any]:
    """The latest row of each person after the cursor."""
    stream = Param("stream", ObjectIdField())
    newer = Revocation.objects.filter(user=OuterRef("user"), stream=OuterRef("stream"), pk__gt=OuterRef("pk"))
    return (
        Revocation.objects.filter(~Exists(newer), stream=stream, pk__gt=Param("position", models.BigIntegerField()))
        .order_by("pk")
        .values_list("pk", "user_id", "action", "until", "at")
    )


_LATEST = Question(_latest)
_STREAM_WITH_CURSOR = Question(
    lambda: LiveStream.objects.filter(pk=Param("stream", ObjectIdField())).values_list(
        Exists(Revocation.objects.filter(pk=Param("position", models.BigIntegerField()), stream=OuterRef("pk")))
    )
)


def cursor_for(stream_id: str, since: str | None) -> Cursor:
    """Where to read on in a living stream. Raises StreamMissing, Invalid on a cursor that cannot be gone on from."""
    cursor = Cursor(stream_id, FROM_THE_BEGINNING) if since is None else Cursor.parsed(since)
    rows = _STREAM_WITH_CURSOR.rows(stream=stream_id, position=cursor.position if cursor else FROM_THE_BEGINNING)
    if not rows:
        raise StreamMissing
    known = cursor is not None and (cursor.position == FROM_THE_BEGINNING or rows[0][0])
    if cursor is None or not known or cursor.stream_id != stream_id:
        # A database that was restored may not know it any more: then the edge must begin anew.
        raise Invalid("since", _("is no cursor of this stream; leave it out to begin anew"))
    return cursor


def news_since(cursor: Cursor, *, now: datetime) -> News:
    """What came after `cursor`, each person once with the latest, at most NEWS_AT_ONCE of them.

    From the beginning: only what holds `now`.
    """
    rows = _LATEST.rows(stream=cursor.stream_id, position=cursor.position, limit=NEWS_AT_ONCE)
    if not rows:
        return News([], cursor)
    told: Iterable[list[Any]] = rows
    if cursor.position == FROM_THE_BEGINNING:
        told = [row for row in rows if row[2] != Revocation.Action.LIFTED and (row[3] is None or now < row[3])]
    return News([(row[1], row[2], row[3], row[4]) for row in told], Cursor(cursor.stream_id, rows[-1][0]))
