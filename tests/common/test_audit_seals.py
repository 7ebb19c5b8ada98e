"""Seals of the audit trail: what they cover, and that they detect tampering."""

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from procrastinate.contrib.django import app

from accounts.models import User
from common import audit, seals
from common.audit_doctor import examine
from common.audit_guard import TRIGGER, enable_trigger
from common.canonical import Row, canonical
from common.models import AuditEntry, AuditSeal
from config import tasks
from tests.common.sealing import sealed

START = datetime(2026, 3, 1, 12, 10, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENTRIES, SEALS = "common_auditentry", "common_auditseal"


def write(person: User, at: datetime, count: int = 1, **after: Any) -> None:
    for number in range(count):
        audit.record("greet", person, by=person, now=at, before={}, after={"number": number} | after)


@pytest.fixture
def three_hours(creator: User) -> datetime:
    """Three, two and four rows in three hours, each of which is sealed; the time of the last seal.

    Behind the first row of each hour stands an id that a transaction drew and gave back.
    """
    for hour, count in enumerate([3, 2, 4]):
        write(creator, START + hour * HOUR)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('common_auditentry', 'id'))")
        write(creator, START + hour * HOUR, count - 1, behind="the first")
    sealed(now=START + 3 * HOUR)
    return START + 3 * HOUR


def tamper(table: str, *statements: str) -> None:
    """Run statements as an owner of the tables who restores their definitions afterwards."""
    with connection.cursor() as cursor:
        for statement in (f"ALTER TABLE {table} DISABLE TRIGGER {TRIGGER}", *statements, enable_trigger(table)):
            cursor.execute(statement)


def doctor(*words: str) -> dict[str, Any]:
    said = io.StringIO()
    with suppress(CommandError):  # that errors were found
        call_command("doctor", "--audit", "--json", *words, stdout=said)
    facts: dict[str, Any] = json.loads(said.getvalue())
    facts["by_code"] = {
        finding["code"]: finding["meaning"] for finding in facts["findings"] if finding["code"].startswith("audit_")
    }
    return facts


# --- what a seal covers ---------------------------------------------------------------------------


def test_each_hour_gets_a_seal_that_covers_the_ids_since_the_one_before(three_hours: datetime) -> None:
    made = list(AuditSeal.objects.order_by("number"))
    ids = list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True))
    assert [(seal.number, seal.rows) for seal in made] == [(1, 3), (2, 2), (3, 4)]
    assert [(seal.first_id, seal.last_id) for seal in made] == [(ids[0], ids[2]), (ids[3], ids[4]), (ids[5], ids[8])]
    assert [seal.hour for seal in made] == [
        START.replace(minute=0, second=0, microsecond=0) + n * HOUR for n in range(3)
    ]
    assert {seal.made_at for seal in made} == {three_hours}


def test_an_hour_without_rows_gets_no_seal(three_hours: datetime) -> None:
    assert sealed(now=three_hours + 5 * HOUR) == []
    assert AuditSeal.objects.count() == 3


def test_backdated_rows_and_rows_of_the_future_do_not_hold_up_sealing(creator: User, three_hours: datetime) -> None:
    write(creator, START - 1000 * HOUR)
    write(creator, START + 10_000 * HOUR)
    write(creator, START + 4 * HOUR)
    made = sealed(now=START + 5 * HOUR)
    assert sum(seal.rows for seal in made) == 3
    assert doctor()["by_code"] == {}


def testpages_of_table_do_not_change_a_seal(creator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "PAGE", 2)
    for hour, count in enumerate([3, 2, 4]):
        write(creator, START + hour * HOUR, count)
    assert [seal.rows for seal in sealed(now=START + 3 * HOUR)] == [3, 2, 4]
    for page in (1, 2, 3, 4, 9, 100):
        monkeypatch.setattr(seals, "PAGE", page)
        facts = doctor()
        assert (facts["by_code"], facts["audit"]["seals"], facts["audit"]["rows"]) == ({}, 3, 9)


def test_the_text_of_a_row_does_not_depend_on_settings_of_the_session(creator: User, three_hours: datetime) -> None:
    def read() -> list[list[Row]]:
        return list(seals.pages_of_table(seals.LOWEST, seals.HIGHEST))

    settings = {
        "timezone": "Asia/Kolkata", "datestyle": "German, DMY", "bytea_output": "escape", "extra_float_digits": "-10",
        "intervalstyle": "sql_standard",
    }  # fmt: skip
    before = read()
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
    assert read() == before
    assert {type(value) for row in before[0] for value in row} == {int, str}


def by_hand(rows: Iterator[tuple[Any, ...]]) -> str:
    """The digest as decision 11 describes it, without code of this project."""
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def micros(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def test_another_program_can_compute_a_seal_from_its_description(creator: User) -> None:
    write(
        creator,
        START,
        note='"quoted"\n\t\x7f\u2028 İstanbul \U0001f600 /',
        number=1.50,
        nested={"b": [None, True], "a": 1},
    )
    audit.record("sleep", creator, by=None, now=START, before={"x": 1}, after={}, reason="günlük")
    (seal,) = sealed(now=START + HOUR)
    with connection.cursor() as cursor:
        cursor.execute("SELECT before::text, after::text FROM common_auditentry ORDER BY id")
        states = cursor.fetchall()
    rows = (
        (
            entry.pk, micros(entry.at), entry.entry_point, entry.actor_id, entry.actor_name, entry.action,
            entry.target_type, entry.target_id, before, after, entry.reason, entry.request_id,
        )
        for entry, (before, after) in zip(AuditEntry.objects.order_by("pk"), states, strict=True)
    )  # fmt: skip
    assert seal.rows_digest == by_hand(rows)
    assert seal.digest == by_hand(
        iter([("", 1, micros(seal.hour), seal.first_id, seal.last_id, 2, seal.rows_digest, micros(seal.made_at))])
    )


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text())))
def test_the_canonical_line_equals_that_of_the_standard_json_module(values: list[Any]) -> None:
    expected = json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"
    assert canonical(values) == expected.encode()


# --- tampering ------------------------------------------------------------------------------------


def ids_of(number: int) -> tuple[int, int]:
    seal = AuditSeal.objects.get(pk=number)
    return seal.first_id, seal.last_id


def test_an_unchanged_audit_trail_verifies(three_hours: datetime, creator: User, now: datetime) -> None:
    write(creator, now)
    facts = doctor()
    newest = AuditSeal.objects.get(pk=3)
    assert facts["by_code"] == {}
    counts = {"seals": 3, "rows": 9, "unsealed_rows": 1, "redacted_rows": 0, "redacted_people": 0}
    assert facts["audit"] == counts | {"newest_seal": f"3:{newest.digest}"}


# An erasure empties addresses, and older installations have rows without: no seal covers them (docs/audit-trail.md).
UNSEALED = {"client_address"}
COLUMNS = sorted({str(field.column) for field in AuditEntry._meta.concrete_fields if not field.primary_key} - UNSEALED)
OTHER_VALUE = {
    "at": "at + interval '1 microsecond'", "actor_id": "'\\x000000000000000000000000'",
    "target_id": "'\\x000000000000000000000000'", "before": "'{\"x\": 0}'", "after": "'{}'", "entry_point": "'task'",
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_one_altered_value_of_any_column_is_detected(column: str, three_hours: datetime) -> None:
    first, last = ids_of(2)
    value = OTHER_VALUE.get(column, f"{column} || ' '")
    tamper(ENTRIES, f"UPDATE {ENTRIES} SET {column} = {value} WHERE id = {first}")
    assert doctor()["by_code"] == {
        "audit_trail_altered": "Rows of the audit trail are not those that were sealed: seal 2 "
        f"(ids {first} to {last}, hour 2026-03-01 13:00 UTC): among 2 rows some were altered."
    }


def test_a_value_that_becomes_null_is_detected(three_hours: datetime) -> None:
    tamper(ENTRIES, f"UPDATE {ENTRIES} SET actor_id = NULL WHERE id = {ids_of(1)[0]}")
    assert "seal 1 " in doctor()["by_code"]["audit_trail_altered"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_row_is_detected(number: int, three_hours: datetime) -> None:
    rows = AuditSeal.objects.get(pk=number).rows
    tamper(ENTRIES, f"DELETE FROM {ENTRIES} WHERE id = {ids_of(number)[1]}")
    assert list(doctor()["by_code"]) == ["audit_trail_altered"]
    assert f"seal {number} (" in doctor()["by_code"]["audit_trail_altered"]
    assert f": 1 of {rows} rows are missing." in doctor()["by_code"]["audit_trail_altered"]


@pytest.mark.parametrize("seal", [1, 2])
@pytest.mark.parametrize("free", ["given back", "below all"])
def test_an_inserted_row_is_detected_even_if_the_role_may_only_insert(
    free: str, seal: int, three_hours: datetime
) -> None:
    seal = seal if free == "given back" else 1
    gap = ids_of(seal)[0] + 1 if free == "given back" else seals.LOWEST + seal
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ENTRIES} (id, at, entry_point, actor_name, action, target_type, target_id, before, after,"
            " reason, request_id) VALUES (%s, %s, 'api', '', 'forge', 'user', %s, '{}', '{}', '', '')",
            [gap, START, b"\0" * 12],
        )
    assert list(doctor()["by_code"]) == ["audit_trail_altered"]
    assert f"seal {seal} (" in doctor()["by_code"]["audit_trail_altered"]
    assert "1 rows were inserted into its" in doctor()["by_code"]["audit_trail_altered"]


def test_two_swapped_rows_are_detected(three_hours: datetime) -> None:
    first, last = ids_of(2)
    tamper(
        ENTRIES,
        f"UPDATE {ENTRIES} SET id = -1 WHERE id = {first}",
        f"UPDATE {ENTRIES} SET id = {first} WHERE id = {last}",
        f"UPDATE {ENTRIES} SET id = {last} WHERE id = -1",
    )
    assert "seal 2 (" in doctor()["by_code"]["audit_trail_altered"]


SEAL_COLUMNS = {
    "hour": "hour + interval '1 hour'", "first_id": "first_id - 1", "last_id": "last_id + 1000000", "rows": "rows + 1",
    "rows_digest": "repeat('a', 64)", "digest": "repeat('b', 64)", "made_at": "made_at + interval '1 second'",
}  # fmt: skip


def test_every_column_of_a_seal_has_a_tampering_case() -> None:
    assert sorted(SEAL_COLUMNS) == sorted(str(f.column) for f in AuditSeal._meta.concrete_fields if not f.primary_key)


@pytest.mark.parametrize("column", SEAL_COLUMNS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_altered_seal_is_reported_and_no_other(column: str, number: int, three_hours: datetime) -> None:
    tamper(SEALS, f"UPDATE {SEALS} SET {column} = {SEAL_COLUMNS[column]} WHERE number = {number}")
    broken = doctor()["by_code"]["audit_seals_broken"]
    assert broken.partition("chain: ")[2] == (
        f"seal {number} does not match its digest, or does not follow the seal before it."
    )


def test_a_row_and_its_seal_altered_together_are_detected_at_the_next_seal(three_hours: datetime) -> None:
    before = AuditSeal.objects.get(pk=1)
    tamper(ENTRIES, f"UPDATE {ENTRIES} SET reason = 'forged' WHERE id = {ids_of(2)[0]}")
    later = list(AuditSeal.objects.filter(pk__gt=1).order_by("pk"))
    tamper(SEALS, f"DELETE FROM {SEALS} WHERE number > 1")
    forged, _ = sealed(now=three_hours)
    tamper(SEALS, f"DELETE FROM {SEALS} WHERE number > 2")
    AuditSeal.objects.bulk_create(later[1:])
    assert forged.digest != later[0].digest
    assert before.number == 1
    assert list(doctor()["by_code"]) == ["audit_seals_broken"]
    assert "seal 3 does not match" in doctor()["by_code"]["audit_seals_broken"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_removed_seal_is_detected(number: int, three_hours: datetime) -> None:
    tamper(SEALS, f"DELETE FROM {SEALS} WHERE number = {number}")
    assert doctor()["by_code"] == {
        "audit_seals_broken": "The seals of the audit trail do not form a chain: "
        f"seal {number} is missing, seal {number + 1} comes next."
    }


def test_a_removed_last_seal_is_detected_as_rows_without_a_seal(three_hours: datetime) -> None:
    tamper(SEALS, f"DELETE FROM {SEALS} WHERE number = 3")
    assert list(doctor()["by_code"]) == ["audit_seals_late"]


def test_a_recomputed_chain_is_detected_with_the_seals_of_the_log(
    three_hours: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    logged = [f"--seal={seal.number}:{seal.digest}" for seal in AuditSeal.objects.order_by("number")]
    assert doctor(*logged)["by_code"] == {}
    tamper(ENTRIES, f"UPDATE {ENTRIES} SET reason = 'forged' WHERE id = {ids_of(2)[0]}")
    tamper(SEALS, f"DELETE FROM {SEALS} WHERE number > 1")
    sealed(now=three_hours)
    assert doctor()["by_code"] == {}
    assert doctor(logged[0])["by_code"] == {}
    assert "seal 3 has another digest than the log" in doctor(logged[2])["by_code"]["audit_seals_broken"]
    tamper(SEALS, f"DELETE FROM {SEALS} WHERE number > 2")
    assert "seal 3 of the log is not in the database" in doctor(logged[2])["by_code"]["audit_seals_broken"]


def test_a_report_describes_the_first_differences_and_counts_the_others(creator: User) -> None:
    for hour in range(8):
        write(creator, START + hour * HOUR)
    sealed(now=START + 8 * HOUR)
    tamper(ENTRIES, f"UPDATE {ENTRIES} SET reason = 'forged'")
    message = doctor()["by_code"]["audit_trail_altered"]
    assert message.count("some were altered") == seals.MOST_NAMED
    assert "seal 1 (" in message
    assert message.endswith("; and 3 more.")


# --- late seals -----------------------------------------------------------------------------------


def found() -> set[str]:
    return {finding.code for finding in examine()}


def test_rows_of_past_hours_without_a_seal_are_a_warning(creator: User, now: datetime) -> None:
    write(creator, now - 5 * HOUR)
    sealed(now=now - 4 * HOUR)
    assert found() == set()  # nothing is without a seal
    write(creator, now)
    assert found() == set()  # its hour is not over
    write(creator, now - 4 * HOUR)
    assert found() == {"audit_seals_late"}
    sealed(now=now)
    assert found() == set()


def test_before_the_first_seal_the_time_of_the_migration_counts(creator: User, now: datetime) -> None:
    write(creator, now - 5 * HOUR)  # backdated, as a demonstration writes them
    assert found() == set()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET applied = applied - interval '5 days' WHERE app = 'common'")
    assert found() == {"audit_seals_late"}


# --- the task and the command ---------------------------------------------------------------------


def test_workers_seal_each_hour_and_log_each_seal(creator: User, caplog: pytest.LogCaptureFixture) -> None:
    now = timezone.now()
    write(creator, now - HOUR)
    (hourly,) = (
        known for known in app.periodic_registry.periodic_tasks.values() if known.task is tasks.seal_audit_trail
    )
    with caplog.at_level("INFO", "common.seals"):
        tasks.seal_audit_trail(timestamp=0)
    seal = AuditSeal.objects.get()
    assert hourly.cron == tasks.HOURLY == "0 * * * *"
    assert [record.getMessage() for record in caplog.records] == [
        f"audit seal 1:{seal.digest} over ids {seal.first_id} to {seal.last_id}"
    ]


def test_the_command_prints_what_it_sealed(creator: User) -> None:
    write(creator, START)
    write(creator, START + HOUR)

    def said(*words: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command("seal_audit_trail", "--json", *words, stdout=out)
        facts: dict[str, Any] = json.loads(out.getvalue())
        return facts

    assert said("--dry-run") == {"dry_run": True, "rows": 2}
    assert AuditSeal.objects.count() == 0
    facts = said()
    names = [f"{seal.number}:{seal.digest}" for seal in AuditSeal.objects.order_by("number")]
    assert facts == {"dry_run": False, "rows": 2, "seals": names}
    assert said() == {"dry_run": False, "rows": 0, "seals": []}


@pytest.mark.parametrize("words", [["--seal=1:ab"], ["--audit", "--seal=x"], ["--audit", f"--seal=1:{'G' * 64}"]])
def test_an_invalid_seal_argument_is_a_usage_error(words: list[str], db: None) -> None:
    with pytest.raises(CommandError) as raised:
        call_command("doctor", *words)
    assert raised.value.returncode in {1, 2}


def test_the_text_output_has_the_figures(three_hours: datetime) -> None:
    said = io.StringIO()
    call_command("doctor", "--audit", stdout=said)
    newest = AuditSeal.objects.get(pk=3)
    assert said.getvalue().endswith(
        f"3 seals over 9 rows were computed again; 0 rows have no seal yet. Newest seal: 3:{newest.digest}\n"
    )
