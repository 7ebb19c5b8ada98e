"""`people export`: one JSON object with all that is stored about a person, and no secret."""

import json
import stat
import subprocess
import tracemalloc
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command

from accounts.models import User
from common import erasure
from common.models import AuditEntry
from edges.models import Participant
from livestreams.models import LiveStream
from tests.conftest import PASSWORD
from tests.forking import manage
from tests.patience import PATIENCE
from tests.people.commands import export, refused
from tests.people.world import NAME, OTHER, World
from tests.servers import database_url, pooled_environment
from tests.streams import make_stream


def test_it_has_the_texts_of_the_person_and_those_about_them(world: World) -> None:
    exported = export(world.person)

    assert (exported["format"], exported["id"]) == (1, world.person.pk)
    assert [account["username"] for account in exported["account"]] == [NAME]
    assert [stream["title"] for stream in exported["streams"]] == ["zq7x talks", "zq7x off"]
    assert [ban["reason"] for ban in exported["bans"]] == ["zq7x was rude"]
    assert sorted(note["text"] for note in exported["notes_about"]) == ["zq7x again", "zq7x deleted"]
    assert exported["audit_trail_as_actor"]


def test_it_has_no_secret_and_nothing_that_other_people_wrote(world: World) -> None:
    User.objects.filter(pk=world.person.pk).update(password="pbkdf2$secret")
    text = json.dumps(export(world.person))

    assert "pbkdf2" not in text
    assert PASSWORD not in text
    assert OTHER not in text
    assert f'": "{world.moderator.username}"' not in text


def test_a_file_is_complete_and_for_its_owner_only(world: World, tmp_path: Path) -> None:
    file, output = tmp_path / "mia.json", StringIO()
    file.write_text("an older export")
    call_command("people", "export", NAME, "--output", str(file), "--json", stdout=output)

    facts = json.loads(output.getvalue())
    exported = json.loads(file.read_text())
    assert {name: len(rows) for name, rows in exported.items() if isinstance(rows, list)} == facts["rows"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["mia.json"]


def test_it_changes_nothing(world: World) -> None:
    before = AuditEntry.objects.count()
    export(world.person)
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--json"], "--json needs --output"),
        (["--output", "/no/such/folder/mia.json"], "--output: "),
    ],
)
def test_wrong_use_ends_with_2(words: list[str], problem: str, world: World) -> None:
    code, message = refused("export", NAME, *words)
    assert (code, message.startswith(problem)) == (2, True)


def test_an_interrupted_export_leaves_no_file(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(erasure, "_written", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call_command("people", "export", NAME, "--output", str(tmp_path / "mia.json"), stderr=StringIO())
    assert not [each for each in tmp_path.iterdir() if each.is_file()]


def test_memory_does_not_grow_with_the_number_of_rows(world: World, now: datetime) -> None:
    def peak() -> int:
        tracemalloc.start()
        erasure.export(world.person, lambda _: None, now=now, report=print)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak()  # imports
    few = peak()
    stream = make_stream(world.other, "preparing", planned_start_at=None)
    row = LiveStream.objects.filter(pk=stream.pk).values().get()
    streams = LiveStream.objects.bulk_create(
        LiveStream(**row | {"id": f"{number:024x}", "channel_name": f"n-{number}"}) for number in range(10_000)
    )
    Participant.objects.bulk_create(
        Participant(stream=each, user=world.person, first_seen_at=now, last_seen_at=now) for each in streams
    )
    # A page of rows, and not five times as much.
    assert peak() < few + 4_000_000


@pytest.mark.django_db(transaction=True)
def test_the_standard_output_of_the_command_is_the_json(now: datetime) -> None:
    user = User.objects.create_user("mia")
    finished = subprocess.run(
        manage("people", "export", "mia"),
        cwd=django_settings.BASE_DIR,
        env={"PATH": "/usr/bin", "DATABASE_URL": database_url(), "SECRET_KEY": "s" * 60, "JWT_SIGNING_KEY": "j" * 60}
        | pooled_environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert json.loads(finished.stdout)["id"] == user.pk
    assert "rows about mia" in finished.stderr
