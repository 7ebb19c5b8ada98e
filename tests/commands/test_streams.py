"""manage.py streams"""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db.models import ProtectedError

from accounts.models import User
from common.models import AuditEntry
from common.storage import StorageUnavailable, storage
from common.storage.backups import BACKUP
from common.storage.local import LocalStorage
from livestreams import services
from livestreams.models import Hold, LiveStream
from reminders.models import Reminder
from reminders.services import set_reminder
from tests.commands.conftest import Start, waiting_for_streams
from tests.commands.test_purge import long_deleted, run_purge
from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.retaining import remove
from tests.streams import make_stream

WHY = ("--reason", "Case 17")
NO_SUCH_ID = "f" * 24


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    call_command("streams", *words, "--json")
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def rows() -> list[Any]:
    return [*LiveStream.all_objects.order_by("pk").values(), *Hold.objects.values(), AuditEntry.objects.count()]


@pytest.fixture
def deleted(creator: User, now: datetime) -> LiveStream:
    stream = make_stream(creator, title="Farewell")
    return services.delete_stream(stream.pk, by=creator, now=now)


# --- restore --------------------------------------------------------------------------------------


def test_restored_streams_are_listed_again_and_the_trail_has_the_reason(
    deleted: LiveStream, creator: User, capsys: pytest.CaptureFixture[str]
) -> None:
    living = make_stream(creator)

    facts = run(capsys, "restore", deleted.pk, living.pk, *WHY)

    assert (facts["changed"], facts["unchanged"]) == ([deleted.pk], [living.pk])
    assert LiveStream.objects.count() == 2
    entry = AuditEntry.objects.get(action="restore_stream")
    assert (entry.target_id, entry.entry_point, entry.reason) == (deleted.pk, "command", "Case 17")


@pytest.mark.parametrize("is_renamed", [True, False])
def test_a_restored_stream_has_its_picture(
    is_renamed: bool, creator: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job that renames the file of a deleted stream may not have run."""
    old = default_storage.save("thumbnails/one.webp", ContentFile(b"picture"))
    stream = make_stream(creator, thumbnail=old)
    hidden = services.delete_stream(stream.pk, by=creator, now=now).thumbnail
    if is_renamed:
        storage().move(old, hidden)

    facts = run(capsys, "restore", stream.pk, *WHY)

    assert facts["pictures"] == {stream.pk: "present" if is_renamed else "renamed"}
    assert storage().read(hidden) == b"picture"
    assert not storage().exists(old)


def test_while_a_backup_runs_the_picture_keeps_its_name(creator: User, now: datetime) -> None:
    """The rows of the backup may be older than the deletion, and name the file as it was."""
    old = default_storage.save("thumbnails/one.webp", ContentFile(b"picture"))
    stream = make_stream(creator, thumbnail=old)
    services.delete_stream(stream.pk, by=creator, now=now)
    with (
        BACKUP.tried_by_session(),
        pytest.raises(CommandError, match=f"A backup runs.* the picture of {stream.pk}") as raised,
    ):
        call_command("streams", "restore", stream.pk, *WHY)
    assert raised.value.returncode == 1
    assert LiveStream.objects.filter(pk=stream.pk).exists()
    assert storage().exists(old)
    assert not AuditEntry.objects.filter(action="rename_stored_files").exists()


def test_a_picture_that_is_missing_is_a_problem(creator: User, now: datetime) -> None:
    stream = make_stream(creator, thumbnail="thumbnails/one.webp")
    services.delete_stream(stream.pk, by=creator, now=now)
    with pytest.raises(CommandError, match=f"The picture of {stream.pk} is missing") as raised:
        call_command("streams", "restore", stream.pk, *WHY)
    assert raised.value.returncode == 1
    assert LiveStream.objects.filter(pk=stream.pk).exists()


def test_a_storage_that_does_not_answer_does_not_stop_the_restore(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*arguments: Any) -> bool:
        raise StorageUnavailable

    ids = [make_stream(creator, thumbnail=f"thumbnails/{number}.webp").pk for number in range(2)]
    for stream_id in ids:
        services.delete_stream(stream_id, by=creator, now=now)
    monkeypatch.setattr(LocalStorage, "exists", unavailable)
    with pytest.raises(CommandError, match="The storage does not answer"):
        call_command("streams", "restore", *ids, *WHY)
    assert LiveStream.objects.count() == 2


# --- retain and release ---------------------------------------------------------------------------


def test_a_retained_stream_is_not_purged_until_it_is_released(
    creator: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, gone = long_deleted(creator, now), long_deleted(creator, now)

    assert run(capsys, "retain", kept.pk, *WHY)["changed"] == [kept.pk]
    assert run(capsys, "retain", kept.pk, *WHY)["unchanged"] == [kept.pk]
    assert run_purge()["ids"] == [gone.pk]

    assert run(capsys, "release", kept.pk, "--reason", "Closed")["changed"] == [kept.pk]
    assert run(capsys, "release", kept.pk, "--reason", "Closed")["unchanged"] == [kept.pk]
    assert run_purge()["ids"] == [kept.pk]

    decisions = AuditEntry.objects.filter(action__in=["retain_stream", "release_stream"]).order_by("pk")
    assert [(entry.action, entry.reason) for entry in decisions] == [
        ("retain_stream", "Case 17"),
        ("release_stream", "Closed"),
    ]


def test_what_refers_to_an_ended_stream_is_kept_while_it_is_retained(
    creator: User, viewer: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = make_stream(creator)
    set_reminder(stream.pk, by=viewer, now=now, minute=None, language="en")
    services.start_stream(stream.pk, by=creator, now=now)
    services.end_stream(stream.pk, by=creator, now=now)
    later = now + timedelta(days=10_000)

    run(capsys, "retain", stream.pk, *WHY)
    assert remove("reminders", now=later) == 0
    run(capsys, "release", stream.pk, *WHY)
    assert remove("reminders", now=later) == 1
    assert not Reminder.objects.exists()


def test_a_purge_that_found_the_stream_before_it_was_retained_keeps_it(deleted: LiveStream, now: datetime) -> None:
    services.retain_stream(deleted.pk, by=None, now=now, reason="Case 17")
    later = now + settings.DELETED_RETENTION + timedelta(days=1)
    assert services.purge_stream(deleted.pk, now=later) is None
    with pytest.raises(ProtectedError):
        deleted.delete()


# --- list -----------------------------------------------------------------------------------------


def test_the_list_has_deleted_and_retained_streams_with_their_reasons(
    deleted: LiveStream, creator: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    retained = make_stream(creator, title="Evidence")
    make_stream(creator)
    services.retain_stream(retained.pk, by=None, now=now, reason="Case 17")

    both = run(capsys, "list")
    assert (both["total"], [row["id"] for row in both["streams"]]) == (2, [retained.pk, deleted.pk])
    assert both["streams"][0]["retained_because"] == "Case 17"
    assert both["streams"][1]["deleted_by"] == creator.username
    assert [row["id"] for row in run(capsys, "list", "--deleted")["streams"]] == [deleted.pk]
    assert [row["id"] for row in run(capsys, "list", "--retained")["streams"]] == [retained.pk]
    assert len(run(capsys, "list", "--limit", "1")["streams"]) == 1


# --- wrong use, dry runs, copies ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("restore", "stream-7", *WHY), "argument ID: 'stream-7' is no id; ids are 24 hexadecimal characters"),
        (("retain", NO_SUCH_ID, *WHY), f"ID: there is no stream with the id {NO_SUCH_ID}"),
        (("release", NO_SUCH_ID), "required: --reason"),
        (("retain", NO_SUCH_ID, "--reason", " "), "argument --reason: must have 1 to 1,000 characters"),
        (("list", "--limit", "0"), "argument --limit: must be a number from 1 to 100,000, not '0'"),
        (("list", "--deleted", "--retained"), "argument --retained: not allowed with argument --deleted"),
    ],
)
def test_wrong_use_names_the_option_and_changes_nothing(
    words: tuple[str, ...], message: str, deleted: LiveStream
) -> None:
    before = rows()
    given = (words[0], deleted.pk, *words[1:]) if words[0] in {"restore", "retain", "release"} else words
    with pytest.raises(CommandError) as raised:
        call_command("streams", *given)
    assert message in str(raised.value)
    assert rows() == before


@pytest.mark.parametrize("action", ["restore", "retain", "release"])
def test_a_dry_run_says_the_same_and_changes_nothing(
    action: str, creator: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [services.delete_stream(make_stream(creator).pk, by=creator, now=now).pk for _ in range(2)]
    if action == "release":
        services.retain_stream(ids[0], by=None, now=now, reason="Case 17")
    before = rows()

    foreseen = run(capsys, action, *ids, *WHY, "--dry-run")

    assert rows() == before
    done = run(capsys, action, *ids, *WHY)
    assert done["changed"] == foreseen["changed"]
    assert foreseen["unchanged"] == done["unchanged"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ["restore", "retain", "release"])
def test_two_copies_at_once_change_each_stream_once(action: str, now: datetime, start: Start) -> None:
    creator = make_user("creator")
    ids = [services.delete_stream(make_stream(creator).pk, by=creator, now=now).pk for _ in range(20)]
    if action == "release":
        for stream_id in ids:
            services.retain_stream(stream_id, by=None, now=now, reason="Case 17")

    with waiting_for_streams(2) as until_both_wait:
        copies = [start("streams", action, *ids, *WHY, "--json") for _ in range(2)]
        until_both_wait()
    results = [json.loads(copy.communicate(timeout=PATIENCE)[0]) for copy in copies]

    assert [copy.returncode for copy in copies] == [0, 0]
    assert sorted(results[0]["changed"] + results[1]["changed"]) == sorted(ids)
    recorded = Counter(AuditEntry.objects.filter(action=f"{action}_stream").values_list("target_id", flat=True))
    assert recorded == dict.fromkeys(ids, 1)
