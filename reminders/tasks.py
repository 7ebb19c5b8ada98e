"""Tasks of reminders: each calls one service."""

from datetime import datetime

from common.clock import agreed_time, database_time
from common.jobs import FIRST, SLOW_QUEUE, RetryStrategy, periodic, run_batch, task
from livestreams.models import of_living_stream
from reminders import services
from reminders.models import Chunk, Delivery, Notification, Round

# 100 attempts, each gap five seconds longer than the one before: about seven hours. A database is back seconds after a
# restart. What fails for longer than the grace is counted as missed.
RETRY = RetryStrategy(max_attempts=100, linear_wait=5)
EVERY_TWO_SECONDS = "* * * * * */2"  # the seconds are the last field
EVERY_FIVE_MINUTES = "*/5 * * * *"


@periodic(EVERY_TWO_SECONDS, priority=FIRST)
def find_due_lead_times(timestamp: int) -> None:
    now = agreed_time()
    if now is not None:
        services.open_due_rounds(now)


# --- whether the work of a failed job has been done since -----------------------------------------


def _are_opened(stream_id: str) -> bool:
    return not services.due_of_stream(stream_id, database_time())


def _are_cut(round_ids: list[str]) -> bool:
    return not Round.objects.filter(pk__in=round_ids, state=Round.State.OPEN).exists()


def _are_notified(chunk_ids: list[str]) -> bool:
    return not Chunk.objects.filter(pk__in=chunk_ids, state=Chunk.State.WAITING).exists()


def _is_delivered(delivery_id: str) -> bool:
    """Or was given up, stopped or void: the delivery says so itself."""
    return not Delivery.objects.filter(pk=delivery_id, state=Delivery.State.PENDING).exists()


def _are_marked(user_id: str, until: str) -> bool:
    unread = Notification.objects.filter(user=user_id, read_at__isnull=True)
    return not unread.filter(of_living_stream(), created_at__lte=datetime.fromisoformat(until)).exists()


# --- tasks ----------------------------------------------------------------------------------------


@task(retry=RETRY, is_done=_are_opened)
def open_due_rounds_of_stream(stream_id: str) -> None:
    services.open_due_rounds_of_stream(stream_id, database_time())


@task(retry=RETRY, is_done=_are_cut)
def cut_rounds(round_ids: list[str]) -> None:
    run_batch(cut_rounds.name, "round_ids", round_ids, lambda one: services.cut_round(one, now=database_time()))


@task(retry=RETRY, is_done=_are_notified)
def notify_chunks(chunk_ids: list[str]) -> None:
    run_batch(notify_chunks.name, "chunk_ids", chunk_ids, lambda one: services.notify_chunk(one, now=database_time()))


@task(queue=SLOW_QUEUE, retry=RETRY, is_done=_is_delivered)
def deliver(delivery_id: str) -> None:
    services.deliver(delivery_id, now=database_time())


@task(queue=SLOW_QUEUE, retry=RETRY, is_done=_are_marked)
def mark_rest_of_notifications(user_id: str, until: str) -> None:
    services.mark_rest_of_notifications(user_id, now=database_time(), until=datetime.fromisoformat(until))


@periodic(EVERY_FIVE_MINUTES)
def requeue_lost_work(timestamp: int) -> None:
    services.requeue_lost_work(database_time())
