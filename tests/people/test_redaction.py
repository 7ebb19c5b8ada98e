"""The audit trail after an erasure: it verifies, tells how many rows were redacted, and nothing else can change it."""

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from bans.models import LiveStreamBan
from common import audit, audit_archive, audit_doctor, audit_guard, audit_redaction, partitions, redactions
from common.entry_points import EntryPoint, called_through
from common.items import Items
from common.models import AuditArchive, AuditEntry, AuditRedaction, AuditSeal
from common.retention import Removal
from livestreams.services import cancel_stream
from tests.common.sealing import sealed
from tests.people.commands import erase, export, refused
from tests.people.world import FORMER, NAME, WORD, World

LATER = timedelta(hours=1)
ENTRIES = "common_auditentry"


def verified() -> tuple[int, list[str]]:
    """The redacted rows, and what is wrong."""
    result, findings = audit_doctor.verify({}, lambda _: None)
    return result.redacted_rows, [finding.meaning for finding in findings]


def entries() -> dict[int, dict[str, Any]]:
    return {row["id"]: dict(row) for row in AuditEntry.objects.values()}


@pytest.fixture
def trail(world: World, now: datetime) -> World:
    """The entries of the world, and those of two more hours, in three seals. The last hour has none of the person."""
    sealed(now=now)
    for number, text in ((1, WORD), (2, "kept")):
        audit.record(
            "deactivate_user",
            world.person if number == 1 else world.other,
            by=world.moderator,
            now=now + number * LATER,
            before={},
            after={},
            reason=f"{text} once more",
        )
        sealed(now=now + number * LATER)
    return world


def test_the_trail_verifies_and_tells_how_many_rows_were_redacted(trail: World) -> None:
    facts = erase(trail.person)

    assert verified() == (facts["audit_rows"], [])
    output = StringIO()
    with suppress(CommandError):  # what else the doctor finds does not matter here
        call_command("doctor", "--audit", stdout=output)
    assert f"{facts['audit_rows']} rows were redacted, for 1 erased people." in output.getvalue()
    # The first hour, the second, the end of the sessions, and at last the usernames, which are in the first hour.
    assert list(AuditRedaction.objects.order_by("number").values_list("seal", flat=True)) == [1, 2, 4, 1]


def test_addresses_of_the_person_are_erased_and_those_of_others_are_kept(trail: World, now: datetime) -> None:
    for actor, address in ((trail.person, "198.51.100.4"), (trail.moderator, "198.51.100.5")):
        with called_through(EntryPoint.API, "request-1", {"REMOTE_ADDR": address}):
            audit.record("deactivate_user", trail.person, by=actor, now=now, before={}, after={}, reason=WORD)
    sealed(now=now + 3 * LATER)
    erase(trail.person)
    found = AuditEntry.objects.filter(request_id="request-1").order_by("pk")
    assert list(found.values_list("client_address", flat=True)) == ["", "198.51.100.5"]
    assert verified()[1] == []


def test_only_names_and_texts_of_the_person_change(trail: World) -> None:
    before = entries()
    facts = erase(trail.person)
    after = entries()

    changed = {key for key in before if before[key] != after[key]}
    # The erasure itself wrote and redacted the entry of the end of the sessions.
    assert len(changed) + 1 == facts["audit_rows"]
    fixed = ("at", "entry_point", "actor_id", "action", "target_type", "target_id", "request_id")
    for key in before:
        assert [before[key][name] for name in fixed] == [after[key][name] for name in fixed]
        assert before[key]["before"].keys() == after[key]["before"].keys()
        assert before[key]["after"].keys() == after[key]["after"].keys()
    for key in set(before) - changed:
        assert WORD not in json.dumps(before[key], default=str)


def test_two_erasures_one_after_the_other_are_both_verified(trail: World) -> None:
    cancel_stream(trail.others_stream.pk, by=trail.other, now=timezone.now())
    first, second = erase(trail.person), erase(trail.other)
    redacted, problems = verified()
    assert (redacted, problems) == (first["audit_rows"] + second["audit_rows"], [])
    assert redactions.current().people == 2
    assert AuditRedaction.objects.filter(seal=1).values("person").distinct().count() == 2


def test_an_interrupted_redaction_finds_former_names_again(
    trail: World, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ban = LiveStreamBan.all_objects.get(target=trail.other)
    audit.record(
        "take_over_claim", ban, by=trail.moderator, now=now + 3 * LATER, before={"moderator": FORMER}, after={}
    )
    with monkeypatch.context() as patched:
        patched.setattr(audit_redaction, "_redact_seal", stopped_after(1, audit_redaction._redact_seal))
        with pytest.raises(KeyboardInterrupt):
            erase(trail.person)
    assert AuditRedaction.objects.count() == 1

    erase(trail.person)

    assert not AuditEntry.objects.filter(before__moderator=FORMER).exists()
    assert verified()[1] == []


def stopped_after(calls: int, function: Callable[..., None]) -> Callable[..., None]:
    """The function, which raises KeyboardInterrupt from then on."""
    made = 0

    def called(*arguments: Any, **options: Any) -> None:
        nonlocal made
        made += 1
        if made > calls:
            raise KeyboardInterrupt
        function(*arguments, **options)

    return called


# --- tampering ------------------------------------------------------------------------------------


def unguarded(sql: str, *parameters: Any) -> None:
    """As an owner who switches the protection off."""
    with connection.cursor() as cursor:
        for table in audit_guard.append_only_tables():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {audit_guard.TRIGGER}")
        cursor.execute(sql, parameters)
        for table in audit_guard.append_only_tables():
            cursor.execute(audit_guard.enable_trigger(table))


def test_an_alteration_after_a_redaction_is_found(trail: World) -> None:
    erase(trail.person)
    entry = AuditEntry.objects.filter(reason="[erased]").earliest("pk")
    unguarded("UPDATE common_auditentry SET reason = 'invented' WHERE id = %s", entry.pk)
    assert "among" in verified()[1][0]
    assert "some were altered" in verified()[1][0]


def test_altered_rows_are_not_redacted(trail: World) -> None:
    entry = AuditEntry.objects.filter(action="create_user").earliest("pk")
    unguarded("UPDATE common_auditentry SET reason = 'invented' WHERE id = %s", entry.pk)

    code, message = refused("erase", NAME, "--yes")

    assert code == 1
    assert "the rows of seal 1 are not those that were sealed; run doctor --audit" in message
    assert not AuditRedaction.objects.exists()
    assert "some were altered" in verified()[1][0]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("DELETE FROM common_auditredaction WHERE number = 1", "redaction 1 is missing, redaction 2 comes next"),
        ("UPDATE common_auditredaction SET rows = 1 WHERE number = 1", "redaction 1 does not match its digest"),
        ("UPDATE common_auditredaction SET old_digest = '' WHERE number = 2", "does not continue the digest of seal 2"),
    ],
)
def test_a_chain_of_redactions_that_was_changed_is_found(sql: str, problem: str, trail: World) -> None:
    erase(trail.person)
    unguarded(sql)
    assert any(problem in meaning for meaning in verified()[1])


def test_rows_change_by_the_guarded_function_alone(trail: World) -> None:
    entry = AuditEntry.objects.earliest("pk")
    partition = next(each.table for each in partitions.partitions_of(ENTRIES) if partitions.rows_in(each.table))
    statements = [
        "UPDATE common_auditentry SET reason = 'x'",
        f"UPDATE {partition} SET reason = 'x'",
        "DO $$ BEGIN UPDATE common_auditentry SET reason = 'x'; END $$",
    ]
    for statement in statements:
        refused_by_trigger = pytest.raises(IntegrityError, match="the audit trail only grows")
        with refused_by_trigger, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("SELECT redact_audit_rows(%s, %s, %s, %s, %s)", [[entry.pk], ["x"], ["{}"], ["{}"], ["y"]])
    assert AuditEntry.objects.get(pk=entry.pk).reason == "y"
    assert "some were altered" in verified()[1][0]
    assert list(audit_guard.faults()) == []


def test_the_doctor_finds_a_changed_function(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(audit_guard.CREATE_REDACTING.replace("changed <> cardinality(ids)", "false"))
    (fault,) = audit_guard.faults()
    assert "redact_audit_rows is not the one of the migration (body)" in fault.meaning
    with connection.cursor() as cursor:
        cursor.execute(fault.repair)
    assert list(audit_guard.faults()) == []


# --- archives -------------------------------------------------------------------------------------


def archive(when: datetime) -> None:
    audit_archive.archive_old_months(when, Removal(dry_run=False, items=Items("purge")))


@pytest.fixture
def archived(trail: World, now: datetime) -> World:
    """The entries are in a file. The table goes on with one about the person, which is sealed, too."""
    first = partitions.partitions_of(ENTRIES)[0].end
    assert first is not None
    archive(partitions.begin_of(first + 12 * django_settings.AUDIT_RETENTION_YEARS) + timedelta(days=1))
    audit.record("log_out", trail.person, by=trail.person, now=now + 3 * LATER, before={}, after={}, reason=WORD)
    sealed(now=now + 3 * LATER)
    return trail


def files() -> list[Path]:
    return sorted(Path(django_settings.AUDIT_ARCHIVE_FOLDER).iterdir())


def texts() -> str:
    return "".join(gzip.decompress(file.read_bytes()).decode() for file in files())


def test_an_archive_is_written_again_without_the_name(archived: World) -> None:
    (before,) = files()
    rows = len(texts().splitlines())
    assert WORD in texts()

    facts = erase(archived.person)

    (after,) = files()
    assert after != before
    assert WORD not in texts()
    assert len(texts().splitlines()) == rows
    assert verified() == (facts["audit_rows"], [])
    assert AuditRedaction.objects.get(archive=1).file == after.name
    assert AuditArchive.objects.get().file == before.name


def test_an_archive_is_redacted_for_one_person_after_the_other(archived: World) -> None:
    cancel_stream(archived.others_stream.pk, by=archived.other, now=timezone.now())
    first, second = erase(archived.person), erase(archived.other)
    assert verified() == (first["audit_rows"] + second["audit_rows"], [])
    assert len(files()) == 1
    assert erase(archived.other)["audit_rows"] == 0


def test_what_an_interrupted_redaction_left_is_removed(archived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            erase(archived.person)
    assert len(files()) == 2

    facts = erase(archived.person)

    assert len(files()) == 1
    assert WORD not in texts()
    assert verified()[1] == []
    assert facts["changed"]


def _remove(file: Path) -> None:
    file.unlink()


def _alter(file: Path) -> None:
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"once more", b"never")))


@pytest.mark.parametrize("options", [["--yes"], ["--dry-run"]])
@pytest.mark.parametrize("damage", [_remove, _alter])
def test_a_damaged_archive_is_not_redacted(damage: Callable[[Path], None], options: list[str], archived: World) -> None:
    (file,) = files()
    damage(file)
    with pytest.raises(CommandError, match="The audit trail was not redacted: the archive"):
        call_command("people", "erase", NAME, *options)
    assert not AuditRedaction.objects.exists()


def test_an_export_has_the_entries_in_files(archived: World) -> None:
    (line,) = [line for line in export(archived.person)["audit_trail_archived"] if line["action"] == "rename_user"]
    assert line["after"] == {"username": NAME}
    assert line["at"].startswith("20")
    assert "actor_name" not in line
    files()[0].unlink()
    code, message = refused("export", NAME)
    assert (code, "cannot be read from AUDIT_ARCHIVE_FOLDER" in message) == (1, True)


def test_a_dry_run_counts_rows_in_files_and_changes_none(archived: World) -> None:
    content = files()[0].read_bytes()
    counted = erase(archived.person, "--dry-run")["audit_rows"]
    assert files()[0].read_bytes() == content
    assert not AuditRedaction.objects.exists()
    assert erase(archived.person)["audit_rows"] == counted + 1


def test_seals_of_later_hours_follow_the_others(trail: World, now: datetime) -> None:
    erase(trail.person)
    audit.record("log_out", trail.other, by=trail.other, now=now + 5 * LATER, before={}, after={})
    sealed(now=now + 5 * LATER)
    assert verified()[1] == []
    assert AuditSeal.objects.count() >= 5
