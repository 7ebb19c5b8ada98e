"""Erasing and exporting what `common.personal_data` declares about a person, in chunks."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import models, transaction
from django.db.models import QuerySet

from common import audit, audit_archive
from common.audit_matching import ACTOR, TARGET
from common.canonical import COLUMNS, EPOCH
from common.personal_data import Remove, Replace, Rewrite, Source, sources

CHUNK = 1_000  # rows that one transaction changes
ROWS_AT_ONCE = 2_000  # that an export reads
ARCHIVED = "audit_trail_archived"
FORMAT = 1  # of an export; a change that removes or renames keys gets a higher number


# --- erasing --------------------------------------------------------------------------------------


def erase_rows(person: models.Model, *, now: datetime, advance: Callable[[int], None]) -> dict[str, int]:
    """Erase the rows of all sources. Returns the number of rows by the name of the source, without those of none.

    Each chunk is a transaction with an audit row, and nothing else is locked. A run that was stopped can be repeated.
    """
    erased = {}
    for source in sources():
        count = _rewrite(source, person, now=now) if isinstance(source.erasure, Rewrite) else 0
        while rows := _erase_chunk(source, person, now=now):
            count += rows
            advance(rows)
        if count:
            erased[source.name] = count
    return erased


def rows_to_erase(person: models.Model) -> dict[str, int]:
    """How many rows `erase_rows` would change."""
    counts = {source.name: _to_erase(source, person) for source in sources()}
    return {name: count for name, count in counts.items() if count}


def ids_about(person: models.Model) -> set[str]:
    """The ids of the person and of the rows about the person that stay."""
    found = {str(person.pk)}
    for source in sources():
        if source.is_about and isinstance(source.erasure, Replace):
            found.update(source.rows(str(person.pk)).values_list("pk", flat=True))
    return found


def _left(source: Source, person: models.Model) -> QuerySet[Any]:
    """The rows that are still to be erased."""
    rows = source.rows(str(person.pk))
    match source.erasure:
        case Remove():
            return rows
        case Replace():
            return rows.exclude(**source.values())
    return rows.none()


@transaction.atomic
def _erase_chunk(source: Source, person: models.Model, *, now: datetime) -> int:
    rows = list(_left(source, person).order_by("pk").select_for_update(no_key=True, of=("self",))[:CHUNK])
    if not rows:
        return 0
    these = source.model._base_manager.filter(pk__in=[row.pk for row in rows])
    if isinstance(source.erasure, Replace):
        source.erasure.first(rows)
        these.update(**source.values())
    else:
        these.delete()
    _record(source, person, len(rows), now=now)
    return len(rows)


@transaction.atomic
def _rewrite(source: Source, person: models.Model, *, now: datetime) -> int:
    """The rows that are changed one by one are few."""
    assert isinstance(source.erasure, Rewrite)  # noqa: S101 - called for no other
    count = 0
    for row in source.rows(str(person.pk)).order_by("pk").select_for_update(no_key=True, of=("self",)):
        if names := source.erasure.change(row, str(person.pk)):
            row.save(update_fields=names)
            count += 1
    if count:
        _record(source, person, count, now=now)
    return count


def _to_erase(source: Source, person: models.Model) -> int:
    if isinstance(source.erasure, Rewrite):
        return sum(bool(source.erasure.change(row, str(person.pk))) for row in source.rows(str(person.pk)))
    return _left(source, person).count()


def _record(source: Source, person: models.Model, rows: int, *, now: datetime) -> None:
    after = {"source": source.name, "rows": rows}
    audit.record("erase_rows", person, by=None, now=now, before={}, after=after)


# --- exporting ------------------------------------------------------------------------------------


def export(
    person: models.Model, write: Callable[[str], object], *, now: datetime, report: Callable[[str], None]
) -> dict[str, int]:
    """Write one JSON object: for each source the list of its rows, each on a line. Returns the number of rows of each.

    Rows are read and written one after the other, so memory does not grow with their number. They are not of one
    moment: what changes meanwhile may be missing or new. `report` gets a sentence for each archive of the audit trail
    that cannot be read.
    """
    head = {"format": FORMAT, "id": person.pk, "exported_at": now}
    write(orjson.dumps(head).decode().removesuffix("}"))
    counts = {source.name: _written(source.name, _rows(source, person), write) for source in sources()}
    counts[ARCHIVED] = _written(ARCHIVED, _archived_rows(str(person.pk), report), write)
    write("\n}\n")
    return counts


def _written(name: str, rows: Iterable[dict[str, Any]], write: Callable[[str], object]) -> int:
    write(f",\n{orjson.dumps(name).decode()}:[")
    count = 0
    for row in rows:
        write(f"{',' if count else ''}\n{orjson.dumps(row, default=_text).decode()}")
        count += 1
    write("]")
    return count


def _rows(source: Source, person: models.Model) -> Iterator[dict[str, Any]]:
    columns = source.columns()
    names = [column.name for column in columns]
    rows = source.rows(str(person.pk)).order_by("pk").values_list(*(column.attname for column in columns))
    for row in rows.iterator(ROWS_AT_ONCE):
        yield dict(zip(names, row, strict=True))


def _archived_rows(person_id: str, report: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Entries of the audit trail whose actor or target is the person, from files."""
    for page in audit_archive.pages(report):
        for row in page:
            if person_id in {row[ACTOR], row[TARGET]}:
                entry = dict(zip(COLUMNS, row, strict=True))
                entry |= {name: orjson.loads(entry[name]) for name in ("before", "after")}
                entry["at"] = EPOCH + timedelta(microseconds=entry["at"])
                if row[ACTOR] != person_id:
                    del entry["actor_id"], entry["actor_name"]
                yield entry


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes | memoryview) else str(value)


def wire(value: Any) -> Any:
    """A value of a column as an export has it."""
    return orjson.loads(orjson.dumps(value, default=_text))
