"""manage.py export_bans"""

import csv
import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from common.times import wire_time
from tests.bans.people import lapsed_ban, make_ban
from tests.commands.ban_files import exported, lines, peak_of
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


def test_holding_bans_are_written_in_the_order_of_streams(
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


def test_all_includes_lifted_and_lapsed_bans_and_stream_selects_one_stream(
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


def test_csv_has_a_heading_and_quotes_cells_that_need_it(creator: User, viewer: User) -> None:
    ban = make_ban(viewer, make_stream(creator), reason='a,"b"\nç')

    (row,) = csv.DictReader(StringIO(exported("--format", "csv"), newline=""))

    assert list(row) == COLUMNS
    assert (row["_id"], row["reason"], row["expiresAt"]) == (ban.pk, 'a,"b"\nç', "")


def test_with_output_the_bans_go_to_the_file_and_the_report_to_the_standard_output(
    creator: User, viewer: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ban(viewer, make_stream(creator))
    file = tmp_path / "bans.ndjson"

    call_command("export_bans", "--output", str(file))
    assert capsys.readouterr() == ("1 bans exported.\n", "")
    call_command("export_bans", "--output", str(file), "--json")
    assert json.loads(capsys.readouterr().out) == {"exported": 1, "output": str(file)}
    assert file.read_text() == exported()


def test_without_output_the_bans_go_to_the_standard_output_and_the_report_to_the_standard_error(
    creator: User, viewer: User, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ban(viewer, make_stream(creator))

    call_command("export_bans")

    out, err = capsys.readouterr()
    assert (len(lines(out)), err) == (1, "1 bans exported.\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--json"], "--json needs --output"),
        (["--output", "/nowhere/at/all"], "--output: [Errno 2] No such file or directory"),
        (["--stream", "x"], "must be 24 lower-case hexadecimal characters"),
    ],
    ids=str,
)
def test_wrong_arguments_of_an_export_end_with_code_2(words: list[str], expected: str, db: None) -> None:
    with pytest.raises(CommandError, match=expected.replace("[", r"\[")) as raised:
        exported(*words)
    if "--stream" not in words:  # through call_command, argparse's own refusals carry no code
        assert raised.value.returncode == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
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
