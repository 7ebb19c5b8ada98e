"""The channels that settings name."""

from typing import Protocol

from common.hooks import Hook
from reminders.channels import Channel


class ChannelClass(Protocol):
    def __call__(self) -> Channel: ...


KNOWN_CHANNELS: Hook[ChannelClass] = Hook("KNOWN_CHANNELS", ChannelClass)
