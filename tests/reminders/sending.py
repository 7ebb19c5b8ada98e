"""Helpers for tests of channels: notify people of a stream, and send the delivery of the chunk."""

from datetime import datetime, timedelta
from typing import Any

from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from reminders import services
from reminders.models import Delivery
from tests import leaks
from tests.conftest import make_user
from tests.reminders.receiver import Gateway
from tests.reminders.working import work
from tests.streams import make_stream

SECOND = timedelta(seconds=1)
LEAD = timedelta(minutes=45)  # from setting the reminder to its due time
SECRET = leaks.plant("secret of the webhook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NEW_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDvoeGmkVn9Zpn"


def notify(*people: User, now: datetime, title: str = "Evening talk", languages: dict[str, str] | None = None) -> None:
    """Their reminders are 15 minutes before the start, and come due at `now`."""
    creator = User.objects.filter(username="creator").first() or make_user("creator")
    asked = now - LEAD
    stream = make_stream(creator, now=asked, title=title)
    for person in people:
        language = (languages or {}).get(person.username, "en")
        services.set_reminder(stream.pk, by=person, now=asked, minute=15, language=language)
    work(now)


def delivery_to(*people: User, now: datetime, **options: Any) -> Delivery:
    notify(*people, now=now, **options)
    return Delivery.objects.get()


def reloaded(delivery: Delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)


def due_at(delivery: Delivery) -> datetime:
    at = reloaded(delivery).next_attempt_at
    assert at is not None
    return at


def send(delivery: Delivery, now: datetime | None = None) -> Delivery:
    """Make the next attempt, when it is due or at `now`, and return the delivery after it."""
    services.deliver(delivery.pk, now=now or due_at(delivery))
    return reloaded(delivery)


def failed_delivery_to(*people: User, now: datetime) -> Delivery:
    """A delivery after a first attempt that failed."""
    delivery = delivery_to(*people, now=now)
    failed = send(delivery)
    assert (failed.state, failed.recipients) == ("pending", len(people))
    return failed


def attempt(delivery: Delivery, gateway: Gateway, settings: Any, now: datetime | None = None) -> Delivery:
    """Make the next attempt, with `gateway` as the receiver."""
    settings.WEBHOOK_URL = gateway.url
    return send(delivery, now)


def deferred_at(at: datetime) -> list[dict[str, Any]]:
    """The arguments of the delivery jobs that are scheduled for `at`."""
    jobs = ProcrastinateJob.objects.filter(task_name="reminders.tasks.deliver", scheduled_at=at)
    return list(jobs.values_list("args", flat=True))
