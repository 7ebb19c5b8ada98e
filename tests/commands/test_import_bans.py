"""manage.py import_bans"""

import gc
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from bans.models import BulkRequest, LiveStreamBan
from bans.services import approve_request
from common import commands
from common.models import AuditEntry
from tests.commands.ban_files import line, peak_of
from tests.commands.conftest import Import, Start, waiting_for_streams
from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.streams import make_stream


def test_each_refused_line_is_reported_with_its_reasons_and_stops_no_other(
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


def test_a_broken_csv_record_is_reported_by_its_line(
    imported: Import, creator: User, viewer: User, guest: User
) -> None:
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


def test_by_names_the_creator_of_the_bans_and_the_actor_of_the_audit_rows(
    imported: Import, creator: User, viewer: User, moderator: User
) -> None:
    stream = make_stream(creator)

    facts = imported(line(stream, targetUserId=viewer.pk, createdBy=creator.pk), "--by", "MODERATOR")

    assert facts["imported"] == 1
    assert LiveStreamBan.objects.get().created_by == moderator
    entry = AuditEntry.objects.get(action="ban_user")
    assert (entry.entry_point, entry.actor_id) == ("command", moderator.pk)


def test_without_by_each_line_names_the_creator_and_the_audit_row_has_no_actor(
    imported: Import, creator: User, viewer: User
) -> None:
    imported(line(make_stream(creator), targetUserId=viewer.pk, createdBy=creator.pk))
    assert LiveStreamBan.objects.get().created_by == creator
    assert AuditEntry.objects.get(action="ban_user").actor_id is None


def test_a_dry_run_reports_the_same_and_changes_nothing(imported: Import, creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    text = line(stream, targetUserId=viewer.pk, createdBy=creator.pk) + line(stream, createdBy=creator.pk)
    entries = AuditEntry.objects.count()

    foreseen = imported(text, "--dry-run")
    assert (LiveStreamBan.all_objects.count(), AuditEntry.objects.count()) == (0, entries)
    done = imported(text)

    assert foreseen.pop("dry_run") is True
    assert done.pop("dry_run") is False
    assert foreseen == done


def test_without_json_the_report_is_in_sentences(
    creator: User, viewer: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bans"
    file.write_text(line(make_stream(creator), targetUserId=viewer.pk, createdBy=creator.pk) + "{}\n")

    with pytest.raises(CommandError, match="1 lines were refused"):
        call_command("import_bans", str(file))

    assert capsys.readouterr() == (
        "1 bans imported, 0 were there already.\n",
        "line 2: liveStreamId: is required\n",
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["no-such-file"], "FILE: "),
        (["/dev/null", "--by", "nobody"], "--by: there is no user with the name nobody"),
    ],
    ids=str,
)
def test_wrong_arguments_of_an_import_end_with_code_2(words: list[str], expected: str, db: None) -> None:
    with pytest.raises(CommandError, match=expected) as raised:
        call_command("import_bans", *words)
    assert raised.value.returncode == 2


def test_a_file_of_several_blocks_is_read_to_the_end(
    imported: Import, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "BATCH", 2)
    stream = make_stream(creator)
    people = [make_user(f"raider{number}") for number in range(5)]
    text = "".join(line(stream, targetUsername=user.username, createdBy=creator.pk) for user in [*people, people[0]])

    facts = imported(text)

    assert (facts["imported"], facts["there_already"]) == (5, 1)


def test_more_bans_than_the_limit_wait_for_a_second_moderator_and_are_asked_for_once(
    imported: Import, creator: User, settings: Any
) -> None:
    settings.FOUR_EYES_ABOVE = 2
    large, small = make_stream(creator), make_stream(creator)
    people = [make_user(f"raider{number}") for number in range(3)]
    text = "".join(line(large, targetUserId=user.pk, createdBy=creator.pk) for user in people)
    text += line(small, targetUserId=people[0].pk, createdBy=creator.pk)

    first = imported(text)
    again = imported(text)

    assert (first["imported"], first["requested"], first["refused"]) == (1, 3, 0)
    assert (again["imported"], again["requested"], again["there_already"]) == (0, 3, 1)
    request = BulkRequest.objects.get()
    assert request.requested_by is None
    approve_request(request.pk, by=make_user("second"), now=timezone.now(), reason="x")
    assert LiveStreamBan.objects.filter(stream=large, created_by=creator).count() == 3
    assert imported(text)["there_already"] == 4


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
    reports = [json.loads(copy.communicate(timeout=PATIENCE)[0]) for copy in copies]

    assert [copy.returncode for copy in copies] == [0, 0]
    assert sum(facts["imported"] for facts in reports) == LiveStreamBan.objects.count() == 300
    assert sum(facts["there_already"] for facts in reports) == 300


def test_the_memory_of_an_import_does_not_grow_with_its_lines(creator: User, viewer: User, tmp_path: Path) -> None:
    file = tmp_path / "all.ndjson"
    refused = line(make_stream(creator), targetUserId=viewer.pk, createdBy=creator.pk, expiresAt="2020-01-01T00:00:00Z")

    def import_file() -> None:
        with pytest.raises(CommandError, match="lines were refused"):
            call_command("import_bans", str(file), stdout=StringIO(), stderr=_Discarded())

    peaks = []
    for count in (2_000, 8_000):
        file.write_text(refused * count)
        peaks.append(peak_of(import_file))

    assert peaks[1] < peaks[0] * 1.2


class _Discarded(StringIO):
    """Discards what is written, and collects garbage regularly, so that only live objects count as memory in use."""

    lines = 0

    def write(self, text: str) -> int:
        self.lines += 1
        if self.lines % 500 == 0:
            gc.collect()
        return len(text)
