"""Deliveries of a channel that sends to one user after another: stored progress and interruptions."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError, connection

from accounts.models import User
from common.jobs import stopping
from common.models import AuditEntry
from reminders import services
from reminders.channels import Batch
from reminders.models import Delivery
from reminders.services import deliveries
from tests.conftest import make_user
from tests.reminders.sending import delivery_to, reloaded, send

# What happens after a message, by its number; and whom the messages reached.
after: dict[int, Callable[[], Any]] = {}
reached: list[str] = []


class OneByOne:
    """Sends to one user after another."""

    def send(self, batch: Batch) -> None:
        for person in batch.people:
            reached.append(person.user_id)
            after.get(len(reached), lambda: None)()
            batch.reached(person.user_id)


@pytest.fixture(autouse=True)
def _channel(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.NOTIFICATION_CHANNELS = {"one by one": f"{__name__}.{OneByOne.__qualname__}"}
    monkeypatch.setattr(deliveries, "STORE_PROGRESS_EVERY", 2)
    yield
    after.clear()
    reached.clear()
    stopping.reset()


@pytest.fixture
def people(db: None) -> list[User]:
    """Five users, in the order in which they are sent to."""
    return sorted((make_user(f"viewer{number}") for number in range(5)), key=lambda user: user.pk)


@pytest.fixture
def delivery(people: list[User], now: datetime) -> Delivery:
    return delivery_to(*people, now=now)


def lose_the_database() -> None:
    """The next UPDATE fails, as after a lost connection."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE"):
            connection.execute_wrappers.remove(refuse)
            raise OperationalError("the connection is lost")
        return execute(sql, params, many, context)

    connection.execute_wrappers.append(refuse)


def test_progress_is_stored_after_each_group_of_users(people: list[User], delivery: Delivery) -> None:
    stored: list[str | None] = []
    for number in range(1, 6):
        after[number] = lambda: stored.append(reloaded(delivery).reached_user)

    assert send(delivery).state == Delivery.State.DELIVERED

    ids = [person.pk for person in people]
    assert reached == ids
    assert stored == [None, None, ids[1], ids[1], ids[3]]


def test_a_worker_that_stops_leaves_the_rest_to_the_next_attempt_which_is_due_at_once(
    people: list[User], delivery: Delivery
) -> None:
    after[3] = stopping.request

    interrupted = send(delivery)

    assert (interrupted.state, interrupted.attempts) == (Delivery.State.PENDING, 0)
    assert interrupted.reached_user == people[2].pk
    assert reached == [person.pk for person in people[:3]]
    stopping.reset()
    assert send(delivery).state == Delivery.State.DELIVERED
    assert reached == [person.pk for person in people]


@pytest.mark.django_db(transaction=True)  # outside a transaction, as in a worker: the error would end it
def test_when_progress_cannot_be_stored_nobody_else_is_sent_to(people: list[User], delivery: Delivery) -> None:
    after[4] = lose_the_database

    interrupted = send(delivery)

    assert (interrupted.state, interrupted.attempts) == (Delivery.State.PENDING, 0)
    assert interrupted.reached_user == people[3].pk
    assert reached == [person.pk for person in people[:4]]


def test_nobody_else_is_sent_to_after_the_delivery_was_purged(delivery: Delivery, now: datetime) -> None:
    after[2] = lambda: Delivery.objects.filter(pk=delivery.pk).delete()
    before = AuditEntry.objects.count()

    assert services.deliver(delivery.pk, now=now) is None

    assert len(reached) == 2
    assert AuditEntry.objects.count() == before
