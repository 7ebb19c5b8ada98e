"""Remove deleted streams and ended sessions whose retention time is over."""

from typing import Any

from django.core.files.storage import default_storage
from django.db import IntegrityError
from django.utils import timezone

from accounts.services import purge_sessions
from common.commands import OperatorCommand, Outcome
from common.items import Items
from livestreams.models import LiveStream
from livestreams.services import purge_stream


class Command(OperatorCommand):
    help = (
        "Remove the streams that were deleted more than DELETED_RETENTION_DAYS ago, their pictures, and the\n"
        "sessions that ended or lapsed as long ago.\n"
        "A stream that other rows still refer to is kept and counted. Nothing is removed from the audit trail.\n"
        "A stream that cannot be removed does not stop the others; it is reported, and the exit code is 1.\n"
        "The command can run several times at once: each stream is removed once."
    )
    examples = (
        "python manage.py purge --dry-run",
        "python manage.py purge",
        "python manage.py purge --json",
    )
    changes_data = True

    def work(self, **options: Any) -> Outcome:
        dry_run = options["dry_run"]
        now = timezone.now()
        purged: list[str] = []
        kept: list[str] = []
        files_left: list[str] = []
        items = Items("purge")
        for stream_id in self.each_id(LiveStream.all_objects.past_retention(now), label="Purging"):
            with items.item(stream_id):
                try:
                    thumbnail = "" if dry_run else purge_stream(stream_id, now=now)
                except IntegrityError:  # includes Django's ProtectedError
                    kept.append(stream_id)
                    continue
                if thumbnail is None:
                    continue  # restored, or removed by another copy
                purged.append(stream_id)
                if thumbnail and not _removed(thumbnail):
                    files_left.append(thumbnail)
        sessions = 0
        with items.item("sessions"):
            sessions = purge_sessions(now=now, dry_run=dry_run)
        facts = {
            "dry_run": dry_run,
            "purged": len(purged),
            "sessions": sessions,
            "kept": len(kept),
            "ids": purged,
            "kept_ids": kept,
            "files_left": files_left,
            "failed": items.failed,
        }
        if dry_run:
            return Outcome(
                facts, "\n".join([*purged, f"{len(purged)} streams and {sessions} sessions would be removed."])
            )
        problems = [f"stream {stream_id} is kept: other rows still refer to it" for stream_id in kept]
        problems += [f"the file {name} could not be removed; remove it by hand" for name in files_left]
        problems += items.problems
        return Outcome(
            facts,
            f"{len(purged)} streams and {sessions} sessions removed, {len(kept)} streams kept.",
            "\n".join(problems),
        )


def _removed(file: str) -> bool:
    try:
        default_storage.delete(file)
    except OSError:
        return False
    return True
