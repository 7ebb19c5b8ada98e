"""Send what is due now, without waiting for a worker."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from common.clock import agreed_time, database_time, difference
from common.commands import OperatorCommand, Outcome
from common.fields import OBJECT_ID
from common.items import Items
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Chunk, Delivery, Kind, Round
from reminders.services.waiting import Waiting, all_waiting, due_deliveries, open_rounds, waiting_chunks

FATES = {"missed": ", too late: would be missed", "void": ", no longer true: would be sent to nobody"}


class Command(OperatorCommand):
    help = (
        "Send the reminders that are due now, in this process: open the rounds that came due, cut them into chunks,\n"
        "notify the users of those chunks, and attempt the deliveries that are due.\n"
        "What came due longer ago than REMINDER_GRACE_MINUTES is not sent but counted as missed; the exit code is\n"
        "then 1. Workers do all of this. Any number of workers and copies of this command may run at the same time:\n"
        "nobody is notified twice."
    )
    examples = (
        "python manage.py dispatch_reminders --dry-run",
        "python manage.py dispatch_reminders",
        "python manage.py dispatch_reminders --stream 6741c8f0a1b2c3d4e5f60718 --json",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--stream", metavar="ID", help="only what is due for this stream")

    def work(self, **options: Any) -> Outcome:
        stream_id = _existing(options["stream"])
        return _planned(stream_id) if options["dry_run"] else self._dispatched(stream_id)

    def _dispatched(self, stream_id: str | None) -> Outcome:
        now = agreed_time()
        if now is None:
            raise CommandError(
                f"The clocks of this machine and of the database differ by {abs(difference().total_seconds()):,.0f}"
                " seconds. Nothing was sent. Set the wrong one first."
            )
        items = Items("dispatch")
        done = _opened(stream_id, now)
        for round_id in self.each_id(open_rounds(stream_id), label="Cutting"):
            with items.item(round_id):
                done += _cut(round_id, database_time())
        for chunk_id in self.each_id(waiting_chunks(stream_id), label="Notifying"):
            with items.item(chunk_id):
                done += _notified(chunk_id, database_time())
        for delivery_id in self.each_id(due_deliveries(database_time(), stream_id), label="Delivering"):
            with items.item(delivery_id):
                done[services.deliver(delivery_id, now=database_time()) or "left_to_others"] += 1
        facts = {
            "dry_run": False,
            "stream": stream_id,
            "opened": done["opened"],
            "cut": done["cut"],
            "notified": done["notified"],
            "missed": done["missed"],
            "delivered": done[Delivery.State.DELIVERED],
            "waiting": done[Delivery.State.PENDING],
            "given_up": done[Delivery.State.FAILED],
            "stopped": done[Delivery.State.STOPPED],
            "void": done[Delivery.State.VOID],
            "failed_ids": items.failed,
        }
        text = (
            f"{facts['opened']} rounds opened and {facts['cut']} cut, {facts['notified']} people notified,"
            f" {facts['delivered']} deliveries made."
        )
        return Outcome(facts, text, "\n".join([*_problems(facts), *items.problems]))


def _existing(stream_id: str | None) -> str | None:
    if stream_id is None:
        return None
    wanted = stream_id.lower()
    if not OBJECT_ID.fullmatch(wanted):
        raise CommandError(f"--stream: {stream_id!r} is no id; ids are 24 hexadecimal characters.", returncode=2)
    if not LiveStream.all_objects.filter(pk=wanted).exists():
        raise CommandError(f"--stream: there is no stream with the id {wanted}.", returncode=2)
    return wanted


# --- dry run --------------------------------------------------------------------------------------


def _planned(stream_id: str | None) -> Outcome:
    waiting = list(all_waiting(database_time(), stream_id=stream_id))
    counted = Counter(each.what for each in waiting)
    facts = {
        "dry_run": True,
        "stream": stream_id,
        "lead_times": counted["lead time"],
        "rounds": counted["round"],
        "chunks": counted["chunk"],
        "deliveries": counted["delivery"],
        # The users of a delivery have been notified in the inbox already.
        "people": sum(each.people for each in waiting if each.what != "delivery" and each.fate == "sent"),
        "due": [each._asdict() for each in waiting],
    }
    sentence = (
        f"Due: {facts['lead_times']} lead times, {facts['rounds']} rounds, {facts['chunks']} chunks,"
        f" {facts['deliveries']} deliveries; {facts['people']} people would be notified."
    )
    return Outcome(facts, "\n".join([*map(_line, waiting), sentence]))


def _line(each: Waiting) -> str:
    saying = f"{each.minute} minutes before" if each.kind == Kind.REMINDER else each.kind
    way = f" by {each.channel}" if each.channel else ""
    return (
        f"{each.what} of stream {each.stream_id} ({saying}){way}, due {each.due_at:%Y-%m-%d %H:%M:%S}:"
        f" {each.people} people{FATES.get(each.fate, '')}"
    )


# --- one by one -----------------------------------------------------------------------------------

# `closed_at` is the `now` of this call exactly when the row was closed here and not by another process.


def _opened(stream_id: str | None, now: datetime) -> Counter[str]:
    if stream_id is None:
        return Counter(opened=len(services.open_due_rounds(now, wait=True)))
    return Counter(opened=len(services.open_due_rounds_of_stream(stream_id, now)))


def _cut(round_id: str, now: datetime) -> Counter[str]:
    services.cut_round(round_id, now=now)
    closed = Round.objects.filter(pk=round_id, closed_at=now).values_list("state", "reminders").first()
    if closed is None:
        return Counter()
    state, reminders = closed
    return Counter(missed=reminders) if state == Round.State.MISSED else Counter(cut=int(state == Round.State.CUT))


def _notified(chunk_id: str, now: datetime) -> Counter[str]:
    services.notify_chunk(chunk_id, now=now)
    closed = Chunk.objects.filter(pk=chunk_id, closed_at=now).values("notified", "missed").first()
    return Counter(closed or {})


def _problems(facts: dict[str, Any]) -> list[str]:
    return [
        sentence.format(facts[name])
        for name, sentence in (
            ("missed", "{} people were not notified: it was too late by more than REMINDER_GRACE_MINUTES."),
            ("waiting", "{} deliveries did not get through; they are tried again later."),
            ("given_up", "{} deliveries did not get through and are given up; the admin shows the last error."),
            ("stopped", "{} deliveries were stopped by their receiver, which accepts no more."),
        )
        if facts[name]
    ]
