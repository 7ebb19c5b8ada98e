"""Workers that are killed or stopped in the middle of a thousand mails: few are repeated, and nobody is left out."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from livestreams import services as streams
from reminders.models import Delivery
from reminders.services.deliveries import NOTED_EVERY
from tests.reminders.mail_server import MailServer, serving_mail
from tests.reminders.processes import forget_jobs, let_wait, running_workers, start_worker, wait_until
from tests.streams import make_stream

PEOPLE = 400
SLOWLY = 0.01  # seconds for each mail
ADDRESSES = "UPDATE accounts_user SET email = username || '@example.com' WHERE username LIKE 'waiting%'"


@pytest.fixture(autouse=True)
def _no_jobs(transactional_db: None) -> Iterator[None]:
    forget_jobs()
    yield
    forget_jobs()


def slow(address: str) -> None:
    time.sleep(SLOWLY)


def mailing_to(server: MailServer) -> dict[str, str]:
    return {
        "NOTIFICATION_CHANNELS": "email",
        "EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "DEFAULT_FROM_EMAIL": "Kumanda <no-reply@kumanda.example>",
    }


def let_people_be_told(creator: User) -> set[str]:
    """They wait for a stream that starts now; their addresses."""
    stream = make_stream(creator)
    let_wait(PEOPLE, stream)
    with connection.cursor() as cursor:
        cursor.execute(ADDRESSES)
    streams.start_stream(stream.pk, by=creator, now=timezone.now())
    return set(User.objects.filter(username__startswith="waiting").values_list("email", flat=True))


def has_taken(server: MailServer, mails: int) -> bool:
    return len(server.raw) >= mails


def is_delivered() -> bool:
    return Delivery.objects.filter(state=Delivery.State.DELIVERED).exists()


def test_a_worker_that_is_killed_repeats_at_most_fifty_mails(creator: User) -> None:
    kills = [130, 290]  # mails that the server had taken by then
    with serving_mail(MailServer(refuse_message=slow)) as server:
        with running_workers(1, environment=mailing_to(server)) as workers:
            everybody = let_people_be_told(creator)
            for mails in kills:
                wait_until(partial(has_taken, server, mails))
                workers[0].kill()
                workers[0].wait()
                workers[0] = start_worker(mailing_to(server))
            wait_until(is_delivered, seconds=60)
        told = Counter(server.recipients)

    assert set(told) == everybody
    repeated = sum(told.values()) - PEOPLE
    assert repeated <= len(kills) * NOTED_EVERY
    # Whoever was told twice got the same message both times, so that mail programs can drop it.
    ids = Counter(str(message["Message-ID"]) for message in server.messages)
    assert sum(count - 1 for count in ids.values()) == repeated
    assert Delivery.objects.get().recipients == PEOPLE


def test_a_worker_that_is_asked_to_stop_ends_after_the_mail_in_hand_and_nobody_is_told_twice(creator: User) -> None:
    with serving_mail(MailServer(refuse_message=slow)) as server:
        with running_workers(1, environment=mailing_to(server)) as workers:
            everybody = let_people_be_told(creator)
            wait_until(partial(has_taken, server, 70))
            workers[0].send_signal(signal.SIGTERM)
            assert workers[0].wait(timeout=30) == 0
            sent = len(server.raw)
            assert sent < PEOPLE
            delivery = Delivery.objects.get()
            assert (delivery.state, delivery.attempts, delivery.last_error) == ("pending", 0, "")
            assert (
                delivery.reached_user
                == sorted(User.objects.filter(email__in=server.recipients).values_list("pk", flat=True))[-1]
            )
            assert AuditEntry.objects.filter(action="deliver").count() == 1
        with running_workers(1, environment=mailing_to(server)):
            wait_until(is_delivered, seconds=60)

    assert Counter(server.recipients) == Counter(dict.fromkeys(everybody, 1))
    assert (Delivery.objects.get().attempts, sent < PEOPLE) == (1, True)
