"""manage.py import_bans with files of spreadsheets and other programs: encodings, delimiters, escaped cells."""

import csv
import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from bans.models import LiveStreamBan
from common.models import AuditEntry
from tests.bans.people import make_ban
from tests.commands.ban_files import exported, line
from tests.commands.conftest import Import
from tests.conftest import make_user
from tests.streams import make_stream

REASONS = ["=1+1", "+90 555", "-1", "@SUM(A1)", "'quoted'", "'=1", "''", "plain; with, all\tof them", "ş\n=2"]


def names_and_reasons() -> list[Any]:
    return sorted(LiveStreamBan.objects.values_list("target__username", "reason"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("names_delimiter", [False, True])
def test_what_was_exported_comes_back_as_it_was_through_a_spreadsheet(
    encoding: str,
    delimiter: str,
    names_delimiter: bool,
    imported: Import,
    creator: User,
) -> None:
    stream = make_stream(creator)
    for number, reason in enumerate(REASONS):
        make_ban(make_user(f"@raider{number}"), stream, reason=reason)
    before, text = names_and_reasons(), exported("--format", "csv")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    LiveStreamBan.all_objects.all().delete()
    rewritten = io.StringIO(newline="")
    headings = ["ID", "Live Stream ID", "target_user_id", "Target Username", "ACTIONTYPE", *rows[0][5:]]
    csv.writer(rewritten, delimiter=delimiter).writerows([headings, *rows[1:], [""] * len(headings)])
    content = (f"sep={delimiter}\r\n" if names_delimiter else "") + rewritten.getvalue()

    facts = imported(content.encode(encoding), name="bans.CSV")

    assert (facts["imported"], facts["refused"], facts["code"]) == (len(REASONS), 0, 0)
    assert names_and_reasons() == before


def test_ndjson_is_not_escaped(creator: User, viewer: User) -> None:
    make_ban(viewer, make_stream(creator), reason="=1+1")
    assert '"reason":"=1+1"' in exported()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_byte_order_mark_does_not_spoil_the_first_line_of_ndjson(
    encoding: str,
    imported: Import,
    creator: User,
    viewer: User,
    guest: User,
) -> None:
    stream = make_stream(creator)
    text = "".join(line(stream, targetUserId=user.pk, createdBy=creator.pk) for user in (viewer, guest))

    facts = imported(text.encode(encoding))

    assert (facts["imported"], facts["refused"]) == (2, 0)


def test_lines_of_another_encoding_are_refused_by_number(
    imported: Import,
    creator: User,
    viewer: User,
    guest: User,
) -> None:
    stream = make_stream(creator)
    rows = f"liveStreamId;targetUsername;reason\n{stream.pk};viewer;küfür ş\n{stream.pk};guest;ok\n"

    facts = imported(rows.encode("cp1254"), "--by", "creator", name="bans.csv")
    objects = f'{{"liveStreamId": "{stream.pk}", "targetUsername": "viewer", "reason": "ş"}}\n'
    other = imported(objects.encode("cp1254"), "--by", "creator")

    assert facts["refused_lines"] == [{"line": 2, "reasons": ["is not UTF-8"]}]
    assert other["refused_lines"] == [{"line": 1, "reasons": ["is not UTF-8"]}]
    assert names_and_reasons() == [("guest", "ok")]


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        ("", "FILE: is empty; its first line must name the columns"),
        ("streamId;targetUserId", "FILE: line 1 has unknown headings: 'streamId'; found 'streamId', 'targetUserId'; "),
        ("targetUserId,reason", "FILE: line 1 lacks the heading liveStreamId; found 'targetUserId', 'reason'; known "),
        ("liveStreamId,reason", "FILE: line 1 lacks the heading targetUserId or targetUsername; found "),
        ("liveStreamId,targetUserId,expiry", "FILE: line 1 has unknown headings: 'expiry'; "),
    ],
)
def test_wrong_headings_are_reported_once_and_nothing_changes(
    headings: str, expected: str, creator: User, viewer: User, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = make_stream(creator)
    file = tmp_path / "bans.csv"
    file.write_text(headings and f"{headings}\n" + f"{stream.pk},{viewer.pk},x\n" * 3)
    entries = AuditEntry.objects.count()

    with pytest.raises(CommandError) as refused:
        call_command("import_bans", str(file), "--by", "creator", "--json")

    assert str(refused.value).startswith(expected)
    assert refused.value.returncode == 2
    assert capsys.readouterr() == ("", "")
    assert (LiveStreamBan.all_objects.count(), AuditEntry.objects.count()) == (0, entries)
