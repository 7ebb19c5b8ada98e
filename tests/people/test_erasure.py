"""`people erase`: nothing of the person is left in the database, and nothing of other people is lost."""

from contextlib import closing
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session as AdminSession
from django.core.management import call_command
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import services
from accounts.models import Media, User
from bans.models import Appeal, BulkRequest, Report
from common import audit_archive, erasure
from common.locks import AdvisoryLock
from common.models import AuditEntry
from common.storage.backups import BACKUP
from edges.models import Feedback
from livestreams.models import LiveStream, Status
from reminders.models import Delivery, Notification, Reminder
from tests.conftest import Api, client_of, make_user, session_of
from tests.envelope import data_of
from tests.people.commands import erase, refused
from tests.people.world import EMAIL, FORMER, NAME, OTHER, WORD, World, bytes_with, rows_with
from tests.races import at_once
from tests.streams import make_stream

BUSY = "Another process erases somebody, archives audit rows or makes a backup. Run it again when that is done."


def found() -> dict[str, list[str]]:
    return rows_with(WORD, NAME, FORMER, EMAIL, bytes_with(WORD))


def test_no_row_of_any_table_has_a_name_or_a_text_of_the_person(world: World) -> None:
    assert len(found()) > 15

    erase(world.person)

    assert found() == {}


def test_the_account_stays_with_its_id_and_a_tombstone(world: World, api: Api) -> None:
    person = world.person
    erase(person)

    user = User.objects.get(pk=person.pk)
    assert user.username == f"erased.{person.pk}"
    assert (user.name, user.surname, user.email, user.identity_issuer, user.identity_subject) == ("", "", "", "", "")
    assert (user.is_active, user.is_staff, user.is_superuser, user.has_usable_password()) == (False,) * 4
    assert (user.profile_photo, user.last_login, user.availability_status) == (None, None, "offline")
    assert (user.groups.count(), user.user_permissions.count()) == (0, 0)
    assert client_of(world.other).get(f"/api/v1/users/profile/{person.pk}").status_code == 404
    assert data_of(client_of(world.other).get("/api/v1/users/search", {"q": WORD}))["list"] == []


def test_tokens_and_sessions_end(world: World) -> None:
    client = client_of(world.person)
    assert client.get("/api/v1/users/me").status_code == 200
    left = [session.get_decoded()["_auth_user_id"] for session in AdminSession.objects.all()]
    assert sorted(left) == sorted([world.person.pk, world.other.pk])

    erase(world.person)

    assert client.get("/api/v1/users/me").status_code == 401
    assert [session.get_decoded()["_auth_user_id"] for session in AdminSession.objects.all()] == [world.other.pk]


def test_the_files_of_pictures_are_removed_by_jobs(world: World) -> None:
    erase(world.person)

    assert not Media.objects.exists()
    named = [str(args) for args in ProcrastinateJob.objects.values_list("args", flat=True)]
    for file in ("photos/a-full.webp", "photos/a-40.webp", "thumbnails/picture.webp"):
        assert any(file in args for args in named), file


def test_streams_keep_their_ids_and_lose_their_texts(world: World) -> None:
    erase(world.person)

    stream = LiveStream.objects.get(pk=world.stream.pk)
    assert (stream.title, stream.title_folded, stream.motivation, stream.interest) == (
        "[erased]",
        "[erased]",
        None,
        None,
    )
    assert (stream.channel_name, stream.thumbnail) == (f"erased-{stream.pk}", "")
    assert (stream.creator_id, stream.status) == (world.person.pk, Status.ENDED)


def test_texts_of_other_people_stay(world: World) -> None:
    others = [
        Feedback.objects.filter(user=world.other).values(),
        Report.objects.filter(reporter=world.other).values(),
        Notification.objects.filter(user=world.other).values(),
        Reminder.objects.filter(user=world.other).values(),
        Delivery.objects.filter(channel="webhook").values(),
        LiveStream.all_objects.filter(creator=world.other).values(),
        User.objects.filter(pk__in=[world.other.pk, world.moderator.pk]).values(),
        AuditEntry.objects.filter(target_id=world.others_stream.pk, action="edit_stream").order_by("pk").values(),
    ]
    before = [list(rows) for rows in others]
    assert all(before)

    erase(world.person)

    assert [list(rows.all()) for rows in others] == before
    request = BulkRequest.objects.get(action="ban")
    assert [ban["reason"] for ban in request.payload["bans"]] == [None, OTHER]
    assert Appeal.objects.get().text == "[erased]"


def test_audit_rows_tell_of_the_erasure_and_name_nobody(world: World) -> None:
    facts = erase(world.person, "--reason", "Request 17")

    rows = AuditEntry.objects.filter(target_id=world.person.pk, action__in=services.ERASING).order_by("pk")
    *chunks, account, redaction = rows
    assert {row.after["source"]: row.after["rows"] for row in chunks} == facts["rows"]
    assert account.after == {"username": f"erased.{world.person.pk}", "erased": facts["rows"]}
    assert (account.reason, account.actor_id, account.entry_point) == ("Request 17", None, "command")
    assert redaction.after["rows"] == facts["audit_rows"] > 10


def test_a_dry_run_counts_what_an_erasure_changes(world: World) -> None:
    before = found()
    output = StringIO()
    call_command("people", "erase", NAME, "--dry-run", stdout=output)
    counted = erase(world.person, "--dry-run")
    assert found() == before
    assert counted["changed"]

    done = erase(world.person)

    # The end of the sessions removes the pairs of tokens.
    assert done["rows"] | {"refreshed_pairs": 1} == counted["rows"]
    # The erasure ends the sessions, which is another entry with the name.
    assert done["audit_rows"] - counted["audit_rows"] == 1
    assert f"{done['rows']['reminders']:>8} reminders" in output.getvalue()


def test_a_second_erasure_finds_nothing_to_do(world: World) -> None:
    erase(world.person)
    rows, entries = list(User.objects.filter(pk=world.person.pk).values()), AuditEntry.objects.count()

    for words in ((), ("--dry-run",)):
        facts = erase(world.person, *words)
        assert (facts["changed"], facts["rows"], facts["audit_rows"]) == (False, {}, 0)

    assert list(User.objects.filter(pk=world.person.pk).values()) == rows
    assert AuditEntry.objects.count() == entries


@pytest.mark.parametrize("step", ["close_account", "erase_rows", "redact", "erase_account"])
def test_an_interrupted_erasure_is_completed_by_the_next(
    step: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common import audit_redaction  # noqa: PLC0415 - what is patched

    owner = {"erase_rows": erasure, "redact": audit_redaction}.get(step, services)
    whole = getattr(owner, step)

    def interrupted(*args: Any, **options: Any) -> Any:
        whole(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            erase(world.person)
    assert not User.objects.get(pk=world.person.pk).is_active

    erase(world.person)

    assert found() == {}
    assert services.is_erased(User.objects.get(pk=world.person.pk))


def test_rows_are_erased_in_chunks(world: World, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(erasure, "CHUNK", 2)
    for number in range(5):
        stream = make_stream(world.other, "preparing", title=f"{OTHER} {number}", planned_start_at=None)
        Reminder.objects.create(
            stream=stream, user=world.person, minute=1, language="tr", created_at=now, updated_at=now
        )

    facts = erase(world.person)

    rows = AuditEntry.objects.filter(action="erase_rows", after__source="reminders").order_by("pk")
    assert [row.after["rows"] for row in rows] == [2, 2, 2]
    assert facts["rows"]["reminders"] == 6
    assert not Reminder.objects.filter(user=world.person).exists()


def test_a_name_that_somebody_else_has_is_not_taken_for_the_person(world: World, now: datetime) -> None:
    services.create_user(FORMER, None, by=None, now=now)
    make_user(f"erased.{world.person.pk}")

    erase(world.person)

    assert User.objects.get(pk=world.person.pk).username == f"erased.{world.person.pk}.2"
    assert AuditEntry.objects.filter(before__moderator=FORMER).exists()
    assert AuditEntry.objects.filter(action="create_user", after__username=FORMER).count() == 1


# --- refusals -------------------------------------------------------------------------------------


def test_open_streams_refuse_an_erasure(world: World) -> None:
    stream = make_stream(world.person)
    for words in (("--yes",), ("--dry-run",)):
        code, message = refused("erase", NAME, *words)
        assert (code, message) == (
            1,
            f"streams that are not over must be ended, cancelled or deleted first: {stream.pk}",
        )
    assert User.objects.get(pk=world.person.pk).is_active


def test_the_last_superuser_is_not_erased(world: World) -> None:
    assert refused("erase", "moderator", "--yes") == (1, "nobody else is an active superuser; create one first")


def test_nobody_erases_themself(world: World, now: datetime) -> None:
    with pytest.raises(services.Oneself):
        services.close_account(world.person.pk, by=world.person, now=now, reason="")


def test_without_confirmation_nothing_is_erased(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(NAME))
    assert refused("erase", NAME)[0] == 2
    assert User.objects.get(pk=world.person.pk).is_active


@pytest.mark.parametrize(("typed", "is_erased"), [(NAME, True), ("mia", False)])
def test_on_a_terminal_the_username_confirms_it(
    typed: str, is_erased: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("builtins.input", lambda _prompt: typed)
    if is_erased:
        call_command("people", "erase", NAME, stdout=StringIO())
    else:
        assert refused("erase", NAME)[0] == 2
    assert services.is_erased(User.objects.get(pk=world.person.pk)) == is_erased


def test_a_role_that_may_not_change_the_trail_is_refused(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE no_owner")
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO no_owner")
        cursor.execute("GRANT UPDATE ON accounts_user TO no_owner")
        cursor.execute("SET LOCAL ROLE no_owner")
        try:
            code, message = refused("erase", NAME, "--yes")
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute("DROP OWNED BY no_owner")
            cursor.execute("DROP ROLE no_owner")
    assert (code, "owner of the tables" in message) == (1, True)
    assert User.objects.get(pk=world.person.pk).is_active


# --- at once --------------------------------------------------------------------------------------


def test_of_two_erasures_at_once_each_row_is_erased_once(transactional_db: None, now: datetime) -> None:
    person, other = make_user("mia"), make_user("other")
    stream = make_stream(other, now=now)
    Reminder.objects.create(stream=stream, user=person, minute=1, language="tr", created_at=now, updated_at=now)
    session_of(person)

    def run(_number: int) -> Any:
        try:
            return erase(person)["rows"].get("reminders", 0)
        except Exception as refusal:
            return str(refusal)

    results = at_once(2, run)

    assert results.count(1) == 1
    assert {1, 0, BUSY} >= set(results)
    erased = AuditEntry.objects.filter(action="erase_rows", after__source="reminders")
    assert [row.after["rows"] for row in erased] == [1]
    assert AuditEntry.objects.filter(action="erase_account").count() == 1


@pytest.mark.parametrize("lock", [audit_archive.LOCK, BACKUP], ids=lambda lock: lock.name)
def test_an_erasure_does_not_wait_for_another_process_and_a_dry_run_needs_no_lock(
    lock: AdvisoryLock, world: World
) -> None:
    with closing(connection.copy()) as other, lock.tried_by_session(using=other) as is_taken:
        assert is_taken
        code, message = refused("erase", NAME, "--yes")
        assert erase(world.person, "--dry-run")["changed"]
    assert (code, message) == (1, BUSY)
    assert User.objects.get(pk=world.person.pk).is_active


def test_an_export_of_an_erased_person_has_what_is_kept(world: World, now: datetime) -> None:
    erase(world.person)
    lines: list[str] = []
    counts = erasure.export(world.person, lines.append, now=now + timedelta(hours=1), report=lines.append)
    assert WORD not in "".join(lines)
    assert counts["participations"] == counts["bans"] == counts["account"] == 1
    assert counts["reminders"] == counts["sessions"] == 0
