"""manage.py purge"""

import io
import json
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from procrastinate.contrib.django import app

from accounts.models import User
from common.models import AuditEntry
from common.retention import kinds
from common.storage import storage
from config import tasks
from livestreams import services
from livestreams.models import LiveStream
from tests.commands.conftest import Start, waiting_for_streams
from tests.patience import PATIENCE
from tests.streams import make_stream

A_DAY = timedelta(days=1)


def long_deleted(creator: User, now: datetime, **fields: Any) -> LiveStream:
    when = now - settings.DELETED_RETENTION - A_DAY
    stream = make_stream(creator, now=when - A_DAY, **fields)
    return services.delete_stream(stream.pk, by=creator, now=when)


def run_purge(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    with suppress(CommandError):
        call_command("purge", "--json", *words, stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


def test_a_periodic_task_purges_each_night(creator: User, now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    gone = long_deleted(creator, now)
    (nightly,) = (known for known in app.periodic_registry.periodic_tasks.values() if known.task is tasks.purge)

    tasks.purge(timestamp=0)

    assert not LiveStream.all_objects.filter(pk=gone.pk).exists()
    assert nightly.cron == tasks.NIGHTLY
    assert capsys.readouterr().out == ""


def test_only_streams_deleted_long_ago_are_purged(creator: User, now: datetime) -> None:
    gone = long_deleted(creator, now)
    living = make_stream(creator)
    just_deleted = services.delete_stream(make_stream(creator).pk, by=creator, now=now)

    facts = run_purge()

    nothing = dict.fromkeys((kind.name for kind in kinds()), 0)
    assert facts == {
        "dry_run": False, "removed": nothing | {"streams": 1}, "oldest": {}, "kept": 0, "ids": [gone.pk],
        "kept_ids": [], "files_left": [], "notes": [], "failed": [],
    }  # fmt: skip
    assert set(LiveStream.all_objects.values_list("pk", flat=True)) == {living.pk, just_deleted.pk}


def test_the_audit_trail_has_the_purged_values(creator: User, now: datetime) -> None:
    gone = long_deleted(creator, now, title="Farewell")

    call_command("purge", stdout=io.StringIO())

    entries = AuditEntry.objects.filter(target_id=gone.pk).order_by("pk")
    assert [entry.action for entry in entries] == ["create_stream", "delete_stream", "purge_stream"]
    assert entries[2].before["title"] == "Farewell"
    assert entries[2].entry_point == "command"


def test_the_thumbnail_is_removed_with_its_stream(creator: User, now: datetime) -> None:
    name = default_storage.save("thumbnails/one.webp", ContentFile(b"picture"))
    kept = default_storage.save("thumbnails/two.webp", ContentFile(b"picture"))
    hidden = long_deleted(creator, now, thumbnail=name).thumbnail
    storage().move(name, hidden)  # as a worker did
    make_stream(creator, thumbnail=kept)

    run_purge()

    assert not default_storage.exists(hidden)
    assert default_storage.exists(kept)


def test_a_thumbnail_that_cannot_be_removed_is_reported(creator: User, now: datetime) -> None:
    hidden = long_deleted(creator, now, thumbnail="thumbnails/one.webp").thumbnail
    # A folder that is not empty is not removed like a file.
    (settings.MEDIA_ROOT / hidden / "full").mkdir(parents=True)

    with pytest.raises(CommandError, match=f"{hidden} could not be removed"):
        call_command("purge", stdout=io.StringIO())


def test_a_stream_that_is_still_referenced_is_kept_and_reported(creator: User, now: datetime) -> None:
    gone, kept = long_deleted(creator, now), long_deleted(creator, now)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE pointing (stream bytea REFERENCES livestreams_livestream)")
        cursor.execute("INSERT INTO pointing VALUES (%s)", [bytes.fromhex(kept.pk)])

    with pytest.raises(CommandError, match=f"{kept.pk} is kept") as refused:
        call_command("purge", stdout=io.StringIO())

    assert refused.value.returncode == 1
    assert list(LiveStream.all_objects.values_list("pk", flat=True)) == [kept.pk]
    assert not AuditEntry.objects.filter(target_id=kept.pk, action="purge_stream").exists()
    assert AuditEntry.objects.filter(target_id=gone.pk, action="purge_stream").exists()
    assert run_purge()["kept_ids"] == [kept.pk]


def test_a_dry_run_lists_the_same_ids_and_changes_nothing(creator: User, now: datetime) -> None:
    name = default_storage.save("thumbnails/one.webp", ContentFile(b"picture"))
    for thumbnail in (name, ""):
        long_deleted(creator, now, thumbnail=thumbnail)
    before, entries = list(LiveStream.all_objects.values()), AuditEntry.objects.count()

    foreseen = run_purge("--dry-run")

    assert (list(LiveStream.all_objects.values()), AuditEntry.objects.count()) == (before, entries)
    assert default_storage.exists(name)
    assert len(foreseen["ids"]) == 2
    assert run_purge()["ids"] == foreseen["ids"]


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_copies_purge_each_stream_once(creator: User, now: datetime, start: Start) -> None:
    gone = [long_deleted(creator, now, title=f"Talk {number}").pk for number in range(100)]

    with waiting_for_streams(2) as until_both_wait:
        copies = [start("purge", "--json") for _ in range(2)]
        until_both_wait()
    results = [json.loads(copy.communicate(timeout=PATIENCE)[0]) for copy in copies]

    assert [copy.returncode for copy in copies] == [0, 0]
    assert sorted(results[0]["ids"] + results[1]["ids"]) == sorted(gone)
    recorded = Counter(AuditEntry.objects.filter(action="purge_stream").values_list("target_id", flat=True))
    assert recorded == dict.fromkeys(gone, 1)
    assert LiveStream.all_objects.count() == 0
