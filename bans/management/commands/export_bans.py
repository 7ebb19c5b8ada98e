"""Write bans to a file or to the standard output."""

import csv
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import orjson
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from bans.models import LiveStreamBan
from common.commands import OperatorCommand, Outcome
from common.fields import OBJECT_ID
from common.tables import escaped
from common.times import optional_wire_time

ROWS_AT_ONCE = 2000
COLUMNS = {
    "_id": "pk",
    "liveStreamId": "stream_id",
    "targetUserId": "target_id",
    "targetUsername": "target__username",
    "actionType": "action_type",
    "reason": "reason",
    "expiresAt": "expires_at",
    "createdAt": "created_at",
    "createdBy": "created_by_id",
    "deletedAt": "deleted_at",
    "deletedBy": "deleted_by_id",
}
TIMES = [position for position, name in enumerate(COLUMNS) if name.endswith("At")]

type Write = Callable[[list[Any]], object]


class Command(OperatorCommand):
    help = (
        "Write the bans that hold, ordered by stream, in the format that import_bans reads.\n"
        "They go to the standard output unless --output names a file. Without a file, the report goes to the standard\n"
        "error, and --json needs --output. Rows are streamed, so memory stays constant. In CSV, cells that a\n"
        "spreadsheet would read as a formula or that begin with an apostrophe get an apostrophe in front, which\n"
        "import_bans removes."
    )
    examples = (
        "python manage.py export_bans --format csv",
        "python manage.py export_bans --all --format csv",
        "python manage.py export_bans --output /dev/null",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default="ndjson", help="default: ndjson, an object per line")
        parser.add_argument("--stream", type=_stream_id, metavar="ID", help="only the bans of this stream")
        parser.add_argument("--all", action="store_true", help="also bans that were lifted or have ended")
        parser.add_argument("--output", metavar="FILE", help="the file to write; an existing file is overwritten")

    def work(self, **options: Any) -> Outcome:
        now = timezone.now()
        bans = LiveStreamBan.all_objects.all() if options["all"] else LiveStreamBan.objects.holding(now)
        if options["stream"]:
            bans = bans.filter(stream=options["stream"])
        rows = bans.order_by("stream_id", "pk").values_list(*COLUMNS.values()).iterator(chunk_size=ROWS_AT_ONCE)
        count = 0
        with self.opened(options["output"], needs_file=options["json"]) as file:
            write = FORMATS[options["format"]](file)
            for row in rows:
                written = list(row)
                for position in TIMES:
                    written[position] = optional_wire_time(written[position])
                write(written)
                count += 1
        return Outcome({"exported": count, "output": options["output"]}, f"{count} bans exported.")

    @contextmanager
    def opened(self, output: str | None, *, needs_file: bool) -> Iterator[Any]:
        if output is not None:
            try:
                file = open(output, "w", encoding="utf-8", newline="")  # noqa: PTH123, SIM115 - closed below
            except OSError as error:
                raise CommandError(f"--output: {error}", returncode=2) from error
            with file:
                yield file
            return
        if needs_file:
            raise CommandError("--json needs --output: the standard output is where the bans go", returncode=2)
        yield self.stdout
        self.stdout = self.stderr


def _ndjson(file: IO[str]) -> Write:
    return lambda row: file.write(orjson.dumps(dict(zip(COLUMNS, row, strict=True))).decode() + "\n")


def _csv(file: IO[str]) -> Write:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    return lambda row: writer.writerow([escaped(cell) if isinstance(cell, str) else cell for cell in row])


FORMATS = {"ndjson": _ndjson, "csv": _csv}


def _stream_id(text: str) -> str:
    if not OBJECT_ID.fullmatch(text):
        raise ArgumentTypeError("must be 24 lower-case hexadecimal characters")
    return text
