"""Helpers of the tests of backups: what is backed up, a database to restore into, and comparisons."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import environ
import psycopg
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from benchmarks.restore_drill import digests
from common.storage import stored
from livestreams.models import LiveStream
from livestreams.thumbnails import new_name
from tests.commands.conftest import Run
from tests.commands.example_rows import make_role
from tests.servers import direct_place, url_of
from tests.streams import make_stream


def pictured_stream(creator: User, **fields: Any) -> LiveStream:
    """A stream with a picture that differs from all others."""
    name = new_name()
    with stored({name: name.encode() * 100}):
        return make_stream(creator, thumbnail=name, **fields)


@contextmanager
def empty_database(*, owner: str = "") -> Iterator[str]:
    """The URL of a new database on the server of the tests, which is removed afterwards."""
    place = direct_place()
    name = f"{place['dbname']}_restored"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"' + (f' OWNER "{owner}"' if owner else ""))
    try:
        yield url_of(place | {"dbname": name} | ({"user": owner} if owner else {}))
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def as_role_without_rights(url: str) -> str:
    """The same database for a role that may create nothing in it, as that of the service."""
    make_role("without_rights", "LOGIN")
    place = environ.Env.db_url_config(url)
    return url.replace(f"://{place['USER']}", "://without_rights", 1)


def target(url: str, folder: Path) -> dict[str, str]:
    """The environment of commands on a restored database, with a folder of its own."""
    return {"DATABASE_URL": url, "DATABASE_DIRECT_URL": url, "KUMANDA_DATA": str(folder / "restored")}


def connected_to(url: str) -> psycopg.Connection[Any]:
    """A connection to the database that a URL of this project names. libpq reads the folder of a socket otherwise."""
    place = environ.Env.db_url_config(url)
    parts = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return psycopg.connect(**{key: place[name] for key, name in parts.items() if place[name]}, autocommit=True)


def tables_of(url: str) -> dict[str, tuple[int, str]]:
    """The number of rows and their digest, by table."""
    with connected_to(url) as connected:
        return digests(connected)


def backup_of(run: Run, folder: Path, **variables: str) -> Path:
    """A new backup below the folder."""
    finished = run("backup", "--folder", str(folder / "backups"), "--json", **variables)
    assert finished.returncode == 0, finished.stderr
    return Path(json.loads(finished.stdout)["backup"])


def backup_here(folder: Path) -> Path:
    """A new backup in the folder, made by this process."""
    output = StringIO()
    call_command("backup", "--folder", str(folder), "--json", stdout=output)
    return Path(json.loads(output.getvalue())["backup"])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def change_manifest(backup: Path, **fields: Any) -> None:
    """Change fields of the manifest, and its checksum with it. None removes a field."""
    path = backup / "manifest.json"
    before = path.read_bytes()
    facts = {name: value for name, value in (json.loads(before) | fields).items() if value is not None}
    path.write_text(json.dumps(facts), encoding="utf-8")
    sums = backup / "SHA256SUMS"
    old, new = sha256(before).hexdigest(), sha256(path.read_bytes()).hexdigest()
    sums.write_text(sums.read_text("utf-8").replace(old, new), encoding="utf-8")
