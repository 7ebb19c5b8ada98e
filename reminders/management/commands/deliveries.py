"""List deliveries that did not get through, and send them again."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models import Count

from common.clock import database_time
from common.command_values import limit, moment, object_id
from common.commands import OperatorCommand, Outcome, refuse_missing, refuse_unclear_choice
from common.items import Items
from reminders import services
from reminders.models import Delivery
from reminders.services import Seen, Wanted

State = Delivery.State
FILTERS = ("channel", "stream", "chunk", "error", "since", "until", "state")
# Those that are not tried again by themselves.
ENDED = (State.FAILED, State.STOPPED)
RETRIED, UNCHANGED, NO_LONGER_TRUE, DELIVERED = "retried", "unchanged", "no_longer_true", "delivered"


class Command(OperatorCommand):
    help = (
        "A delivery is one chunk of people on one channel (webhook, email). list: those whose last attempt failed:\n"
        "failed (given up), stopped (by the receiver) and pending (tried again later), with the last error.\n"
        "retry: make them due now, with all attempts again; a worker, or dispatch_reminders, sends them. It continues\n"
        "after the last person who was reached. What is no longer true of its stream is not sent, and is counted.\n"
        "Name ids or filters, or --all. Copies that run at once retry each failure once.\n"
        "deliveries ACTION --help lists the options of an action."
    )
    examples = (
        "python manage.py deliveries list",
        "python manage.py deliveries list --channel webhook --error 'answered 503' --since 2h --json",
        "python manage.py deliveries retry 6741c8f0a1b2c3d4e5f6071a --reason 'The receiver is back' --dry-run",
        "python manage.py deliveries retry 6741c8f0a1b2c3d4e5f6071a --reason 'The receiver is back'",
        "python manage.py deliveries retry --channel email --state pending --reason 'The mail server is back'",
        "python manage.py deliveries retry --all --reason 'Outage of 28 November'",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        actions = self.add_actions(parser)
        listing = self.add_action(actions, "list", "list deliveries whose last attempt failed")
        _add_filters(listing)
        listing.add_argument("--limit", type=limit, default=100, help="list at most so many; default: 100")
        retry = self.add_action(actions, "retry", "make deliveries due now", changes_data=True)
        retry.add_argument("ids", metavar="ID", nargs="*", type=object_id, help="the id of a delivery")
        _add_filters(retry)
        retry.add_argument("--all", action="store_true", help="all that were given up or stopped")

    def work(self, **options: Any) -> Outcome:
        action: str = options.pop("action")
        if options["since"] and options["until"] and options["since"] >= options["until"]:
            raise CommandError("--until: must be later than --since.", returncode=2)
        if action == "list":
            return _listed(_wanted(services.UNDELIVERED, **options), limit=options["limit"])
        return self._retried(_chosen(**options), reason=options["reason"], dry_run=options["dry_run"])

    def _retried(self, chosen: Sequence[Seen], *, reason: str, dry_run: bool) -> Outcome:
        done: dict[str, list[str]] = {RETRIED: [], UNCHANGED: [], NO_LONGER_TRUE: [], DELIVERED: []}
        items = Items("retry_delivery")
        for listed in self.each(chosen, label="Retrying:"):
            with items.item(listed.id):
                done[_foreseen(listed) if dry_run else _retry(listed, reason)].append(listed.id)
        verb = "would be retried" if dry_run else "are due now"
        text = (
            f"{len(done[RETRIED])} deliveries {verb}, {len(done[UNCHANGED])} unchanged,"
            f" {len(done[NO_LONGER_TRUE])} are no longer true of their stream, {len(done[DELIVERED])} were delivered."
        )
        facts = {"dry_run": dry_run, **done, "failed_ids": items.failed}
        return Outcome(facts, "\n".join([*done[RETRIED], text]), "\n".join(items.problems))


def _add_filters(action: ArgumentParser) -> None:
    action.add_argument("--channel", choices=sorted(settings.KNOWN_CHANNELS), help="only of this channel")
    action.add_argument("--state", action="append", choices=[*services.UNDELIVERED], help="only these; repeatable")
    action.add_argument("--stream", metavar="ID", type=object_id, help="only of this stream")
    action.add_argument("--chunk", metavar="ID", type=object_id, help="only of this chunk; its id is the webhook-id")
    action.add_argument("--error", metavar="TEXT", help="only those whose last error has this text")
    action.add_argument("--since", metavar="TIME", type=moment, help="last attempt at or after it: ISO 8601, or 2h")
    action.add_argument("--until", metavar="TIME", type=moment, help="last attempt before it")


def _wanted(states: Sequence[str], **options: Any) -> Wanted:
    return Wanted(
        states=tuple(options["state"] or states),
        channel=options["channel"] or "",
        stream_id=options["stream"] or "",
        chunk_id=options["chunk"] or "",
        error=options["error"] or "",
        since=options["since"],
        until=options["until"],
    )


# --- listing --------------------------------------------------------------------------------------


def _listed(wanted: Wanted, *, limit: int) -> Outcome:
    found = services.undelivered(wanted)
    counted = found.order_by().values_list("channel", "state").annotate(count=Count("pk")).order_by("channel", "state")
    by_channel: dict[str, dict[str, int]] = {}
    summary, total = [], 0
    for channel, state, count in counted:
        by_channel.setdefault(channel, {})[state] = count
        summary.append(f"{channel} {state}: {count}")
        total += count
    rows = [_facts(delivery) for delivery in found.select_related("chunk__round__stream")[:limit]]
    facts = {"total": total, "by_channel": by_channel, "deliveries": rows}
    lines = [*map(_line, rows), *summary, f"{total} deliveries, {len(rows)} listed."]
    return Outcome(facts, "\n".join(lines))


def _facts(delivery: Delivery) -> dict[str, Any]:
    round_ = delivery.chunk.round
    return {
        "id": delivery.pk,
        "channel": delivery.channel,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "recipients": delivery.recipients,
        "last_error": delivery.last_error,
        "attempted_at": delivery.attempted_at,
        "next_attempt_at": delivery.next_attempt_at,
        "chunk": delivery.chunk_id,
        "stream": round_.stream_id,
        "title": round_.stream.title,
        "kind": round_.kind,
    }


def _line(row: dict[str, Any]) -> str:
    attempted = f"{row['attempted_at']:%Y-%m-%d %H:%M:%S}" if row["attempted_at"] else "never"
    again = f", again at {row['next_attempt_at']:%Y-%m-%d %H:%M:%S}" if row["next_attempt_at"] else ""
    return (
        f"{row['id']} {row['channel']} {row['state']}, {row['attempts']} attempts, the last one {attempted}{again}:"
        f" {row['last_error']} ({row['kind']} of stream {row['stream']})"
    )


# --- retrying -------------------------------------------------------------------------------------


def _chosen(*, ids: Sequence[str], all: bool, **options: Any) -> list[Seen]:
    is_filtered = any(options[name] for name in FILTERS)
    refuse_unclear_choice(ids, is_filtered=is_filtered, all=all)
    if not ids:
        return services.seen(services.undelivered(_wanted(ENDED, **options)))
    wanted = list(dict.fromkeys(ids))
    found = {each.id: each for each in services.seen(Delivery.objects.filter(pk__in=wanted))}
    refuse_missing(wanted, found, kind="delivery")
    return [found[delivery_id] for delivery_id in wanted]


def _retry(listed: Seen, reason: str) -> str:
    try:
        return RETRIED if services.retry_delivery(listed, by=None, reason=reason) else UNCHANGED
    except services.NoLongerTrue:
        return NO_LONGER_TRUE
    except services.AlreadyDelivered:
        return DELIVERED


def _foreseen(listed: Seen) -> str:
    delivery = Delivery.objects.select_related("chunk__round__stream").get(pk=listed.id)
    try:
        services.refuse_send_again(delivery)
    except services.NoLongerTrue:
        return NO_LONGER_TRUE
    except services.AlreadyDelivered:
        return DELIVERED
    return UNCHANGED if services.is_due(listed, database_time()) else RETRIED
