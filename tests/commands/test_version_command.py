"""manage.py version, which is not Django's."""

import json
import subprocess

import django
import pytest
from django.conf import settings
from django.db import connection

from tests.commands.backups import empty_database
from tests.commands.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_prints_the_versions_of_the_service_of_django_and_of_the_database(run: Run) -> None:
    finished = run("version", "--json")

    facts = json.loads(finished.stdout)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    ).stdout.strip()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations")
        applied = cursor.fetchone()[0]
        cursor.execute("SHOW server_version")
        server = cursor.fetchone()[0].split()[0]
    assert finished.returncode == 0, finished.stderr
    assert facts == {
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "commit": head,
        "django": django.get_version(),
        "postgresql": server,
        "migrations": {"applied": applied, "missing": [], "unknown": []},
    }


def test_missing_migrations_and_those_of_another_version_are_named(run: Run) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET name = '0001_other' WHERE app = 'sessions'")
    try:
        finished = run("version")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET name = '0001_initial' WHERE app = 'sessions'")

    assert finished.returncode == 1
    assert "1 are of another version: sessions.0001_other" in finished.stdout
    assert "1 migrations are missing, first sessions.0001_initial. Run migrate." in finished.stderr


def test_an_empty_database_lacks_all_migrations(run: Run) -> None:
    with empty_database() as url:
        finished = run("version", "--json", DATABASE_URL=url, DATABASE_DIRECT_URL=url)

    facts = json.loads(finished.stdout)
    assert finished.returncode == 1
    assert facts["migrations"]["applied"] == 0
    assert "common.0001_initial" in facts["migrations"]["missing"]


def test_without_a_database_it_still_names_the_version(run: Run) -> None:
    finished = run("version", "--json", DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")

    assert finished.returncode == 1
    assert json.loads(finished.stdout)["version"] == settings.SPECTACULAR_SETTINGS["VERSION"]
    assert "The database does not answer" in finished.stderr
