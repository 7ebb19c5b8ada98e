"""What manage.py export_bans writes, manage.py import_bans reads."""

import subprocess
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from bans.models import LiveStreamBan
from common.models import AuditEntry
from common.times import wire_time
from tests.bans.people import make_ban
from tests.commands.ban_files import exported
from tests.commands.conftest import Import, Run
from tests.forking import manage
from tests.streams import make_stream


def contents() -> list[Any]:
    """The columns of all bans that an import keeps; ids and times of creation are new."""
    columns = ("stream_id", "target_id", "action_type", "reason", "expires_at", "created_by_id")
    return sorted(LiveStreamBan.objects.values_list(*columns), key=str)


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_exported_bans_are_imported_unchanged_on_other_streams(
    form: str, imported: Import, creator: User, viewer: User, stranger: User, guest: User, now: datetime
) -> None:
    old, new = [make_stream(creator) for _ in range(2)], [make_stream(creator) for _ in range(2)]
    make_ban(viewer, old[0], reason='Küfür, "spam"\n\nve\tdaha', expires_at=now + timedelta(days=1))
    make_ban(stranger, old[0], action_type="CHAT_ONLY")
    make_ban(viewer, old[1], reason="'; --")
    make_ban(guest, old[1])
    before, text = contents(), exported("--format", form)
    for there, here in zip(old, new, strict=True):
        text = text.replace(there.pk, here.pk)

    facts = imported(text, name=f"bans.{form}")

    assert (facts["imported"], facts["refused"], facts["code"]) == (4, 0, 0)
    moved = {stream.pk: other.pk for stream, other in zip(new, old, strict=True)}
    made = [row for row in contents() if row[0] in moved]
    # The wire has milliseconds.
    expected = [(*row[:4], row[4] and datetime.fromisoformat(wire_time(row[4])), row[5]) for row in before]
    assert sorted([(moved[row[0]], *row[1:]) for row in made], key=str) == sorted(expected, key=str)


def test_a_second_import_changes_nothing(imported: Import, creator: User, viewer: User, stranger: User) -> None:
    stream, other = make_stream(creator), make_stream(creator)
    make_ban(viewer, stream)
    make_ban(stranger, stream)
    text = exported().replace(stream.pk, other.pk)
    assert imported(text)["imported"] == 2
    rows = [list(LiveStreamBan.all_objects.order_by("pk").values()), AuditEntry.objects.count()]

    again = imported(text)

    assert (again["imported"], again["there_already"], again["refused"], again["code"]) == (0, 2, 0, 0)
    assert [list(LiveStreamBan.all_objects.order_by("pk").values()), AuditEntry.objects.count()] == rows


@pytest.mark.django_db(transaction=True)
def test_an_export_is_piped_into_an_import(creator: User, viewer: User, place: dict[str, str], run: Run) -> None:
    make_ban(viewer, make_stream(creator))
    finished = run("export_bans", "--format", "csv")
    assert (finished.returncode, finished.stderr) == (0, "1 bans exported.\n")
    LiveStreamBan.all_objects.all().delete()

    piped = subprocess.run(
        manage("import_bans", "-", "--format", "csv"),
        cwd=settings.BASE_DIR,
        env=place,
        input=finished.stdout,
        capture_output=True,
        text=True,
        check=True,
    )

    assert piped.stdout == "1 bans imported, 0 were there already.\n"
    assert LiveStreamBan.objects.get().target == viewer
