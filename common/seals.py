"""Seals of the audit trail: digests, each chained to the one before, that show whether sealed rows were changed.

Decision 11 says why it is built like this, and what another program needs to verify the chain.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from operator import itemgetter
from typing import Any

from django.db import IntegrityError, connection, transaction

from common import redactions
from common.canonical import EPOCH, Row, canonical, digest_of, micros
from common.models import AuditEntry, AuditSeal
from common.pages import in_pages

logger = logging.getLogger(__name__)

PAGE = 5_000  # rows, or seals, read at once; memory does not grow with the length of the trail
WRITERS_END_WITHIN = 20  # seconds; longer than any transaction of a call or job takes
POLL_INTERVAL = 0.1  # seconds
HOUR = 3_600_000_000  # microseconds
MOST_NAMED = 5  # differences that a report describes


class StillWriting(Exception):
    """A transaction that may still add rows below those to be sealed did not end in time."""


# --- the canonical form ---------------------------------------------------------------------------

# Integers, text and NULL only: no value whose text depends on settings of the session. The upper bound is outside of
# the subquery and the limit is a literal, so that a generic plan too scans the primary key and stops at the limit.
_ROWS = """
    SELECT * FROM (
        SELECT id, (extract(epoch FROM at) * 1000000)::bigint, entry_point, encode(actor_id, 'hex'), actor_name, action,
            target_type, encode(target_id, 'hex'), before::text, after::text, reason, request_id
        FROM common_auditentry WHERE id >= %s ORDER BY id LIMIT {limit}
    ) AS page WHERE id <= %s ORDER BY id
"""
LOWEST, HIGHEST = -(2**63), 2**63 - 1  # of bigint: rows with ids below the first seal are found too


def _digest_of_seal(seal: AuditSeal, previous: str) -> str:
    fields = (
        previous,
        seal.number,
        micros(seal.hour),
        seal.first_id,
        seal.last_id,
        seal.rows,
        seal.rows_digest,
        micros(seal.made_at),
    )
    return digest_of(fields)


def pages_of_table(first: int, last: int) -> Iterator[list[Row]]:
    """Pages in short statements rather than one cursor: no snapshot is held while millions of rows are read."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_ROWS.format(limit=PAGE), (first, last))
            page: list[Row] = cursor.fetchall()
        if page:
            yield page
            first = page[-1][0] + 1
        if len(page) < PAGE:
            return


# --- sealing --------------------------------------------------------------------------------------

_LAST_DRAWN = "SELECT pg_sequence_last_value(pg_get_serial_sequence('common_auditentry', 'id')::regclass)"
# Each INSERT takes this lock before it draws its id, and keeps it until its transaction has ended.
_WRITERS = """
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relation = 'common_auditentry'::regclass AND pid IS DISTINCT FROM pg_backend_pid()
"""


def log_seal(seal: AuditSeal) -> None:
    """The log is the copy outside the database. Who can alter the tables cannot alter it."""
    logger.info("audit seal %d:%s over ids %d to %d", seal.number, seal.digest, seal.first_id, seal.last_id)


def seal_rows(*, now: datetime, report: Callable[[AuditSeal], None]) -> list[AuditSeal]:
    """Seal every row that no seal covers yet, one seal for each hour; returns the new seals.

    `report` is called with each as soon as it is stored. Concurrent calls are safe: each seal is made once. Raises
    StillWriting.
    """
    made: list[AuditSeal] = []
    previous = AuditSeal.objects.order_by("-number").first()
    last = _settled_id()
    if last is None:
        return made
    for draft in _drafts(previous.last_id + 1 if previous else LOWEST, last, now=now):
        seal = _chained(draft, previous, now=now)
        try:
            with transaction.atomic():
                seal.save(force_insert=True)
        except IntegrityError:
            # Another process has made the seal of that number, and makes those after it.
            return made
        report(seal)
        made.append(seal)
        previous = seal
    return made


def _settled_id() -> int | None:
    """An id up to which all rows are committed or will never be; None before the first. Raises StillWriting.

    It reads the last value of the sequence, then which transactions may have drawn an id up to it, and waits until
    those have ended. Later transactions draw higher ids.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LAST_DRAWN)
        ((last,),) = cursor.fetchall()
        deadline = time.monotonic() + WRITERS_END_WITHIN
        waited_for = _writers(cursor)
        while waited_for:
            if time.monotonic() > deadline:
                raise StillWriting(f"{len(waited_for)} transactions write to the audit trail for too long.")
            time.sleep(POLL_INTERVAL)
            waited_for &= _writers(cursor)
    return last


def _writers(cursor: Any) -> set[str]:
    cursor.execute(_WRITERS)
    return {row[0] for row in cursor.fetchall()}


class _Draft:
    """A seal in the making. `hour` is in hours since EPOCH."""

    def __init__(self, hour: int, first_id: int) -> None:
        self.hour, self.first_id, self.last_id, self.rows = hour, first_id, first_id, 0
        self._sha = sha256()

    def add(self, row: Row) -> None:
        self._sha.update(canonical(row))
        self.last_id = row[0]
        self.rows += 1

    @property
    def rows_digest(self) -> str:
        return self._sha.hexdigest()


def _drafts(first: int, last: int, *, now: datetime) -> Iterator[_Draft]:
    """The rows in the order of their ids, divided where a later hour begins.

    Ids are not exactly in the order of times, and times may be backdated. A row of an earlier hour belongs to the seal
    of its neighbours, and a time in the future counts as the present.
    """
    present = micros(now) // HOUR
    draft: _Draft | None = None
    for page in pages_of_table(first, last):
        for row in page:
            hour = min(row[1] // HOUR, present)
            if draft is None or hour > draft.hour:
                if draft is not None:
                    yield draft
                draft = _Draft(hour, row[0])
            draft.add(row)
    if draft is not None:
        yield draft


def _chained(draft: _Draft, previous: AuditSeal | None, *, now: datetime) -> AuditSeal:
    seal = AuditSeal(
        number=previous.number + 1 if previous else 1,
        hour=EPOCH + timedelta(hours=draft.hour),
        first_id=draft.first_id,
        last_id=draft.last_id,
        rows=draft.rows,
        rows_digest=draft.rows_digest,
        made_at=now,
    )
    seal.digest = _digest_of_seal(seal, previous.digest if previous else "")
    return seal


# --- verifying ------------------------------------------------------------------------------------


@dataclass
class Verification:
    """The result of verifying the chain; `broken` and `altered` have sentences, at most MOST_NAMED of each.

    `redacted_rows` counts a row once for each redaction of it, `redacted_people` those whose names were replaced.
    """

    seals: int = 0
    rows: int = 0
    unsealed_rows: int = 0
    redacted_rows: int = 0
    redacted_people: int = 0
    last: AuditSeal | None = None
    broken_count: int = 0
    broken: list[str] = field(default_factory=list)
    altered_count: int = 0
    altered: list[str] = field(default_factory=list)

    def is_broken(self, what: str) -> None:
        self.broken_count += 1
        if len(self.broken) < MOST_NAMED:
            self.broken.append(what)

    def is_altered(self, what: str) -> None:
        self.altered_count += 1
        if len(self.altered) < MOST_NAMED:
            self.altered.append(what)


class Reader:
    """Reads rows in the order of their ids, one range of ids after the other. `rows` is the number of rows so far."""

    def __init__(self, pages: Iterator[list[Row]]) -> None:
        self.rows = 0
        self._pages = pages
        self._page: list[Row] = []

    def take(self, last_id: int) -> tuple[int, str]:
        """The number and the digest of the next rows, up to `last_id`."""
        digest, count = sha256(), 0
        while True:
            end = bisect_right(self._page, last_id, key=itemgetter(0))
            for row in self._page[:end]:
                digest.update(canonical(row))
            count += end
            self._page = self._page[end:] or (next(self._pages, []) if end == len(self._page) else [])
            if not self._page or self._page[0][0] > last_id:
                self.rows += count
                return count, digest.hexdigest()


type Archived = Callable[[Callable[[str], None]], Iterator[list[Row]]]


def verify(logged: Mapping[int, str], advance: Callable[[int], None], archived: Archived) -> Verification:
    """Compute every seal again and compare. `logged` has digests by number of seal, from a copy outside the database.

    `advance` is called with the number of rows that were read since the last call. `archived` yields the rows that are
    in files, and reports damaged files.
    """
    redacted = redactions.current()
    result = Verification(redacted_rows=redacted.rows, redacted_people=redacted.people)
    reader = Reader(chain(archived(result.is_altered), pages_of_table(LOWEST, HIGHEST)))
    previous: AuditSeal | None = None
    candidates = {""}  # digests that the next seal may be chained to
    for seal in in_pages(AuditSeal.objects.all(), size=PAGE):
        computed = {_digest_of_seal(seal, digest) for digest in candidates}
        candidates = {seal.digest}
        expected = previous.number + 1 if previous else 1
        if seal.number != expected:
            result.is_broken(f"seal {expected} is missing, seal {seal.number} comes next")
            reader.take(seal.first_id - 1)  # rows of the missing seals
        elif seal.digest not in computed:
            result.is_broken(f"seal {seal.number} does not match its digest, or does not follow the seal before it")
            # The next seal was chained to what this one was before it was changed.
            candidates.add(_digest_of_seal(seal, previous.digest if previous else ""))
        if logged.get(seal.number, seal.digest) != seal.digest:
            result.is_broken(f"seal {seal.number} has another digest than the log")
        count, digest = reader.take(seal.last_id)
        if digest != redacted.digest_of_seal(seal.number, seal.rows_digest):
            result.is_altered(_difference(seal, count))
        result.seals, result.rows, result.last = result.seals + 1, result.rows + count, seal
        advance(count)
        previous = seal
    for number in sorted(number for number in logged if previous is None or number > previous.number):
        result.is_broken(f"seal {number} of the log is not in the database")
    redactions.verify(result.is_broken)
    result.unsealed_rows = unsealed_rows(previous)
    return result


def unsealed_rows(newest: AuditSeal | None = None) -> int:
    """How many rows follow those of the seal `newest`, by default the newest in the database."""
    newest = newest or AuditSeal.objects.order_by("-number").first()
    return AuditEntry.objects.filter(pk__gt=newest.last_id).count() if newest else AuditEntry.objects.count()


def _difference(seal: AuditSeal, count: int) -> str:
    if count < seal.rows:
        what = f"{seal.rows - count} of {seal.rows} rows are missing"
    elif count > seal.rows:
        what = f"{count - seal.rows} rows were inserted into its {seal.rows}"
    else:
        what = f"among {seal.rows} rows some were altered"
    return f"seal {seal.number} (ids {seal.first_id} to {seal.last_id}, hour {seal.hour:%Y-%m-%d %H:%M} UTC): {what}"
