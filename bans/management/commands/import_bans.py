"""Make bans from the lines of a file, such as export_bans writes."""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import IO, Any

import orjson
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from accounts.models import User
from accounts.services import UserMissing
from bans import services
from bans.serializers import ImportedBanSerializer
from bans.services import BanRequest, BulkOutcome
from common import commands
from common.api import reasons_of
from common.commands import OperatorCommand, Outcome
from common.fields import OBJECT_ID
from common.items import Items
from common.refusals import Invalid, Refusal
from common.tables import NotARecord, NotATable, Table, is_text, text_lines
from livestreams.services import StreamMissing

type Line = tuple[int, Any]

READ = tuple(ImportedBanSerializer().fields)
# Columns of an export that an import ignores.
IGNORED = tuple(sorted(ImportedBanSerializer.ignored_keys))

_FAILED = "liveStreamId: the bans of this stream could not be made; the log says why"


@dataclass
class Tally:
    imported: int = 0
    there_already: int = 0
    requested: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    refused_count: int = 0


class Command(OperatorCommand):
    help = (
        "Make a ban of each line of a file. Fields: liveStreamId, targetUserId or targetUsername, actionType, reason,\n"
        "expiresAt and createdBy. A CSV file names them in its first line, in any case, separated by , ; | or tab. A\n"
        "first line with missing or unknown names ends the command with code 2, and nothing is imported. The encoding\n"
        "is UTF-8 or UTF-16. In CSV an apostrophe before = + - @ ' is removed (see export_bans). The bans begin now.\n"
        "A refused line is reported with its number, field and rule, and does not stop the others. People who are\n"
        "banned already are skipped, so the command is idempotent, and several copies may run at the same time.\n"
        "Lines are read in blocks, so memory stays constant. A dry run does not notice that two blocks name the same\n"
        "person."
    )
    examples = (
        "python manage.py import_bans bans.ndjson --dry-run",
        "python manage.py import_bans bans.csv --by moderator",
        "python manage.py import_bans - --format csv --json",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the file to read; - is the standard input")
        parser.add_argument("--format", choices=FORMATS, help="default: csv for a file named .csv or .tsv, else ndjson")
        parser.add_argument(
            "--by", metavar="USERNAME", help="the creator of all bans; without it, each line needs createdBy"
        )

    def work(self, **options: Any) -> Outcome:
        by = _user_named(options["by"]) if options["by"] else None
        name = options["format"] or ("csv" if CSV_FILE.fullmatch(options["file"]) else "ndjson")
        dry_run = options["dry_run"]
        self.tally, self.keeps_refused = Tally(), options["json"]
        with _opened(options["file"]) as file:
            try:
                for block in batched(FORMATS[name](file), commands.BATCH):
                    self.import_block(block, by=by, dry_run=dry_run)
            except NotATable as why:
                raise CommandError(f"FILE: {why}", returncode=2) from why
        tally = self.tally
        facts = {
            "dry_run": dry_run,
            "imported": tally.imported,
            "there_already": tally.there_already,
            "requested": tally.requested,
            "refused": tally.refused_count,
            "refused_lines": tally.refused,
        }
        done = "would be imported" if dry_run else "imported"
        text = f"{tally.imported} bans {done}, {tally.there_already} were there already."
        if tally.requested:
            text += f" {tally.requested} bans wait for the approval of a second moderator."
        problem = f"{tally.refused_count} lines were refused." if tally.refused_count else ""
        return Outcome(facts, text, problem)

    def import_block(self, block: Iterable[Line], *, by: User | None, dry_run: bool) -> None:
        """Import one block; the bans of each of its streams are one transaction."""
        refused: dict[int, list[str]] = {}
        read: dict[int, dict[str, Any]] = {}
        for number, line in block:
            try:
                if isinstance(line, NotARecord):
                    raise line
                read[number] = ImportedBanSerializer.validated(line)
            except NotARecord as why:
                refused[number] = [str(why)]
            except ValidationError as why:
                refused[number] = reasons_of(why.detail)
        creators = self.creators(read, by, refused)
        streams: dict[str, list[int]] = {}
        for number, creator in creators.items():
            streams.setdefault(read[number].pop("stream_id"), []).append(number)
            read[number].pop("created_by", None)
            read[number]["by"] = creator
        items = Items("import_bans")
        for stream_id, numbers in streams.items():
            with items.item(stream_id):
                refused |= self.ban(stream_id, {number: BanRequest(**read[number]) for number in numbers}, by, dry_run)
            if stream_id in items.failed:
                refused |= {number: [_FAILED] for number in numbers}
        for number, reasons in sorted(refused.items()):
            self.refuse(number, reasons)

    def creators(
        self, read: dict[int, dict[str, Any]], by: User | None, refused: dict[int, list[str]]
    ) -> dict[int, User]:
        """The creator of the ban of each line. Adds lines without one to `refused`."""
        if by is not None:
            return dict.fromkeys(read, by)
        known = User.objects.in_bulk({pk for values in read.values() if (pk := values.get("created_by"))})
        creators = {}
        for number, values in read.items():
            pk = values.get("created_by")
            if pk is None:
                refused[number] = ["createdBy: is required, or --by"]
            elif pk not in known:
                refused[number] = [f"createdBy: {UserMissing.message}"]
            else:
                creators[number] = known[pk]
        return creators

    def ban(
        self, stream_id: str, requests: dict[int, BanRequest], by: User | None, dry_run: bool
    ) -> dict[int, list[str]]:
        """Make the bans of one stream. Returns the reasons of refused lines, by line number."""
        try:
            batch = services.ban_each(stream_id, list(requests.values()), by=by, now=timezone.now(), dry_run=dry_run)
        except (StreamMissing, services.StreamOver) as refusal:
            return {number: [f"liveStreamId: {refusal}"] for number in requests}
        refused = {}
        for number, result in zip(requests, batch.results, strict=True):
            match result.outcome:
                case BulkOutcome.BANNED:
                    self.tally.imported += 1
                case BulkOutcome.REQUESTED:
                    self.tally.requested += 1
                case BulkOutcome.ALREADY_BANNED | BulkOutcome.DUPLICATE:
                    self.tally.there_already += 1
                case _:
                    assert result.refusal is not None  # noqa: S101 - the other outcomes have a refusal
                    refused[number] = [_reason(result.target, result.refusal)]
        return refused

    def refuse(self, number: int, reasons: list[str]) -> None:
        self.tally.refused_count += 1
        if self.keeps_refused:
            self.tally.refused.append({"line": number, "reasons": reasons})
        for reason in reasons:
            self.stderr.write(f"line {number}: {reason}")


def _reason(target: str, refusal: Refusal) -> str:
    if isinstance(refusal, Invalid):
        return refusal.reasons[0]
    field_name = "targetUserId" if OBJECT_ID.fullmatch(target) else "targetUsername"
    return f"{field_name}: {refusal}"


def _user_named(username: str) -> User:
    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist as error:
        raise CommandError(f"--by: there is no user with the name {username}", returncode=2) from error


# --- reading --------------------------------------------------------------------------------------


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CommandError(f"FILE: {error}", returncode=2) from error
    with opened:
        yield opened


def _ndjson(file: IO[bytes]) -> Iterator[Line]:
    for number, line in enumerate(text_lines(file), start=1):
        if not line.strip():
            continue
        if not is_text(line):
            yield number, NotARecord("is not UTF-8")
            continue
        try:
            read = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield number, NotARecord(f"is not JSON: {error}")
            continue
        yield number, _wanted(read) if isinstance(read, dict) else read


def _csv(file: IO[bytes]) -> Iterator[Line]:
    known = [*READ, *IGNORED]
    table = Table(file, known=known, required=[["liveStreamId"], ["targetUserId", "targetUsername"]])
    for number, record in table.records():
        yield number, _wanted(record) if isinstance(record, dict) else record


def _wanted(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in IGNORED}


FORMATS = {"ndjson": _ndjson, "csv": _csv}
CSV_FILE = re.compile(r".*\.(csv|tsv|tab)", re.IGNORECASE | re.DOTALL)
