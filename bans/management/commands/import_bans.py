"""Read bans from a file, such as export_bans writes."""

import csv
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
from bans import services
from bans.serializers import ImportedBanSerializer
from bans.services import Outcome as Became
from bans.services import Wanted
from common import commands
from common.api import reasons_of
from common.commands import OperatorCommand, Outcome
from common.fields import OBJECT_ID
from common.items import Items
from common.refusals import Invalid, Refusal
from livestreams.services import StreamMissing

type Line = tuple[int, Any]


_FAILED = "liveStreamId: the bans of this stream could not be made; the log says why"


class NotALine(ValueError):
    """Why a line cannot be read at all."""


@dataclass
class Tally:
    imported: int = 0
    there_already: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    refused_count: int = 0


class Command(OperatorCommand):
    help = (
        "Ban whom the lines of a file name: liveStreamId, targetUserId or targetUsername, actionType, reason,\n"
        "expiresAt and createdBy; a CSV file names them in its first line. The bans begin now.\n"
        "A line that is refused is told with its number, field and rule, and stops no other. Who is banned already\n"
        "is passed over, so any number of copies may run at once, and a second run imports nothing.\n"
        "Lines are read in blocks, in flat memory; a dry run does not see that two blocks name the same person."
    )
    examples = (
        "python manage.py import_bans bans.ndjson --dry-run",
        "python manage.py import_bans bans.csv --by moderator",
        "python manage.py import_bans - --format csv --json",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="what to read; - is the standard input")
        parser.add_argument("--format", choices=FORMATS, help="default: csv for a file named so, else ndjson")
        parser.add_argument(
            "--by", metavar="USERNAME", help="whose bans they become; without it each line's createdBy says so"
        )

    def work(self, **options: Any) -> Outcome:
        by = _user_named(options["by"]) if options["by"] else None
        name = options["format"] or ("csv" if options["file"].endswith(".csv") else "ndjson")
        dry_run = options["dry_run"]
        self.tally, self.keeps_refused = Tally(), options["json"]
        with _opened(options["file"]) as file:
            for block in batched(FORMATS[name](file), commands.BATCH):
                self.take(block, by=by, dry_run=dry_run)
        tally = self.tally
        facts = {
            "dry_run": dry_run,
            "imported": tally.imported,
            "there_already": tally.there_already,
            "refused": tally.refused_count,
            "refused_lines": tally.refused,
        }
        done = "would be imported" if dry_run else "imported"
        text = f"{tally.imported} bans {done}, {tally.there_already} were there already."
        problem = f"{tally.refused_count} lines were refused." if tally.refused_count else ""
        return Outcome(facts, text, problem)

    def take(self, block: Iterable[Line], *, by: User | None, dry_run: bool) -> None:
        """Import one block; the bans of each of its streams are one transaction."""
        refused: dict[int, list[str]] = {}
        read: dict[int, dict[str, Any]] = {}
        for number, line in block:
            try:
                if isinstance(line, NotALine):
                    raise line
                read[number] = ImportedBanSerializer.validated(line)
            except NotALine as why:
                refused[number] = [str(why)]
            except ValidationError as why:
                refused[number] = reasons_of(why.detail)
        makers = self.makers(read, by, refused)
        streams: dict[str, list[int]] = {}
        for number, maker in makers.items():
            streams.setdefault(read[number].pop("stream_id"), []).append(number)
            read[number] = {name: value for name, value in read[number].items() if name != "created_by"} | {"by": maker}
        items = Items("import_bans")
        for stream_id, numbers in streams.items():
            with items.item(stream_id):
                refused |= self.ban(stream_id, {number: Wanted(**read[number]) for number in numbers}, by, dry_run)
            if stream_id in items.failed:
                refused |= {number: [_FAILED] for number in numbers}
        for number, reasons in sorted(refused.items()):
            self.refuse(number, reasons)

    def makers(
        self, read: dict[int, dict[str, Any]], by: User | None, refused: dict[int, list[str]]
    ) -> dict[int, User]:
        """Whose ban each line becomes; a line that does not tell is refused."""
        if by is not None:
            return dict.fromkeys(read, by)
        known = User.objects.in_bulk({pk for values in read.values() if (pk := values.get("created_by"))})
        makers = {}
        for number, values in read.items():
            pk = values.get("created_by")
            if pk is None:
                refused[number] = ["createdBy: is required, or --by"]
            elif pk not in known:
                refused[number] = [f"createdBy: {services.TargetMissing.message}"]
            else:
                makers[number] = known[pk]
        return makers

    def ban(self, stream_id: str, wanted: dict[int, Wanted], by: User | None, dry_run: bool) -> dict[int, list[str]]:
        """Reasons by number of the lines that were refused."""
        try:
            batch = services.ban_each(stream_id, list(wanted.values()), by=by, now=timezone.now(), dry_run=dry_run)
        except (StreamMissing, services.StreamOver) as refusal:
            return {number: [f"liveStreamId: {refusal}"] for number in wanted}
        refused = {}
        for number, answer in zip(wanted, batch.answers, strict=True):
            match answer.outcome:
                case Became.BANNED:
                    self.tally.imported += 1
                case Became.ALREADY_BANNED | Became.DUPLICATE:
                    self.tally.there_already += 1
                case _:
                    assert answer.refusal is not None  # noqa: S101 - these two outcomes have one
                    refused[number] = [_reason(answer.target, answer.refusal)]
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
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield number, NotALine(f"is not JSON: {error}")


def _csv(file: IO[bytes]) -> Iterator[Line]:
    # A record may go over several lines, of which the last is told; bytes that are no UTF-8 spoil their record only.
    text = (line.decode("utf-8-sig", errors="surrogateescape") for line in file)
    records = csv.DictReader(text, strict=True)
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            yield records.reader.line_num, NotALine(f"is not CSV: {error}")
            continue
        if None in record:
            yield records.line_num, NotALine("has more cells than the first line has names")
        elif any(not (value or "").isascii() and not _is_unicode(value) for value in record.values()):
            yield records.line_num, NotALine("is not UTF-8")
        else:
            # An empty cell says that there is nothing to say.
            yield records.line_num, {name: value for name, value in record.items() if value}


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


FORMATS = {"ndjson": _ndjson, "csv": _csv}
