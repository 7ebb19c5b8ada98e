"""Sent notifications, for tests of the pages that show them."""

from collections.abc import Iterable

from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services
from reminders.models import Delivery
from tests.reminders.working import work_off

WEBHOOK = {"webhook": "reminders.channels.webhook.WebhookChannel"}


def notify_of_start(stream: LiveStream, people: Iterable[User]) -> Delivery:
    """Start the stream and notify these people. The delivery to the webhook stays pending."""
    now = timezone.now()
    for person in people:
        services.set_reminder(stream.pk, by=person, now=now, minute=None, language="en")
    streams.start_stream(stream.pk, by=stream.creator, now=now)
    with override_settings(NOTIFICATION_CHANNELS=WEBHOOK):
        work_off(now)
    return Delivery.objects.get(chunk__round__stream=stream)
