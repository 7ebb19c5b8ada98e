"""The manifest of a backup: what is in it, and whether this version can restore it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson
from django.db import DatabaseError, connection

from common.backup import BackupError, Refused
from common.backup.folders import MANIFEST
from common.backup.programs import Programs
from common.secret_keys import fingerprints
from common.version import known_migrations, service_version

FORMAT = 1  # of the folder; a higher one is refused
NO_SEAL = ""


@dataclass(frozen=True)
class Manifest:
    format: int
    version: str  # of the service
    commit: str  # of its checkout; empty where there was none
    made_at: str  # the time of the snapshot, ISO 8601
    database: str  # its name
    server_version: str  # as "18.6"
    program_version: str  # of pg_dump
    database_bytes: int  # with its indexes, as on the disk of the server
    migrations: list[str]  # that were applied, as `app.name`
    rows: dict[str, int]  # by table; of unlogged tables there is no backup
    seals: int  # of the audit trail
    newest_seal: str  # as NUMBER:DIGEST; empty without one
    secret_key: str  # its fingerprint
    pictures: int
    archives: int  # files with old months of the audit trail
    missing: list[str]  # files that rows named and that were nowhere; the first of them
    missing_count: int
    files: int  # in the folder, with the manifest and without the checksums
    files_bytes: int  # without the manifest

    def as_json(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


# --- reading --------------------------------------------------------------------------------------


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_rows(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


_COUNT = (_is_count, "must be a whole number from 0")
_VERSION = (_matches(r"\d+(\.\d+)*"), "must be a version of PostgreSQL, as 18.6")
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "format": (_is_count, "must be a whole number"),
    "version": (_matches(r"\d+\.\d+\.\d+\S*"), "must be a version, as 1.2.3"),
    "commit": (_matches(r"[0-9a-f]*"), "must be hexadecimal"),
    "made_at": (_matches(r"\d{4}-\d\d-\d\dT.+"), "must be a time in ISO 8601"),
    "database": (_matches(r".+"), "must be a name"),
    "server_version": _VERSION,
    "program_version": _VERSION,
    "database_bytes": _COUNT,
    "migrations": (_is_list_of_texts, "must be a list of names"),
    "rows": (_is_rows, "must be numbers of rows by table"),
    "seals": _COUNT,
    "newest_seal": (_matches(r"(\d+:[0-9a-f]{64})?"), "must be a number, a colon and 64 hexadecimal digits"),
    "secret_key": (_matches(r"[0-9a-f]+"), "must be hexadecimal"),
    "pictures": _COUNT,
    "archives": _COUNT,
    "missing": (_is_list_of_texts, "must be a list of names"),
    "missing_count": _COUNT,
    "files": _COUNT,
    "files_bytes": _COUNT,
}


def read(backup: Path) -> Manifest:
    """Raises Refused with the first field that is wrong, and the rule; also for another format."""
    try:
        given = orjson.loads((backup / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(MANIFEST, f"must be readable and JSON: {error}") from error
    if not isinstance(given, dict):
        raise Refused(MANIFEST, "must be an object")
    if _is_count(given.get("format")) and given["format"] > FORMAT:
        raise Refused("format", f"must be at most {FORMAT}, which this version knows; it is {given['format']}")
    names = [each.name for each in fields(Manifest)]
    if unknown := given.keys() - set(names):
        raise Refused(sorted(unknown)[0], f"is no field of {MANIFEST}")
    for name in names:
        holds, rule = RULES[name]
        if not holds(given.get(name)):
            raise Refused(name, rule)
    return Manifest(**given)


def refuse_unfit(manifest: Manifest, programs: Programs) -> None:
    """Whether this version and this server can restore it. Raises Refused."""
    if _numbers(manifest.version) > _numbers(service_version()):
        raise Refused("version", f"must not be newer than this version, {service_version()}; it is {manifest.version}")
    if unknown := sorted(set(manifest.migrations) - known_migrations()):
        raise Refused("migrations", f"must be known to this version; it lacks {unknown[0]} and {len(unknown) - 1} more")
    for field in ("server_version", "program_version"):
        version = getattr(manifest, field)
        if _numbers(version)[0] > programs.major:
            raise Refused(field, f"must not be newer than the server, PostgreSQL {programs.major}; it is {version}")


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


# --- what a database has --------------------------------------------------------------------------

_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND relpersistence = 'p' ORDER BY relname
"""


def rows_by_table() -> dict[str, int]:
    """The number of rows of each table that a backup has; months of a table count as that table."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return {table: count_of(table) for (table,) in cursor.fetchall()}


def count_of(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - of the catalogue
        count: int = cursor.fetchone()[0]
    return count


def seals() -> tuple[int, str]:
    """How many there are, and the newest one as NUMBER:DIGEST."""
    # SQL, because the models may be newer than the restored tables.
    with connection.cursor() as cursor:
        cursor.execute("SELECT number || ':' || digest FROM common_auditseal ORDER BY number DESC LIMIT 1")
        newest = cursor.fetchone()
    return count_of("common_auditseal"), newest[0] if newest else NO_SEAL


def differences(manifest: Manifest) -> Iterator[str]:
    """How this database differs from the manifest, as sentences. Raises BackupError."""
    try:
        rows, found = rows_by_table(), seals()
    except DatabaseError as error:
        raise BackupError(f"The database is restored, but cannot be read: {error}") from error
    for table in sorted(rows.keys() | manifest.rows.keys()):
        if rows.get(table) != manifest.rows.get(table):
            yield f"{table} has {rows.get(table, 'no')} rows, the backup {manifest.rows.get(table, 'no')}"
    if found != (manifest.seals, manifest.newest_seal):
        expected = f"{manifest.seals} up to {manifest.newest_seal}"
        yield f"there are {found[0]} seals up to {found[1]}, and in the backup {expected}"
    if problem := key_problem(manifest):
        yield problem


def key_problem(manifest: Manifest) -> str:
    """A sentence when no key of this environment is that of the backup, else "". A lost key is no reason to refuse."""
    if manifest.secret_key in fingerprints.own()["SECRET_KEY"]:
        return ""
    return (
        "SECRET_KEY is not that of the backup, so that what it encrypts in the database cannot be read: set it, or"
        " add it to SECRET_KEY_FALLBACKS"
    )
