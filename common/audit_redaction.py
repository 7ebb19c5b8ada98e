"""Replacing names and texts of an erased person in the audit trail: the one way in which its rows are changed.

The rows of one seal are changed in one transaction, together with a row of the chain of redactions that has the digest
of the rows as they are now. It is refused when the rows are not those that were sealed. Archives are written again.
Decision 48 has the reasons.
"""

import logging
import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from common import audit_archive, redactions, seals
from common.audit_matching import AFTER, BEFORE, ID, NAME, REASON, Erased
from common.canonical import Row, canonical
from common.disk import sync_folder
from common.models import AuditArchive, AuditRedaction, AuditSeal

logger = logging.getLogger(__name__)

AT_ONCE = 1_000  # rows whose JSON is normalized in one statement


class NotRedacted(Exception):
    """Rows stay as they are; the message has the reason."""


@dataclass
class Redacted:
    """How many rows were changed, or would be in a dry run, and the newest redaction."""

    rows: int = 0
    newest: AuditRedaction | None = None


def redact(erased: Erased, *, now: datetime, dry_run: bool, advance: Callable[[int], None]) -> Redacted:
    """Change all sealed rows. `advance` is called with the number of rows that were searched since the last call.

    Idempotent, also after an interruption: entries that tell of former usernames are changed last, because they are
    needed to find the others. The caller holds `audit_archive.LOCK`, so that no other redaction runs and no rows become
    a file meanwhile. Raises NotRedacted.
    """
    done = Redacted()
    in_files = _search_files(erased, advance)
    seals_of_table = AuditSeal.objects.filter(first_id__gt=in_files.last_id).order_by("number")
    with_names, end = [], in_files.last_id
    for seal in seals_of_table.iterator():
        changed = _found(erased, seal.first_id, seal.last_id)
        last = {key for key, row in changed.items() if not dry_run and erased.tells_names(row)}
        if last:
            with_names.append(seal)
        others = {key: row for key, row in changed.items() if key not in last}
        _redact_seal(seal, others, erased, done, now=now, dry_run=dry_run)
        advance(seal.rows)
        end = seal.last_id
    done.rows += len(in_files.changed)
    if dry_run:
        # The caller seals these rows before it redacts them.
        done.rows += len(_found(erased, end + 1, seals.HIGHEST))
        return done
    if in_files.changed:
        _replace_files(in_files, erased, done, now=now)
    for seal in with_names:
        _redact_seal(seal, _found(erased, seal.first_id, seal.last_id), erased, done, now=now, dry_run=dry_run)
    return done


def may_redact() -> bool:
    """Whether the role of the connection may change rows of the trail: that of a service of its own may not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('common_auditentry', 'UPDATE')")
        return bool(cursor.fetchone()[0])


# --- rows in the table ----------------------------------------------------------------------------

# The columns are those of the canonical form, as in `seals`.
_FOUND = """
    SELECT id, (extract(epoch FROM at) * 1000000)::bigint, entry_point, encode(actor_id, 'hex'), actor_name, action,
        target_type, encode(target_id, 'hex'), before::text, after::text, reason, request_id
    FROM common_auditentry
    WHERE id BETWEEN %(first)s AND %(last)s AND (
        actor_id = %(person)s OR target_id = ANY(%(targets)s) OR target_type = ANY(%(searched)s)
        OR before::text LIKE ANY(%(patterns)s) OR after::text LIKE ANY(%(patterns)s)
        OR before::text ILIKE %(email)s OR after::text ILIKE %(email)s OR reason ILIKE %(email)s
    ) ORDER BY id
"""


def _found(erased: Erased, first: int, last: int) -> dict[int, Row]:
    """The rows with these ids that change, as they will be."""
    while True:
        known = erased.size()
        parameters: dict[str, Any] = {
            "first": first,
            "last": last,
            "person": bytes.fromhex(erased.person),
            "targets": [bytes.fromhex(target) for target in erased.targets],
            "searched": list(erased.keys.searches),
            "patterns": erased.patterns(),
            "email": erased.email_pattern(),
        }
        with connection.cursor() as cursor:
            cursor.execute(_FOUND, parameters)
            found = _changed(erased, cursor.fetchall())
        # Entries of rows and names that these entries tell of.
        if erased.size() == known:
            return _normalized(found)


def _changed(erased: Erased, rows: Iterable[Row]) -> dict[int, Row]:
    return {row[ID]: changed for row in rows if (changed := erased.redacted(row)) is not None}


def _normalized(rows: dict[int, Row]) -> dict[int, Row]:
    """With the JSON as PostgreSQL writes it, of which digests are computed."""
    ids = list(rows)
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT given.id, given.before::jsonb::text, given.after::jsonb::text"
                " FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (id, before, after)",
                [some, [rows[each][BEFORE] for each in some], [rows[each][AFTER] for each in some]],
            )
            for each, before, after in cursor.fetchall():
                rows[each] = [*rows[each][:BEFORE], before, after, *rows[each][REASON:]]
    return rows


@transaction.atomic
def _redact_seal(
    seal: AuditSeal, changed: dict[int, Row], erased: Erased, done: Redacted, *, now: datetime, dry_run: bool
) -> None:
    done.rows += len(changed)
    if dry_run or not changed:
        return
    first, last, expected = seal.first_id, seal.last_id, _digest_of_seal(seal)
    if _digest(seals.pages_of_table(first, last)) != expected:
        raise NotRedacted(_altered(seal))
    after = _digest(_replaced(seals.pages_of_table(first, last), changed))
    _write(changed)
    if _digest(seals.pages_of_table(first, last)) != after:
        raise NotRedacted(f"the rows of seal {seal.number} were not written as intended")
    redaction = AuditRedaction(seal=seal.number, rows=len(changed), old_digest=expected, new_digest=after)
    _record([redaction], erased, done, now=now)


def _altered(seal: AuditSeal) -> str:
    return f"the rows of seal {seal.number} are not those that were sealed; run doctor --audit"


def _digest_of_seal(seal: AuditSeal) -> str:
    """What its rows must have now."""
    newest = AuditRedaction.objects.filter(seal=seal.number).order_by("-number").first()
    return newest.new_digest if newest else seal.rows_digest


def _digest(pages: Iterable[list[Row]]) -> str:
    digest = sha256()
    for page in pages:
        digest.update(b"".join(map(canonical, page)))
    return digest.hexdigest()


def _replaced(pages: Iterable[list[Row]], changed: dict[int, Row]) -> Iterator[list[Row]]:
    for page in pages:
        yield [changed.get(row[ID], row) for row in page]


def _write(changed: dict[int, Row]) -> None:
    """By the function that the trigger lets pass."""
    if changed:
        columns = [[row[place] for row in changed.values()] for place in (ID, NAME, BEFORE, AFTER, REASON)]
        with connection.cursor() as cursor:
            cursor.execute("SELECT redact_audit_rows(%s, %s, %s, %s, %s)", columns)


def _record(made: list[AuditRedaction], erased: Erased, done: Redacted, *, now: datetime) -> None:
    previous = redactions.newest()
    for redaction in made:
        redaction.person, redaction.made_at = erased.person, now
        previous = redactions.chained(redaction, previous)
        redaction.save(force_insert=True)
        # As for seals, the log is the copy outside the database.
        transaction.on_commit(partial(logger.info, "audit redaction %d:%s", redaction.number, redaction.digest))
    done.newest = previous


# --- rows in files --------------------------------------------------------------------------------


@dataclass
class _InFiles:
    """The archives, the seals that have rows in them, and the rows of these seals that change.

    The last of the seals may have rows in the table too: those from `first_in_table` to `last_id`.
    """

    archives: list[AuditArchive]
    seals: list[AuditSeal]
    changed: dict[int, Row]
    first_in_table: int
    last_id: int

    def pages(self) -> Iterator[list[Row]]:
        yield from audit_archive.pages(_refuse)
        yield from seals.pages_of_table(self.first_in_table, self.last_id)

    def changes(self, part: AuditSeal | AuditArchive) -> int:
        """How many rows of a seal or an archive change. `changed` is in the order of the ids."""
        ids = list(self.changed)
        return bisect_right(ids, part.last_id) - bisect_left(ids, part.first_id)


def _refuse(problem: str) -> None:
    raise NotRedacted(problem)


def _search_files(erased: Erased, advance: Callable[[int], None]) -> _InFiles:
    archives = list(AuditArchive.objects.order_by("number"))
    if not archives:
        return _InFiles([], [], {}, seals.LOWEST, seals.LOWEST)
    end = archives[-1].last_id
    concerned = list(AuditSeal.objects.filter(first_id__lte=end).order_by("number"))
    found = _InFiles(archives, concerned, {}, end + 1, concerned[-1].last_id)
    for page in audit_archive.pages(_refuse):
        found.changed |= _changed(erased, page)
        advance(len(page))
    found.changed = _normalized(found.changed) | _found(erased, end + 1, found.last_id)
    return found


def _redactions_of_seals(in_files: _InFiles) -> Iterator[AuditRedaction]:
    old, new = seals.Reader(in_files.pages()), seals.Reader(_replaced(in_files.pages(), in_files.changed))
    for seal in in_files.seals:
        (_, before), (_, after) = old.take(seal.last_id), new.take(seal.last_id)
        if before != after:
            if before != _digest_of_seal(seal):
                raise NotRedacted(_altered(seal))
            rows = in_files.changes(seal)
            yield AuditRedaction(seal=seal.number, rows=rows, old_digest=before, new_digest=after)


def _replace_files(in_files: _InFiles, erased: Erased, done: Redacted, *, now: datetime) -> None:
    """New files are complete before the database names them, and old ones are removed afterwards."""
    folder, current, newest = Path(settings.AUDIT_ARCHIVE_FOLDER), redactions.current(), redactions.newest()
    made, outdated = list(_redactions_of_seals(in_files)), []
    for archive in in_files.archives:
        rows = in_files.changes(archive)
        if not rows:
            continue
        sha, file = current.of_archive(archive.number, archive.sha256, archive.file)
        name = f"{archive.file.removesuffix('.ndjson.gz')}.{(newest.number if newest else 0) + 1}.ndjson.gz"
        draft = folder / f".{name}.{os.getpid()}"
        _, new_sha = audit_archive.write(draft, _replaced(audit_archive.pages_of(file), in_files.changed))
        draft.rename(folder / name)
        outdated.append(folder / file)
        made.append(AuditRedaction(archive=archive.number, file=name, rows=rows, old_digest=sha, new_digest=new_sha))
    sync_folder(folder)
    with transaction.atomic():
        _write({each: row for each, row in in_files.changed.items() if each >= in_files.first_in_table})
        _record(made, erased, done, now=now)
    for path in outdated:
        path.unlink(missing_ok=True)


def remove_outdated_files() -> None:
    """Remove files that an interrupted redaction left: those that were replaced, and those that never came into use."""
    folder, current = Path(settings.AUDIT_ARCHIVE_FOLDER), redactions.current()
    for archive in AuditArchive.objects.order_by("number"):
        _, file = current.of_archive(archive.number, archive.sha256, archive.file)
        stem = archive.file.removesuffix(".ndjson.gz")
        for path in [*folder.glob(f"{stem}*.ndjson.gz"), *folder.glob(f".{stem}.*")]:
            if path.name != file:
                path.unlink(missing_ok=True)
