"""Checks of an installation. Each finding has a code, a meaning and a remedy."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from os import PathLike
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from common.error_texts import first_line
from common.hooks import DOCTOR_CHECKS
from common.storage import probing

OLDEST_POSTGRES = 15
CONNECT_WITHIN = 5  # seconds
ANSWER_WITHIN = 3  # seconds
LARGEST_SKEW = timedelta(seconds=2)
LEAST_FREE = 100 * 1_048_576  # bytes; below this uploads begin to fail
LITTLE_FREE = 1024 * 1_048_576  # bytes
SHORTEST_SECRET_KEY = 50  # characters
SHORTEST_SIGNING_KEY = 32  # bytes, what HS256 asks for (RFC 7518, section 3.2)
FEWEST_DIFFERENT = 10  # characters; random keys have 30 and more
FROM_AN_EXAMPLE = re.compile(r"change.?me|example|insecure|password|secret|your.?key", re.IGNORECASE)
LOCAL_HOSTS = frozenset(["localhost", "127.0.0.1", "::1", ""])


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    code: str
    severity: Severity
    meaning: str
    remedy: str

    def as_facts(self) -> dict[str, str]:
        return asdict(self)


def error(code: str, meaning: str, remedy: str) -> Finding:
    return Finding(code, Severity.ERROR, meaning, remedy)


def warning(code: str, meaning: str, remedy: str) -> Finding:
    return Finding(code, Severity.WARNING, meaning, remedy)


def examine() -> list[Finding]:
    """All findings, errors first. A service that does not answer is a finding and raises no exception.

    The functions in `settings.DOCTOR_CHECKS` are called only if the database answers and has all its tables.
    """
    found = [*_database(), *_keys(), *_storage(), *_exposure(), *_identity_provider()]
    if not {finding.code for finding in found} & {"database_unreachable", "migrations_missing"}:
        found += chain.from_iterable(check() for check in DOCTOR_CHECKS.functions().values())
    return sorted(found, key=lambda finding: finding.severity is not Severity.ERROR)


# --- the database ---------------------------------------------------------------------------------


def _database() -> Iterator[Finding]:
    # A connection of its own with a timeout, because a host that drops packets would block for ever.
    own = connection.copy()
    own.settings_dict["OPTIONS"] = own.settings_dict["OPTIONS"] | {"connect_timeout": CONNECT_WITHIN}
    try:
        own.ensure_connection()
        yield from _version(own)
        yield from _migrations(own)
        yield from _clock(own)
    except (DatabaseError, ImproperlyConfigured) as problem:
        yield error(
            "database_unreachable",
            f"The database does not answer, so nothing works: {first_line(problem)}",
            "Start PostgreSQL, or correct DATABASE_URL: its host, port, user, password and name.",
        )
    finally:
        own.close()


def _version(own: BaseDatabaseWrapper) -> Iterator[Finding]:
    version = own.pg_version // 10_000  # type: ignore[attr-defined]
    if version < OLDEST_POSTGRES:
        yield error(
            "database_too_old",
            f"The database is PostgreSQL {version}, and the service needs features of PostgreSQL {OLDEST_POSTGRES}.",
            f"Upgrade it to PostgreSQL {OLDEST_POSTGRES} or newer.",
        )


def _migrations(own: BaseDatabaseWrapper) -> Iterator[Finding]:
    executor = MigrationExecutor(own)
    if unknown := unknown_migrations(executor.loader):
        yield warning(
            "migrations_unknown",
            f"The database is of another version: it has migrations that this version lacks: {some(unknown)}",
            "Run the version that applied them. During an upgrade, while servers of both versions run, it is expected.",
        )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
        yield error(
            "migrations_missing",
            f"{len(plan)} migrations are not applied, so tables or columns are missing: {some(names)}",
            "Run: python manage.py migrate",
        )


def unknown_migrations(loader: MigrationLoader) -> list[str]:
    """Applied migrations of the installed apps of which there is no file, by app and name."""
    unknown = loader.applied_migrations.keys() - loader.disk_migrations.keys()
    return sorted(f"{app}.{name}" for app, name in unknown if app in loader.migrated_apps)


def some(names: Sequence[str]) -> str:
    """The first three."""
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _clock(own: BaseDatabaseWrapper) -> Iterator[Finding]:
    before = datetime.now(UTC)
    with own.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    after = datetime.now(UTC)
    skew = theirs - (before + (after - before) / 2)
    # The duration of the query limits the precision.
    if abs(skew) > LARGEST_SKEW + (after - before) / 2:
        yield error(
            "clock_skew",
            f"The clocks here and at the database differ by {abs(skew).total_seconds():.0f} seconds, "
            "so that tokens expire, and other periods end, too early or too late by as much.",
            "Let both machines take their time from NTP (chrony or systemd-timesyncd).",
        )


# --- keys -----------------------------------------------------------------------------------------


def _keys() -> Iterator[Finding]:
    secret, signing = settings.SECRET_KEY, settings.JWT_SIGNING_KEY
    new_key = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
    if _is_weak(secret, SHORTEST_SECRET_KEY):
        yield error(
            "secret_key_weak",
            "SECRET_KEY is short, repetitive or from an example: whoever guesses it can forge the session of any user.",
            f"{new_key}. Everybody in the admin logs in again.",
        )
    if _is_weak(signing, SHORTEST_SIGNING_KEY):
        yield error(
            "jwt_signing_key_weak",
            "JWT_SIGNING_KEY is short, repetitive or from an example: whoever guesses it can sign tokens of any user.",
            f"{new_key}. Everybody logs in again.",
        )
    for name, shortest in (("SECRET_KEY", SHORTEST_SECRET_KEY), ("JWT_SIGNING_KEY", SHORTEST_SIGNING_KEY)):
        if any(_is_weak(key, shortest) for key in getattr(settings, f"{name}_FALLBACKS")):
            yield error(
                "fallback_key_weak",
                f"{name}_FALLBACKS has a key that is short, repetitive or from an example: it is accepted as well.",
                "Remove it, and restart serve and worker on all hosts.",
            )
    if secret == signing:
        yield error(
            "keys_equal",
            "SECRET_KEY and JWT_SIGNING_KEY are the same, so whoever gets one key has both.",
            f"{new_key}, and set it as JWT_SIGNING_KEY.",
        )


def _is_weak(key: str, shortest: int) -> bool:
    return len(key.encode()) < shortest or len(set(key)) < FEWEST_DIFFERENT or bool(FROM_AN_EXAMPLE.search(key))


# --- storage --------------------------------------------------------------------------------------


def _storage() -> Iterator[Finding]:
    found = list(probing.problems())
    for problem in found:
        yield Finding(problem.code, Severity(problem.severity), problem.meaning, problem.remedy)
    if isinstance(default_storage, FileSystemStorage) and not found:
        yield from _free_space(default_storage.location)


def _free_space(folder: str | PathLike[str]) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free >= LITTLE_FREE:
        return
    find = error if free < LEAST_FREE else warning
    yield find(
        "storage_nearly_full",
        f"Only {free // 1_048_576} MB are free where pictures are stored ({folder}).",
        "Free some space, or move KUMANDA_DATA to a larger disk.",
    )


# --- settings that protect a public service -------------------------------------------------------


def _exposure() -> Iterator[Finding]:
    is_public = not is_local(settings.PUBLIC_URL)
    worse_in_public = error if is_public else warning
    if settings.DEBUG:
        yield worse_in_public(
            "debug_on",
            "DEBUG is on: error pages show source code and settings to clients, and memory use grows.",
            "Set DEBUG=false.",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield worse_in_public(
            "any_host_allowed",
            "ALLOWED_HOSTS has '*': a forged Host header determines the URLs in answers.",
            "Set ALLOWED_HOSTS to the names that this service is reached by.",
        )
    if is_public and urlsplit(settings.PUBLIC_URL).scheme != "https":
        yield error(
            "public_url_not_https",
            f"PUBLIC_URL is {settings.PUBLIC_URL}: passwords and tokens cross the network in clear text.",
            "Put a TLS proxy in front, and set PUBLIC_URL to its https address and SECURE=true.",
        )
    if is_public and not settings.SECURE:
        yield error(
            "cookies_not_secure",
            "SECURE is off: browsers send the admin's session cookie over unencrypted connections too.",
            "Serve over TLS and set SECURE=true.",
        )
    if is_public and settings.PLAYGROUND_ACCOUNTS:
        yield error(
            "playground_accounts_public",
            "PLAYGROUND_ACCOUNTS is set: the playground shows its passwords to everybody.",
            "Unset PLAYGROUND_ACCOUNTS, and change the passwords of these accounts.",
        )
    if _is_open(settings.PRODUCTION_SERVER_URL):
        yield error(
            "production_server_not_https",
            f"The playground sends tokens in clear text to PRODUCTION_SERVER_URL, {settings.PRODUCTION_SERVER_URL}.",
            "Set PRODUCTION_SERVER_URL to an https address.",
        )
    for allowed in filter(_is_open, settings.CORS_ALLOWED_ORIGINS):
        yield warning(
            "cors_origin_not_https",
            f"CORS_ALLOWED_ORIGINS has {allowed}, whose pages can be altered in transit.",
            "Allow its https address instead.",
        )


def is_local(url: str) -> bool:
    """Whether only this machine can reach the address."""
    host = urlsplit(url).hostname or ""
    return host in LOCAL_HOSTS or host.endswith(".localhost")


def _is_open(url: str) -> bool:
    """Whether traffic to this address is not encrypted and leaves this machine."""
    return not is_local(url) and urlsplit(url).scheme != "https"


# --- the identity provider ------------------------------------------------------------------------


def _identity_provider() -> Iterator[Finding]:
    url, key = settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY
    try:
        if url:
            jwt.PyJWKClient(url, timeout=ANSWER_WITHIN).get_signing_keys()
        elif key:
            load_pem_public_key(key.encode())
    except (jwt.PyJWTError, OSError, ValueError) as problem:
        yield error(
            "identity_keys_unreadable",
            f"The identity provider's keys cannot be read, so its tokens are refused: {first_line(problem)}",
            "Correct IDENTITY_JWKS_URL, which must answer this machine with a JSON Web Key Set, or "
            "IDENTITY_PUBLIC_KEY, a public key in PEM form.",
        )
    if _is_open(url or "https:"):
        yield error(
            "identity_keys_not_https",
            "The identity provider's keys are not encrypted: whoever alters them can forge tokens of any user.",
            "Set IDENTITY_JWKS_URL to an https address.",
        )
