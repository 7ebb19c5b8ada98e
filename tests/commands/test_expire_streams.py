"""manage.py expire_streams"""

import json
import os
import pty
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.models import User
from common import commands
from common.models import AuditEntry
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.commands.conftest import Run, Start, waiting_for_streams
from tests.forking import manage
from tests.patience import PATIENCE
from tests.streams import make_stream

AN_HOUR = timedelta(hours=1)


def no_shows(creator: User, now: datetime, count: int) -> list[str]:
    planned = now - settings.NO_SHOW_GRACE - AN_HOUR
    return [
        make_stream(creator, now=now - 2 * AN_HOUR, planned_start_at=planned, title=f"Talk {number}").pk
        for number in range(count)
    ]


def expire(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    call_command("expire_streams", "--json", *words)
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def rows() -> list[Any]:
    return list(LiveStream.all_objects.order_by("pk").values())


def test_only_no_shows_expire(creator: User, now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    late = no_shows(creator, now, 3)
    coming, ended = make_stream(creator), make_stream(creator, Status.ENDED)
    deleted = no_shows(creator, now, 1)
    services.delete_stream(deleted[0], by=creator, now=now)

    facts = expire(capsys)

    assert facts == {"dry_run": False, "expired": 3, "passed_over": 0, "ids": sorted(late), "failed_ids": []}
    assert set(LiveStream.objects.filter(status=Status.EXPIRED).values_list("pk", flat=True)) == set(late)
    assert {LiveStream.objects.get(pk=stream.pk).status for stream in (coming, ended)} == {"scheduled", "ended"}


def test_audit_rows_name_the_command_as_entry_point(creator: User, now: datetime) -> None:
    late = no_shows(creator, now, 2)

    call_command("expire_streams")

    entries = AuditEntry.objects.filter(action="expire_stream")
    assert {entry.target_id for entry in entries} == set(late)
    assert {(entry.entry_point, entry.actor_id) for entry in entries} == {("command", None)}
    assert len({entry.request_id for entry in entries}) == 1
    assert entries[0].request_id


def test_a_dry_run_lists_the_same_ids_and_changes_nothing(
    creator: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    no_shows(creator, now, 3)
    before, entries = rows(), AuditEntry.objects.count()

    foreseen = expire(capsys, "--dry-run")

    assert (rows(), AuditEntry.objects.count()) == (before, entries)
    assert foreseen["dry_run"] is True
    assert expire(capsys)["ids"] == foreseen["ids"]
    assert len(foreseen["ids"]) == 3


def test_a_second_run_has_nothing_to_do(creator: User, now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    no_shows(creator, now, 1)
    expire(capsys)
    assert expire(capsys) == {"dry_run": False, "expired": 0, "passed_over": 0, "ids": [], "failed_ids": []}


def test_all_batches_are_read(
    creator: User, now: datetime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "BATCH", 2)
    late = no_shows(creator, now, 5)
    assert expire(capsys)["ids"] == sorted(late)


def test_without_json_the_output_is_a_sentence(
    creator: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    (late,) = no_shows(creator, now, 1)
    call_command("expire_streams", "--dry-run")
    call_command("expire_streams")
    assert capsys.readouterr().out == f"{late}\n1 streams would expire.\n1 streams expired, 0 passed over.\n"


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_copies_expire_each_stream_once(creator: User, now: datetime, start: Start) -> None:
    late = no_shows(creator, now, 100)

    with waiting_for_streams(2) as until_both_wait:
        copies = [start("expire_streams", "--json") for _ in range(2)]
        until_both_wait()
    results = [json.loads(copy.communicate(timeout=PATIENCE)[0]) for copy in copies]

    assert [copy.returncode for copy in copies] == [0, 0]
    assert sorted(results[0]["ids"] + results[1]["ids"]) == sorted(late)
    recorded = Counter(AuditEntry.objects.filter(action="expire_stream").values_list("target_id", flat=True))
    assert recorded == dict.fromkeys(late, 1)
    assert LiveStream.objects.filter(status=Status.EXPIRED).count() == 100


@pytest.mark.django_db(transaction=True)
def test_without_a_terminal_there_is_no_progress_bar(creator: User, now: datetime, run: Run) -> None:
    no_shows(creator, now, 2)
    finished = run("expire_streams")
    assert (finished.stdout, finished.stderr) == ("2 streams expired, 0 passed over.\n", "")


@pytest.mark.django_db(transaction=True)
def test_on_a_terminal_the_progress_bar_is_on_stderr(creator: User, now: datetime, place: dict[str, str]) -> None:
    no_shows(creator, now, 2)
    reader, terminal = pty.openpty()

    finished = subprocess.run(
        manage("expire_streams", "--json"),
        cwd=settings.BASE_DIR,
        env=place | {"TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=True,
    )

    os.close(terminal)
    assert json.loads(finished.stdout)["expired"] == 2
    assert b"Expiring" in os.read(reader, 100_000)
    os.close(reader)
