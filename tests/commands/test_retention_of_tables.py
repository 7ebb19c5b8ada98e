"""Each table states how long its rows are kept, and docs/retention.md has it."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from common.retention import Kept, by_table, kinds

DOCUMENT = (settings.BASE_DIR / "docs" / "retention.md").read_text(encoding="utf-8")


def tables() -> set[str]:
    """The tables of the database; those by month without their partitions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = current_schema()::regnamespace"
        )
        return {name for (name,) in cursor.fetchall()}


def test_each_table_states_its_retention(db: None) -> None:
    """A new table fails here: name it in a kind, or in a `Kept`, of the `retention.py` of its app."""
    assert set(by_table()) == tables()


def test_no_table_is_kept_that_a_kind_removes() -> None:
    both = {table for table, declared in by_table().items() if len({type(each) for each in declared}) > 1}
    twice = {table for table, declared in by_table().items() if sum(isinstance(each, Kept) for each in declared) > 1}
    assert both | twice == set()


def test_the_page_about_retention_has_each_table_and_each_setting() -> None:
    printed = StringIO()
    call_command("purge", "--tables", stdout=printed)
    assert printed.getvalue().strip() in DOCUMENT, "copy the output of manage.py purge --tables to docs/retention.md"
    rows = set(re.findall(r"(?m)^\| `([A-Z_]+)` \|", DOCUMENT))
    assert rows >= {kind.setting for kind in kinds() if kind.setting}


def test_each_kind_says_how_long_its_rows_are_kept() -> None:
    assert [kind.name for kind in kinds() if bool(kind.setting) == bool(kind.fixed)] == []


BOUNDS = re.findall(r"(?m)^\| `([A-Z_]+_RETENTION_(?:DAYS|MONTHS|YEARS))` \| *\d* *\| (\d+) to (\d+)", DOCUMENT)


def test_the_bounds_of_each_setting_of_retention_are_documented() -> None:
    read = re.findall(r'_(?:days|number)\("([A-Z_]+)"', (settings.BASE_DIR / "config" / "retention.py").read_text())
    assert sorted(name for name, _, _ in BOUNDS) == sorted(read)


def error_of(**variables: str) -> str:
    """What a process with these settings prints on stderr when it reads them."""
    command = [sys.executable, "-c", "import config.retention"]
    environment = {"PATH": os.environ["PATH"], **variables}
    result = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )
    return result.stderr


@pytest.mark.parametrize(("name", "least", "most"), BOUNDS)
def test_a_value_outside_of_its_bounds_is_refused_by_name(name: str, least: str, most: str) -> None:
    for value in (-1 if name == "AUDIT_RETENTION_YEARS" else int(least) - 1, int(most) + 1):
        assert f"{name} must be between" in error_of(**{name: str(value)})
    longest = {"NOTIFICATION_RETENTION_MONTHS": "120"} if name != "NOTIFICATION_RETENTION_MONTHS" else {}
    assert error_of(**longest, **{name: most}) == ""


def test_reminders_are_not_kept_longer_than_their_notifications() -> None:
    assert "must not be longer than NOTIFICATION" in error_of(STREAM_RECORD_RETENTION_DAYS="400")
    assert error_of(STREAM_RECORD_RETENTION_DAYS="400", NOTIFICATION_RETENTION_MONTHS="14") == ""


def test_records_of_streams_have_a_common_default() -> None:
    names = ("PARTICIPANT", "FEEDBACK", "VIEWER_SAMPLE", "REVOCATION", "REMINDER", "DELIVERY")
    assert {getattr(settings, f"{name}_RETENTION") for name in names} == {timedelta(days=365)}
