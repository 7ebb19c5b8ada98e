"""Many streams whose lead time comes due in the same minute: their rounds are opened in short transactions."""

from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction

from accounts.models import User
from common.models import AuditEntry
from reminders import services
from reminders.models import Checkpoint, Round
from reminders.services import rounds

MINUTE = timedelta(minutes=1)
DUE = 2 * rounds.ROUNDS_AT_ONCE + 5

STREAMS = """
    INSERT INTO livestreams_livestream (
        id, created_at, updated_at, title, title_folded, type, channel_name, thumbnail, status, creator_id, revision,
        planned_start_at, plan_set_at
    )
    SELECT decode(lpad(to_hex(number), 24, '0'), 'hex'), %(now)s, %(now)s, 'Talk', 'talk', 'solo', 'talk-' || number,
        '', 'scheduled', %(creator)s, 0, %(now)s + interval '60 minutes', %(now)s
    FROM generate_series(1, %(streams)s) AS number
"""


@pytest.fixture
def planned(creator: User, now: datetime) -> None:
    """Streams that start at the same time, with a reminder fifteen minutes before."""
    services.open_due_rounds(now)
    with connection.cursor() as cursor:
        cursor.execute(STREAMS, {"now": now, "creator": bytes.fromhex(creator.pk), "streams": DUE})
        cursor.execute("INSERT INTO reminders_leadtime (stream_id, minute) SELECT id, 15 FROM livestreams_livestream")


@pytest.mark.django_db(transaction=True)
def test_rounds_are_opened_in_transactions_of_a_thousand(
    planned: None, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    checkpoints: list[datetime] = []
    open_each = rounds._open_each

    def noted(due: list[services.Due], at: datetime) -> list[str]:
        # What an earlier transaction has committed.
        opened.append(len(due))
        checkpoints.append(Checkpoint.objects.get().found_until)
        return open_each(due, at)

    monkeypatch.setattr(rounds, "_open_each", noted)
    late = now + 45 * MINUTE

    ids = services.open_due_rounds(late)

    assert opened == [1_000, 1_000, 5]
    assert checkpoints == [now, now, late], "the last transaction advances the checkpoint"
    assert len(ids) == len(set(ids)) == Round.objects.count() == DUE
    assert AuditEntry.objects.filter(action="open_round").count() == DUE
    assert services.open_due_rounds(late + MINUTE) == []


@pytest.mark.django_db(transaction=True)
def test_a_finder_that_is_killed_between_two_transactions_loses_and_repeats_nothing(
    planned: None, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = rounds._open_batch
    left = [1]

    def killed(at: datetime, *, wait: bool) -> list[str]:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return batch(at, wait=wait)

    late = now + 45 * MINUTE
    with monkeypatch.context() as patch:
        patch.setattr(rounds, "_open_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            services.open_due_rounds(late)
    assert Round.objects.count() == rounds.ROUNDS_AT_ONCE
    assert not transaction.get_connection().in_atomic_block

    services.open_due_rounds(late + MINUTE)

    assert Round.objects.count() == DUE
    assert Round.objects.values("stream").distinct().count() == DUE
