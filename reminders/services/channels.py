"""The ways on which notices leave the house, as settings name them; the inbox is the ledger itself."""

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
    """Raises KeyError when settings name no such channel any more."""
    return _channel(settings.NOTIFICATION_CHANNELS[name])
