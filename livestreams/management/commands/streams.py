"""Deleted and retained streams: list them, restore, retain and release them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from common.command_values import limit, object_id
from common.commands import OperatorCommand, Outcome, refuse_missing
from common.items import Items
from common.models import AuditEntry
from livestreams import services
from livestreams.models import Hold, LiveStream
from livestreams.stored_files import Picture, restore_picture

type Change = Callable[[str, datetime, str], bool]
PROBLEMS = {
    Picture.MISSING: "The picture of {} is missing. Restore it from a backup.",
    Picture.UNKNOWN: "The storage does not answer; run media check --rename for the picture of {} later.",
    Picture.WAITING: "A backup runs; when it has ended, run media check --rename for the picture of {}.",
}
DONE = {"restore": "restored", "retain": "retained", "release": "released"}


class Command(OperatorCommand):
    help = (
        "List deleted and retained streams, undo a deletion, and keep streams from being removed.\n"
        "restore: undo a deletion; the picture gets its published name, too.\n"
        "retain: whatever their age, keep the streams and what refers to them (reminders, rounds, viewers, feedback,\n"
        "reports). Months of notifications and of the audit trail are removed as before (see docs/commands.md).\n"
        "release: end that.\n"
        "A stream for which there is nothing to do is counted as unchanged. Copies that run at once change each\n"
        "stream once. streams ACTION --help lists the options of an action."
    )
    examples = (
        "python manage.py streams list",
        "python manage.py streams list --retained --json",
        "python manage.py streams restore 6741c8f0a1b2c3d4e5f60719 --reason 'Deleted by mistake' --dry-run",
        "python manage.py streams restore 6741c8f0a1b2c3d4e5f60719 --reason 'Deleted by mistake'",
        "python manage.py streams retain 6741c8f0a1b2c3d4e5f60718 6741c8f0a1b2c3d4e5f60719 --reason 'Case 17'",
        "python manage.py streams release 6741c8f0a1b2c3d4e5f60718 --reason 'Case 17 is closed'",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        actions = self.add_actions(parser)
        listing = self.add_action(actions, "list", "list streams that are deleted or retained")
        only = listing.add_mutually_exclusive_group()
        only.add_argument("--deleted", action="store_true", help="only those that are deleted")
        only.add_argument("--retained", action="store_true", help="only those that are retained")
        listing.add_argument("--limit", type=limit, default=100, help="list at most so many; default: 100")
        for name, text in (
            ("restore", "undo a deletion"),
            ("retain", "keep streams from being removed by purge"),
            ("release", "no longer keep them"),
        ):
            action = self.add_action(actions, name, text, changes_data=True)
            action.add_argument("ids", metavar="ID", nargs="+", type=object_id, help="the id of a stream")

    def work(self, **options: Any) -> Outcome:
        action: str = options.pop("action")
        if action == "list":
            return _listed(**options)
        return self._changed(action, _existing(options["ids"]), reason=options["reason"], dry_run=options["dry_run"])

    def _changed(self, action: str, ids: Sequence[str], *, reason: str, dry_run: bool) -> Outcome:
        now = timezone.now()
        changed: list[str] = []
        unchanged: list[str] = []
        pictures: dict[str, Picture] = {}
        items = Items(f"{action}_stream")
        for stream_id in self.each(ids, label=f"{action}:"):
            with items.item(stream_id):
                is_changed = WOULD[action](stream_id) if dry_run else CHANGES[action](stream_id, now, reason)
                (changed if is_changed else unchanged).append(stream_id)
                if is_changed and action == "restore" and not dry_run:
                    pictures[stream_id] = restore_picture(stream_id, now=now)
        facts = {
            "dry_run": dry_run,
            "action": action,
            "changed": changed,
            "unchanged": unchanged,
            "pictures": pictures,
            "failed_ids": items.failed,
        }
        would = "would be " if dry_run else ""
        text = f"{len(changed)} streams {would}{DONE[action]}, {len(unchanged)} unchanged."
        problems = [
            PROBLEMS[picture].format(stream_id) for stream_id, picture in pictures.items() if picture in PROBLEMS
        ]
        return Outcome(facts, "\n".join([*changed, text]), "\n".join([*problems, *items.problems]))


def _existing(ids: Sequence[str]) -> list[str]:
    """Each id once, in the order given."""
    wanted = list(dict.fromkeys(ids))
    found = set(LiveStream.all_objects.filter(pk__in=wanted).values_list("pk", flat=True))
    refuse_missing(wanted, found, kind="stream")
    return wanted


# --- changes --------------------------------------------------------------------------------------


def _restore(stream_id: str, now: datetime, reason: str) -> bool:
    try:
        services.restore_stream(stream_id, by=None, now=now, reason=reason)
    except services.StreamNotDeleted:
        return False
    return True


CHANGES: dict[str, Change] = {
    "restore": _restore,
    "retain": lambda stream_id, now, reason: services.retain_stream(stream_id, by=None, now=now, reason=reason),
    "release": lambda stream_id, now, reason: services.release_stream(stream_id, by=None, now=now, reason=reason),
}
WOULD: dict[str, Callable[[str], bool]] = {
    "restore": lambda stream_id: LiveStream.all_objects.filter(pk=stream_id, deleted_at__isnull=False).exists(),
    "retain": lambda stream_id: not Hold.objects.filter(stream=stream_id).exists(),
    "release": lambda stream_id: Hold.objects.filter(stream=stream_id).exists(),
}


# --- listing --------------------------------------------------------------------------------------


def _listed(*, deleted: bool, retained: bool, limit: int, **options: Any) -> Outcome:
    wanted = Q(hold__isnull=False) if retained else Q(deleted_at__isnull=False)
    if not deleted and not retained:
        wanted |= Q(hold__isnull=False)
    reasons = AuditEntry.objects.filter(target_type="livestream", target_id=OuterRef("pk"), action="retain_stream")
    streams = (
        LiveStream.all_objects.filter(wanted)
        .select_related("hold", "creator", "deleted_by")
        .annotate(why=Subquery(reasons.order_by("-pk").values("reason")[:1]))
        .order_by("-pk")
    )
    total = streams.count()
    rows = [_facts(stream) for stream in streams[:limit]]
    facts = {"total": total, "streams": rows}
    return Outcome(facts, "\n".join([*map(_line, rows), f"{total} streams, {len(rows)} listed."]))


def _facts(stream: Any) -> dict[str, Any]:
    hold: Hold | None = getattr(stream, "hold", None)
    return {
        "id": stream.pk,
        "title": stream.title,
        "status": stream.status,
        "creator": stream.creator.username,
        "deleted_at": stream.deleted_at,
        "deleted_by": stream.deleted_by and stream.deleted_by.username,
        "purge_at": services.purge_at(stream.deleted_at) if stream.deleted_at and hold is None else None,
        "retained_since": hold and hold.since,
        "retained_because": stream.why if hold else None,
    }


def _line(row: dict[str, Any]) -> str:
    return f"{row['id']} {row['title']!r} of {row['creator']}, {', '.join(_parts(row))}"


def _parts(row: dict[str, Any]) -> Iterator[str]:
    yield row["status"]
    if row["deleted_at"]:
        yield f"deleted {row['deleted_at']:%Y-%m-%d %H:%M} by {row['deleted_by'] or 'the system'}"
    if row["purge_at"]:
        yield f"purged from {row['purge_at']:%Y-%m-%d %H:%M}"
    if row["retained_since"]:
        yield f"retained since {row['retained_since']:%Y-%m-%d %H:%M}: {row['retained_because']}"
