"""The actions `export` and `erase` of the command `people`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.management.base import CommandError
from django.utils import timezone

from accounts import services
from accounts.models import User
from common import audit, audit_archive, audit_doctor, audit_redaction, erasure, seals
from common.commands import Outcome
from common.storage.backups import BACKUP

type Bar = Callable[..., AbstractContextManager[Callable[[int], None]]]


# --- export ---------------------------------------------------------------------------------------


def export(user: User, *, output: str | None, write: Callable[[str], object], json: bool, **options: Any) -> Outcome:
    """`write` writes to the standard output."""
    if output is None and json:
        raise CommandError("--json needs --output: the standard output is where the export goes", returncode=2)
    problems: list[str] = []

    def export_to(write: Callable[[str], object]) -> dict[str, int]:
        return erasure.export(user, write, now=timezone.now(), report=problems.append)

    counts = _to_file(Path(output), export_to) if output else export_to(write)
    facts = {"id": user.pk, "username": user.username, "output": output, "rows": counts, "problems": problems}
    text = f"{sum(counts.values())} rows about {user.username} (id {user.pk}) were exported."
    return Outcome(facts, text, "; ".join(problems))


def _to_file(path: Path, export_to: Callable[[Callable[[str], object]], dict[str, int]]) -> dict[str, int]:
    """Only the owner may read the file. It is complete before it has its name."""
    draft = path if path.exists() and not path.is_file() else path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(opened, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            counts = export_to(file.write)
        if draft != path:
            draft.replace(path)
    except OSError as error:
        raise CommandError(f"--output: {error}", returncode=2) from error
    finally:
        if draft != path:
            draft.unlink(missing_ok=True)
    return counts


# --- erase ----------------------------------------------------------------------------------------


def erase(user: User, *, reason: str, dry_run: bool, yes: bool, bar: Bar, **options: Any) -> Outcome:
    services.refuse_erasure(user, by=None)
    if not (dry_run or yes or _is_confirmed(user)):
        raise CommandError("Nothing was erased. It cannot be undone: confirm it with --yes.", returncode=2)
    if not audit_redaction.may_redact():
        raise CommandError("This role may not change the audit trail: let DATABASE_URL name the owner of the tables.")
    try:
        if dry_run:
            return _counted(user, bar)
        with _alone():
            return _erased(user, reason, bar)
    except (seals.StillWriting, audit_redaction.NotRedacted) as problem:
        raise CommandError(f"The audit trail was not redacted: {problem}. Run the command again.") from problem


@contextmanager
def _alone() -> Iterator[None]:
    """No other process replaces or copies rows and archives of the audit trail meanwhile. Raises CommandError."""
    # One erasure at a time, and none while rows of the audit trail become a file: the file would have the names.
    with audit_archive.LOCK.tried_by_session() as is_free:
        _refuse_unless(is_free)
        # A backup copies archives of the audit trail, which an erasure replaces. Tried only with the first lock: of two
        # erasures at once, each would otherwise refuse the other.
        with BACKUP.tried_by_session() as has_no_backup:
            _refuse_unless(has_no_backup)
            yield


def _refuse_unless(is_taken: bool) -> None:
    if not is_taken:
        raise CommandError(
            "Another process erases somebody, archives audit rows or makes a backup. Run it again when that is done."
        )


def _is_confirmed(user: User) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"Type the username to erase {user.username} (id {user.pk}): ") == user.username


def _counted(user: User, bar: Bar) -> Outcome:
    with bar(total=audit_doctor.rows_to_verify(), label="Searching the audit trail") as advance:
        redacted = audit_redaction.redact(
            services.erased_person(user), now=timezone.now(), dry_run=True, advance=advance
        )
    rows = erasure.rows_to_erase(user)
    is_new = bool(rows or redacted.rows or not services.is_erased(user))
    return _outcome(user, rows, redacted.rows, is_new=is_new, done="would be")


def _erased(user: User, reason: str, bar: Bar) -> Outcome:
    """Each step can be repeated. The names go last, because the steps before search for them."""
    services.close_account(user.pk, by=None, now=timezone.now(), reason=reason)
    with bar(total=sum(erasure.rows_to_erase(user).values()), label="Erasing rows") as advance:
        rows = erasure.erase_rows(user, now=timezone.now(), advance=advance)
    erased = services.erased_person(user)
    # Only sealed rows are redacted: a seal that is being made would have the names.
    seals.seal_rows(now=timezone.now(), report=seals.log_seal)
    audit_redaction.remove_outdated_files()
    with bar(total=audit_doctor.rows_to_verify(), label="Redacting the audit trail") as advance:
        redacted = audit_redaction.redact(erased, now=timezone.now(), dry_run=False, advance=advance)
    is_new = services.erase_account(user.pk, by=None, now=timezone.now(), rows=rows, reason=reason)
    if redacted.newest is not None:
        newest = f"{redacted.newest.number}:{redacted.newest.digest}"
        after = {"rows": redacted.rows, "redaction": newest}
        audit.record("redact_audit_rows", user, by=None, now=timezone.now(), before={}, after=after)
    return _outcome(user, rows, redacted.rows, is_new=is_new or bool(redacted.rows), done="were")


def _outcome(user: User, rows: dict[str, int], audit_rows: int, *, is_new: bool, done: str) -> Outcome:
    facts = {"id": user.pk, "changed": is_new, "rows": rows, "audit_rows": audit_rows}
    if not is_new:
        return Outcome(facts, f"{user.username} was erased before; nothing is left to do.")
    lines = [f"{count:>8} {name}" for name, count in rows.items()]
    lines += [f"{audit_rows:>8} rows of the audit trail (redacted)"]
    text = f"Of {user.username} (id {user.pk}) these rows {done} erased, and the account itself:"
    return Outcome(facts, "\n".join([text, *lines]))
