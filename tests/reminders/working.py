"""A worker for tests that move the clock: it does what is due at `now`, in this process, and nothing else."""

from datetime import datetime

from reminders import services
from reminders.models import Chunk, Round


def find(now: datetime) -> None:
    services.open_due_rounds(now)


def cut(now: datetime) -> None:
    for round_id in Round.objects.filter(state=Round.State.OPEN).values_list("pk", flat=True):
        services.cut_round(round_id, now=now)


def tell(now: datetime) -> None:
    for chunk_id in Chunk.objects.filter(state=Chunk.State.WAITING).values_list("pk", flat=True):
        services.tell_chunk(chunk_id, now=now)


def work(now: datetime) -> None:
    find(now)
    cut(now)
    tell(now)
