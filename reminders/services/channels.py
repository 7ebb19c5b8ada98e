"""The configured notification channels. The inbox is none of them: it is the ledger itself."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from reminders.channels import Channel


def channel_names() -> list[str]:
    return list(settings.NOTIFICATION_CHANNELS)


@cache
def _channel(path: str) -> Channel:
    return import_string(path)()


def channel(name: str) -> Channel:
    """Raises KeyError when the settings no longer have this channel."""
    return _channel(settings.NOTIFICATION_CHANNELS[name])
