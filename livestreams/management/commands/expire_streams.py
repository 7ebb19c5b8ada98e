"""Expire no-shows."""

from typing import Any

from django.utils import timezone

from common.commands import OperatorCommand, Outcome
from common.items import Items
from livestreams.models import LiveStream
from livestreams.services import expire_stream


class Command(OperatorCommand):
    help = (
        "Expire the no-shows: scheduled and preparing streams that nobody started within the grace\n"
        "(NO_SHOW_GRACE_MINUTES after the planned start; PREPARING_GRACE_MINUTES without one).\n"
        "Workers do this each minute. The command can run beside them, also several times: a stream expires once.\n"
        "A stream that cannot be expired does not stop the others; it is reported, and the exit code is 1."
    )
    examples = (
        "python manage.py expire_streams --dry-run",
        "python manage.py expire_streams",
        "python manage.py expire_streams --json",
    )
    changes_data = True

    def work(self, **options: Any) -> Outcome:
        dry_run = options["dry_run"]
        now = timezone.now()
        expired, passed_over = [], 0
        items = Items("expire_stream")
        for stream_id in self.each_id(LiveStream.objects.no_shows(now), label="Expiring"):
            with items.item(stream_id):
                if dry_run or expire_stream(stream_id, now=now):
                    expired.append(stream_id)
                else:
                    passed_over += 1
        facts = {
            "dry_run": dry_run,
            "expired": len(expired),
            "passed_over": passed_over,
            "ids": expired,
            "failed_ids": items.failed,
        }
        if dry_run:
            return Outcome(facts, "\n".join([*expired, f"{len(expired)} streams would expire."]))
        # Passed over: no longer a no-show since the streams were listed, or locked by another transaction.
        text = f"{len(expired)} streams expired, {passed_over} passed over."
        return Outcome(facts, text, "\n".join(items.problems))
