"""manage.py export_bans and import_bans"""

import csv
import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from common import commands
from common.models import AuditEntry
from common.times import wire_time
from livestreams.models import LiveStream
from tests.bans.people import lapsed_ban, make_ban
from tests.commands.conftest import Import, Run, Start, waiting_for_streams
from tests.conftest import make_user
from tests.streams import make_stream

COLUMNS = [
    "_id",
    "liveStreamId",
    "targetUserId",
    "targetUsername",
    "actionType",
    "reason",
    "expiresAt",
    "createdAt",
    "createdBy",
    "deletedAt",
    "deletedBy",
]


def exported(*words: str) -> str:
    written = StringIO()
    call_command("export_bans", *words, stdout=written, stderr=StringIO())
    return written.getvalue()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def meaning() -> list[Any]:
    """What a ban says, apart from what an import makes anew."""
    told = ("stream_id", "target_id", "action_type", "reason", "expires_at", "created_by_id")
    return sorted(LiveStreamBan.objects.values_list(*told), key=str)


# --- export ---------------------------------------------------------------------------------------


def test_the_bans_that_hold_are_written_stream_by_stream(
    creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    stream, other = make_stream(creator), make_stream(creator)
    end = now + timedelta(hours=1)
    bans = [
        make_ban(viewer, stream, now=now, reason='Küfür, "spam"\nve daha', expires_at=end),
        make_ban(stranger, other, now=now, action_type="CHAT_ONLY"),
        make_ban(stranger, stream, now=now),
    ]
    lapsed_ban(viewer, other)
    services.lift_ban(make_ban(viewer, other).pk, by=creator, now=now)

    rows = lines(exported())

    assert [list(row) for row in rows] == [COLUMNS] * 3
    assert [row["_id"] for row in rows] == [ban.pk for ban in sorted(bans, key=lambda ban: (ban.stream_id, ban.pk))]
    assert next(row for row in rows if row["_id"] == bans[0].pk) == {
        "_id": bans[0].pk,
        "liveStreamId": stream.pk,
        "targetUserId": viewer.pk,
        "targetUsername": "viewer",
        "actionType": "BLOCK",
        "reason": 'Küfür, "spam"\nve daha',
        "expiresAt": wire_time(end),
        "createdAt": wire_time(now),
        "createdBy": creator.pk,
        "deletedAt": None,
        "deletedBy": None,
    }


def test_all_has_the_lifted_and_the_lapsed_too_and_a_stream_only_its_own(
    creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    stream = make_stream(creator)
    services.lift_ban(make_ban(viewer, stream).pk, by=creator, now=now)
    lapsed_ban(stranger, stream)
    make_ban(viewer, make_stream(creator))

    assert len(lines(exported("--all"))) == 3
    (lifted,) = [row for row in lines(exported("--all", "--stream", stream.pk)) if row["deletedAt"]]
    assert (lifted["deletedBy"], lifted["deletedAt"]) == (creator.pk, wire_time(now))
    assert exported("--stream", stream.pk) == ""


def test_csv_names_its_columns_and_quotes_what_needs_it(creator: User, viewer: User) -> None:
    ban = make_ban(viewer, make_stream(creator), reason='a,"b"\nç')

    (row,) = csv.DictReader(StringIO(exported("--format", "csv"), newline=""))

    assert list(row) == COLUMNS
    assert (row["_id"], row["reason"], row["expiresAt"]) == (ban.pk, 'a,"b"\nç', "")


def test_a_file_gets_the_bans_and_the_output_a_sentence(
    creator: User, viewer: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ban(viewer, make_stream(creator))
    file = tmp_path / "bans.ndjson"

    call_command("export_bans", "--output", str(file))
    assert capsys.readouterr() == ("1 bans exported.\n", "")
    call_command("export_bans", "--output", str(file), "--json")
    assert json.loads(capsys.readouterr().out) == {"exported": 1, "output": str(file)}
    assert file.read_text() == exported()


def test_without_a_file_what_is_said_goes_to_the_standard_error(
    creator: User, viewer: User, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ban(viewer, make_stream(creator))

    call_command("export_bans")

    out, err = capsys.readouterr()
    assert (len(lines(out)), err) == (1, "1 bans exported.\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--json"], "--json needs --output"),
        (["--output", "/nowhere/at/all"], "--output: [Errno 2] No such file or directory"),
        (["--stream", "x"], "must be 24 lower-case hexadecimal characters"),
    ],
    ids=str,
)
def test_a_wrong_export_is_wrong_use(words: list[str], told: str, db: None) -> None:
    with pytest.raises(CommandError, match=told.replace("[", r"\[")) as raised:
        exported(*words)
    if "--stream" not in words:  # through call_command, argparse's own refusals carry no code
        assert raised.value.returncode == 2


# --- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_what_was_exported_is_the_same_on_other_streams(
    form: str, imported: Import, creator: User, viewer: User, stranger: User, guest: User, now: datetime
) -> None:
    old, new = [make_stream(creator) for _ in range(2)], [make_stream(creator) for _ in range(2)]
    make_ban(viewer, old[0], reason='Küfür, "spam"\n\nve\tdaha', expires_at=now + timedelta(days=1))
    make_ban(stranger, old[0], action_type="CHAT_ONLY")
    make_ban(viewer, old[1], reason="'; --")
    make_ban(guest, old[1])
    before, text = meaning(), exported("--format", form)
    for there, here in zip(old, new, strict=True):
        text = text.replace(there.pk, here.pk)

    facts = imported(text, name=f"bans.{form}")

    assert (facts["imported"], facts["refused"], facts["code"]) == (4, 0, 0)
    moved = {stream.pk: other.pk for stream, other in zip(new, old, strict=True)}
    made = [row for row in meaning() if row[0] in moved]
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


# --- import ---------------------------------------------------------------------------------------


def line(stream: LiveStream, **values: Any) -> str:
    return json.dumps({"liveStreamId": stream.pk, **values}) + "\n"


def test_each_refused_line_is_told_exactly_and_stops_no_other(
    imported: Import, creator: User, viewer: User, moderator: User, stranger: User
) -> None:
    stream, over = make_stream(creator), make_stream(creator, "ended")
    maker = {"createdBy": creator.pk}
    text = "".join(
        [
            line(stream, targetUserId=viewer.pk, **maker),
            "{not json}\n",
            "\n",
            "[]\n",
            line(stream, **maker),
            line(stream, targetUserId="x", actionType="KICK", **maker),
            line(stream, targetUsername="nobody", **maker),
            line(stream, targetUserId="0" * 24, **maker),
            line(stream, targetUsername="Moderator", **maker),
            line(stream, targetUserId=creator.pk, **maker),
            line(stream, targetUserId=stranger.pk, expiresAt="2020-01-01T00:00:00Z", **maker),
            line(stream, targetUserId=stranger.pk, expiresAt="tomorrow", **maker),
            line(stream, targetUserId=stranger.pk, deletedAt="2020-01-01T00:00:00Z", **maker),
            line(stream, targetUserId=stranger.pk, reason="x" * 501, **maker),
            line(stream, targetUserId=stranger.pk),
            line(stream, targetUserId=stranger.pk, createdBy="0" * 24),
            line(over, targetUserId=stranger.pk, **maker),
            json.dumps({"liveStreamId": "0" * 24, "targetUserId": stranger.pk, **maker}) + "\n",
            line(stream, targetUsername="STRANGER", **maker),
        ]
    )

    facts = imported(text)

    refused = {one["line"]: one["reasons"] for one in facts["refused_lines"]}
    assert refused.pop(2)[0].startswith("is not JSON: ")
    assert refused == {
        4: ["body: must be a JSON object"],
        5: ["targetUserId: is required, or targetUsername"],
        6: [
            "targetUserId: must be 24 lower-case hexadecimal characters",
            "actionType: must be one of BLOCK, CHAT_ONLY",
        ],
        7: ["targetUsername: there is no user with this id"],
        8: ["targetUserId: there is no user with this id"],
        9: ["targetUsername: staff and moderators cannot be banned"],
        10: ["targetUserId: you cannot ban yourself"],
        11: ["expiresAt: must lie in the future"],
        12: ["expiresAt: must be an ISO 8601 time with a time zone, such as 2026-01-15T10:30:00.000Z"],
        13: ["deletedAt: must be empty; a lifted ban is not made again"],
        14: ["reason: must have at most 500 characters"],
        15: ["createdBy: is required, or --by"],
        16: ["createdBy: there is no user with this id"],
        17: ["liveStreamId: the stream is over; nobody can be banned from it any more"],
        18: ["liveStreamId: there is no stream with this id"],
    }
    assert (facts["imported"], facts["refused"], facts["code"]) == (2, 16, 1)
    assert "line 11: expiresAt: must lie in the future\n" in facts["stderr"]
    assert set(LiveStreamBan.objects.values_list("target", flat=True)) == {viewer.pk, stranger.pk}


def test_a_broken_csv_record_is_told_by_its_line(imported: Import, creator: User, viewer: User, guest: User) -> None:
    stream = make_stream(creator)
    text = (
        b"\xef\xbb\xbfliveStreamId,targetUsername,reason\r\n"
        + f"{stream.pk},viewer,\r\n".encode()
        + f"{stream.pk},guest,\xff\r\n".encode("latin-1")
        + f'{stream.pk},guest,"two\nlines",more\r\n'.encode()
        + f'{stream.pk},guest,"a"b\r\n'.encode()
        + f"{stream.pk},guest,iki satır\r\n".encode()
    )

    facts = imported(text, "--by", "creator", name="bans.csv")

    assert facts["refused_lines"] == [
        {"line": 3, "reasons": ["is not UTF-8"]},
        {"line": 5, "reasons": ["has more cells than the first line has names"]},
        {"line": 6, "reasons": ["is not CSV: ',' expected after '\"'"]},
    ]
    assert facts["imported"] == 2
    assert LiveStreamBan.objects.get(target=viewer).reason is None
    assert LiveStreamBan.objects.get(target=guest).reason == "iki satır"


def test_by_says_whose_the_bans_become_and_who_is_recorded(
    imported: Import, creator: User, viewer: User, moderator: User
) -> None:
    stream = make_stream(creator)

    facts = imported(line(stream, targetUserId=viewer.pk, createdBy=creator.pk), "--by", "MODERATOR")

    assert facts["imported"] == 1
    assert LiveStreamBan.objects.get().created_by == moderator
    entry = AuditEntry.objects.get(action="ban_user")
    assert (entry.entry_point, entry.actor_id) == ("command", moderator.pk)


def test_without_by_the_system_is_recorded_and_the_line_says_whose_ban_it_is(
    imported: Import, creator: User, viewer: User
) -> None:
    imported(line(make_stream(creator), targetUserId=viewer.pk, createdBy=creator.pk))
    assert LiveStreamBan.objects.get().created_by == creator
    assert AuditEntry.objects.get(action="ban_user").actor_id is None


def test_a_dry_run_tells_the_same_and_changes_nothing(imported: Import, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    text = line(stream, targetUserId=viewer.pk, createdBy=creator.pk) + line(stream, createdBy=creator.pk)
    entries = AuditEntry.objects.count()

    foreseen = imported(text, "--dry-run")
    assert (LiveStreamBan.all_objects.count(), AuditEntry.objects.count()) == (0, entries)
    done = imported(text)

    assert foreseen.pop("dry_run") is True
    assert done.pop("dry_run") is False
    assert foreseen == done


def test_people_read_sentences(creator: User, viewer: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bans"
    file.write_text(line(make_stream(creator), targetUserId=viewer.pk, createdBy=creator.pk) + "{}\n")

    with pytest.raises(CommandError, match="1 lines were refused"):
        call_command("import_bans", str(file))

    assert capsys.readouterr() == (
        "1 bans imported, 0 were there already.\n",
        "line 2: liveStreamId: is required\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no-such-file"], "FILE: "),
        (["/dev/null", "--by", "nobody"], "--by: there is no user with the name nobody"),
    ],
    ids=str,
)
def test_a_wrong_import_is_wrong_use(words: list[str], told: str, db: None) -> None:
    with pytest.raises(CommandError, match=told) as raised:
        call_command("import_bans", *words)
    assert raised.value.returncode == 2


def test_more_than_a_block_is_read_to_the_end(imported: Import, creator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "BATCH", 2)
    stream = make_stream(creator)
    people = [make_user(f"raider{number}") for number in range(5)]
    text = "".join(line(stream, targetUsername=user.username, createdBy=creator.pk) for user in [*people, people[0]])

    facts = imported(text)

    assert (facts["imported"], facts["there_already"]) == (5, 1)


# --- many, and at once ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_make_each_ban_once(creator: User, tmp_path: Path, start: Start) -> None:
    streams = [make_stream(creator) for _ in range(3)]
    people = User.objects.bulk_create(User(username=f"raider{number}") for number in range(100))
    file = tmp_path / "bans.ndjson"
    file.write_text(
        "".join(line(stream, targetUserId=user.pk, createdBy=creator.pk) for user in people for stream in streams)
    )

    with waiting_for_streams(2) as until_both_wait:
        copies = [start("import_bans", str(file), "--json") for _ in range(2)]
        until_both_wait()
    told = [json.loads(copy.communicate(timeout=60)[0]) for copy in copies]

    assert [copy.returncode for copy in copies] == [0, 0]
    assert sum(facts["imported"] for facts in told) == LiveStreamBan.objects.count() == 300
    assert sum(facts["there_already"] for facts in told) == 300


@pytest.mark.django_db(transaction=True)
def test_an_export_is_piped_into_an_import(creator: User, viewer: User, place: dict[str, str], run: Run) -> None:
    make_ban(viewer, make_stream(creator))
    finished = run("export_bans", "--format", "csv")
    assert (finished.returncode, finished.stderr) == (0, "1 bans exported.\n")
    LiveStreamBan.all_objects.all().delete()

    piped = subprocess.run(
        [sys.executable, "manage.py", "import_bans", "-", "--format", "csv"],
        cwd=settings.BASE_DIR,
        env=place,
        input=finished.stdout,
        capture_output=True,
        text=True,
        check=True,
    )

    assert piped.stdout == "1 bans imported, 0 were there already.\n"
    assert LiveStreamBan.objects.get().target == viewer


def peak_of(act: Callable[[], object]) -> int:
    """The most memory, in bytes, that `act` had in use at any moment beyond what was in use before."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.django_db(transaction=True)
def test_the_memory_of_an_export_does_not_grow_with_the_bans(creator: User, tmp_path: Path) -> None:
    file = tmp_path / "all.ndjson"
    stream = make_stream(creator)
    now = timezone.now()

    def export() -> None:
        call_command("export_bans", "--output", str(file), stdout=StringIO())

    peaks = []
    for count in (4_000, 16_000):
        start = User.objects.count()
        people = User.objects.bulk_create(User(username=f"raider{start + number}") for number in range(count))
        LiveStreamBan.objects.bulk_create(
            LiveStreamBan(
                stream=stream, target=user, reason="x" * 500, created_by=creator, created_at=now, updated_at=now
            )
            for user in people
        )
        peaks.append(peak_of(export))

    assert len(file.read_text().splitlines()) == 20_000
    assert peaks[1] < peaks[0] * 1.2


def test_the_memory_of_an_import_does_not_grow_with_its_lines(creator: User, viewer: User, tmp_path: Path) -> None:
    file = tmp_path / "all.ndjson"
    refused = line(make_stream(creator), targetUserId=viewer.pk, createdBy=creator.pk, expiresAt="2020-01-01T00:00:00Z")

    def take() -> None:
        with pytest.raises(CommandError, match="lines were refused"):
            call_command("import_bans", str(file), stdout=StringIO(), stderr=_Nowhere())

    peaks = []
    for count in (2_000, 8_000):
        file.write_text(refused * count)
        peaks.append(peak_of(take))

    assert peaks[1] < peaks[0] * 1.2


class _Nowhere(StringIO):
    """Keeps nothing, and has garbage collected now and then: what waits for that says nothing about what is held."""

    lines = 0

    def write(self, text: str) -> int:
        self.lines += 1
        if self.lines % 500 == 0:
            gc.collect()
        return len(text)
