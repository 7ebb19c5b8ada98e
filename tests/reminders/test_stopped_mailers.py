"""Workers that are killed or stopped in the middle of a batch of mails: few are repeated, and none is lost."""

import signal
import time
from collections import Counter
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from livestreams import services as streams
from reminders.models import Delivery
from reminders.services.deliveries import STORE_PROGRESS_EVERY
from tests.patience import PATIENCE, wait_until
from tests.reminders.mail_server import MailServer, serving_mail
from tests.reminders.processes import let_wait, running_workers, start_worker
from tests.streams import make_stream

PEOPLE = 400
SECONDS_PER_MAIL = 0.01
ADDRESSES = "UPDATE accounts_user SET email = username || '@example.com' WHERE username LIKE 'waiting%'"

pytestmark = pytest.mark.django_db(transaction=True)


def accept_slowly(address: str) -> None:
    time.sleep(SECONDS_PER_MAIL)


def mailing_to(server: MailServer) -> dict[str, str]:
    return {
        "NOTIFICATION_CHANNELS": "email",
        "EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "DEFAULT_FROM_EMAIL": "Kumanda <no-reply@kumanda.example>",
    }


def notify_people(creator: User) -> set[str]:
    """Start a stream with many reminders, and return the email addresses of their users."""
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


def test_a_killed_worker_repeats_at_most_fifty_mails(creator: User) -> None:
    kills = [130, 290]  # mails that the server had taken by then
    with serving_mail(MailServer(refuse_message=accept_slowly)) as server:
        with running_workers(1, environment=mailing_to(server)) as workers:
            addresses = notify_people(creator)
            for mails in kills:
                wait_until(partial(has_taken, server, mails))
                workers[0].kill()
                workers[0].wait()
                workers[0] = start_worker(mailing_to(server))
            wait_until(is_delivered)
        received = Counter(server.recipients)

    assert set(received) == addresses
    repeated = sum(received.values()) - PEOPLE
    assert repeated <= len(kills) * STORE_PROGRESS_EVERY
    # Repeated mails have the same Message-ID, so that mail programs can drop them.
    ids = Counter(str(message["Message-ID"]) for message in server.messages)
    assert sum(count - 1 for count in ids.values()) == repeated
    assert Delivery.objects.get().recipients == PEOPLE


def test_a_worker_stops_after_the_current_mail_on_sigterm_and_repeats_none(creator: User) -> None:
    with serving_mail(MailServer(refuse_message=accept_slowly)) as server:
        with running_workers(1, environment=mailing_to(server)) as workers:
            addresses = notify_people(creator)
            wait_until(partial(has_taken, server, 70))
            workers[0].send_signal(signal.SIGTERM)
            assert workers[0].wait(timeout=PATIENCE) == 0
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
            wait_until(is_delivered)

    assert Counter(server.recipients) == Counter(dict.fromkeys(addresses, 1))
    assert (Delivery.objects.get().attempts, sent < PEOPLE) == (1, True)
