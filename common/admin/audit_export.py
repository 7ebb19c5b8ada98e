"""Exports of the audit trail: exactly the entries that a filter finds, as CSV or as lines of JSON."""

import csv
from collections.abc import Generator, Iterator
from datetime import datetime
from io import StringIO
from typing import Any

import orjson
from django.utils import timezone
from django.utils.translation import override

from common import audit
from common.admin.audit_trail import Wording, reason_of
from common.admin.audit_walk import Wanted, find
from common.entry_points import called_as, current_context
from common.models import AuditEntry
from common.times import wire_time

ROWS_AT_ONCE = 1_000
COLUMNS = (
    "id", "at", "sentence", "reason", "action", "actor_id", "actor_name", "target_type", "target_id", "entry_point",
    "before", "after", "request_id", "client_address",
)  # fmt: skip
# A cell that begins with one of these is a formula for spreadsheet programs.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

type Row = dict[str, Any]


def export(wanted: Wanted, name: str, *, by: Any, language: str) -> Generator[bytes]:
    """The file in chunks of at most `ROWS_AT_ONCE` entries, newest first, with sentences in `language`.

    An audit row with the filter is committed before the first chunk, and one with the number of entries after the last
    one that was sent, also when the reader stops before. Entries that are written meanwhile are not exported.
    """
    context = current_context()
    noted = {"format": name, "filter": wanted.given}
    audit.record_run("export_audit_rows", "audit_rows", by=by, now=timezone.now(), after=noted)
    begun = AuditEntry.objects.order_by("-id").values_list("pk", flat=True).first()

    def chunks() -> Generator[bytes]:
        rows, is_complete = 0, False
        try:
            yield from FORMATS[name].begin()
            before: int | None = begun
            while before is not None:
                found = find(wanted, before=before, most=ROWS_AT_ONCE)
                before = found.older
                if found.ids:
                    yield FORMATS[name].chunk(_rows(found.ids, language))
                    rows += len(found.ids)
            is_complete = True
        finally:
            # The reader's request has left the context of its middleware when the file is sent.
            with called_as(context):
                after = noted | {"rows": rows, "is_complete": is_complete}
                audit.record_run("finish_audit_export", "audit_rows", by=by, now=timezone.now(), after=after)

    return chunks()


def _rows(ids: list[int], language: str) -> list[Row]:
    entries = list(AuditEntry.objects.filter(pk__in=ids).order_by("-pk"))
    with override(language):
        wording = Wording(entries)
        return [_row(entry, wording.plain(entry)) for entry in entries]


def _row(entry: AuditEntry, sentence: str) -> Row:
    own = {name: getattr(entry, name) for name in COLUMNS if name not in {"at", "sentence", "reason"}}
    return own | {"at": wire_time(entry.at), "sentence": sentence, "reason": reason_of(entry)}


class CSV:
    """RFC 4180, in UTF-8 with a byte order mark, by which spreadsheet programs recognize UTF-8."""

    content_type = "text/csv; charset=utf-8"
    ending = "csv"

    @staticmethod
    def begin() -> Iterator[bytes]:
        yield "\ufeff".encode() + _lines([list(COLUMNS)])

    @staticmethod
    def chunk(rows: list[Row]) -> bytes:
        return _lines([[_cell(row[name]) for name in COLUMNS] for row in rows])


class NDJSON:
    """One JSON object a line."""

    content_type = "application/x-ndjson"
    ending = "ndjson"

    @staticmethod
    def begin() -> Iterator[bytes]:
        yield from ()

    @staticmethod
    def chunk(rows: list[Row]) -> bytes:
        return b"".join(
            orjson.dumps({name: row[name] for name in COLUMNS}, option=orjson.OPT_APPEND_NEWLINE) for row in rows
        )


FORMATS: dict[str, Any] = {"csv": CSV, "ndjson": NDJSON}


def file_name(name: str, now: datetime) -> str:
    return f"audit-trail-{timezone.localtime(now):%Y-%m-%d-%H%M%S}.{FORMATS[name].ending}"


def _lines(rows: list[list[str]]) -> bytes:
    written = StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def _cell(value: Any) -> str:
    """Text that no spreadsheet program runs as a formula (OWASP, CSV injection)."""
    text = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text}" if text.startswith(FORMULAS) else text
