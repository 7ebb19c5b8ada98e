"""Problems of reminders and deliveries, for the `doctor` command; named by `settings.DOCTOR_CHECKS`."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core import mail
from django.db.models import QuerySet, Sum
from django.utils import timezone
from requests_hardened.ip_filter import InvalidIPAddress, filter_host

from common.doctor import Finding, error, warning
from common.error_texts import first_line
from common.jobs.heartbeat import is_any_worker_alive
from reminders import services
from reminders.models import Chunk, Delivery, Reminder, Round

LARGEST_LAG = timedelta(seconds=30)
LATE_DELIVERY = timedelta(minutes=5)
LATELY = timedelta(days=1)
# A delivery is given up after about three days, so one that was closed during the last day is not older than this.
LONGEST_DELIVERY = timedelta(days=5)
State = Delivery.State

DISPATCH = "python manage.py dispatch_reminders"


def examine() -> Iterator[Finding]:
    """For `settings.DOCTOR_CHECKS`."""
    now = timezone.now()
    yield from _workers(now)
    yield from _deliveries(now)
    yield from _missed(now)
    yield from _webhook()
    yield from _mail()


# --- workers --------------------------------------------------------------------------------------


def _workers(now: datetime) -> Iterator[Finding]:
    if is_any_worker_alive(now):
        yield from _lag(now)
    elif Reminder.objects.exists():
        yield error(
            "no_worker",
            "No worker has sent a heartbeat lately, so nobody is notified.",
            f"Start one, and keep it running: python manage.py worker. To send what is due now: {DISPATCH}",
        )


def _lag(now: datetime) -> Iterator[Finding]:
    found = services.found_until()
    since = services.oldest_due(now, found_until=found)
    moments = [moment for moment in (found, since) if moment is not None]
    lag = now - min(moments, default=now)
    if lag > LARGEST_LAG:
        yield error(
            "dispatch_lagging",
            f"Workers run, but are {_seconds(lag)} behind. What is later than REMINDER_GRACE_MINUTES is missed.",
            "Check the workers' log for errors and the database for locks. Start more workers, also on other machines."
            f" To send what is due now, from here: {DISPATCH}",
        )
    overdue = services.oldest_overdue_delivery(now)
    if overdue is not None and now - overdue > LATE_DELIVERY:
        yield warning(
            "deliveries_late",
            f"The oldest due delivery has been waiting for {_seconds(now - overdue)}.",
            "Raise the number of concurrent deliveries of each worker (--delivering), or start more workers.",
        )


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():,.0f} seconds"


# --- deliveries -----------------------------------------------------------------------------------


def _deliveries(now: datetime) -> Iterator[Finding]:
    """Deliveries that are being retried, and those that were given up or stopped during the last day."""
    lately = Delivery.objects.filter(created_at__gt=now - LONGEST_DELIVERY, closed_at__gt=now - LATELY)
    if summary := _summary(Delivery.objects.filter(state=State.PENDING, attempts__gt=0).exclude(last_error="")):
        yield warning(
            "deliveries_failing",
            f"Deliveries failed and are retried: {summary}",
            "Fix what the error names, or wait: they are retried until the receiver answers.",
        )
    if summary := _summary(lately.filter(state=State.FAILED)):
        yield error(
            "deliveries_given_up",
            f"Deliveries were given up during the last day: {summary}",
            "Fix what the error names. Then run: python manage.py deliveries retry --state failed --reason WHY",
        )
    if summary := _summary(lately.filter(state=State.STOPPED)):
        yield error(
            "deliveries_stopped",
            f"The receiver stopped deliveries during the last day: {summary}",
            "Ask the operator of the receiver. Correct WEBHOOK_URL, or remove webhook from NOTIFICATION_CHANNELS. To"
            " send them after all, run: python manage.py deliveries retry --state stopped --reason WHY",
        )


def _summary(deliveries: QuerySet[Delivery]) -> str:
    last = deliveries.order_by("-attempted_at", "-pk").first()
    return "" if last is None else f"{deliveries.count()}, the last one by {last.channel}: {last.last_error}"


# --- missed reminders -----------------------------------------------------------------------------


def _missed(now: datetime) -> Iterator[Finding]:
    rounds = Round.objects.filter(state=Round.State.MISSED, opened_at__gt=now - LATELY)
    chunks = Chunk.objects.filter(state=Chunk.State.MISSED, round__opened_at__gt=now - LATELY)
    people = (rounds.aggregate(n=Sum("reminders"))["n"] or 0) + (chunks.aggregate(n=Sum("missed"))["n"] or 0)
    if people:
        minutes = settings.REMINDER_GRACE.total_seconds() / 60
        yield warning(
            "reminders_missed",
            f"{people} reminders were missed during the last day: they came due more than {minutes:.0f} minutes"
            " before a worker got to them.",
            "Keep workers running. The admin lists the streams under Rounds. Users whose lead time was missed are"
            " still notified when the stream starts.",
        )


# --- the webhook ----------------------------------------------------------------------------------


def _webhook() -> Iterator[Finding]:
    """Whether the host of WEBHOOK_URL resolves to an allowed address. Nothing is sent."""
    if "webhook" not in settings.NOTIFICATION_CHANNELS:
        return
    parts = urlsplit(settings.WEBHOOK_URL)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        if settings.WEBHOOK_ALLOW_PRIVATE:
            socket.getaddrinfo(host, port)
        else:
            filter_host(host, port, allow_loopback=False)
    except InvalidIPAddress as private:
        yield error(
            "webhook_misconfigured",
            f"WEBHOOK_URL resolves to the private address {private}, so nothing is sent there.",
            "Correct WEBHOOK_URL. If the receiver is on your own network, set WEBHOOK_ALLOW_PRIVATE=true.",
        )
    except (OSError, requests.RequestException):
        yield error(
            "webhook_misconfigured",
            f"The host of WEBHOOK_URL, {host}, does not resolve, so nothing can be sent there.",
            "Correct WEBHOOK_URL, or the DNS settings of this machine.",
        )


# --- the mail server ------------------------------------------------------------------------------


def _mail() -> Iterator[Finding]:
    """Whether the server of EMAIL_URL lets this service log in. No mail is sent."""
    if "email" not in settings.NOTIFICATION_CHANNELS:
        return
    mailer = mail.mailers.default
    try:
        mailer.open()
    except OSError as problem:  # as are all errors of smtplib
        yield error(
            "mail_unreachable",
            f"The mail server does not let the service log in, so no mail is sent: {first_line(problem)}",
            "Correct EMAIL_URL: its host, port, user, password and encryption, or start the mail server.",
        )
    finally:
        with suppress(OSError):
            mailer.close()
