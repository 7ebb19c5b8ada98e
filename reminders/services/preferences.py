"""Which channels a user is notified on."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services import UserMissing
from common import audit
from common.refusals import Invalid
from reminders.models import MutedChannel
from reminders.services.channels import channel_names

INBOX = "inbox"
EMAIL = "email"


def channels_of(user: User) -> dict[str, bool]:
    """Each channel of this installation and whether `user` is notified on it. The inbox is always on."""
    muted = set(MutedChannel.objects.filter(user=user).values_list("channel", flat=True))
    return {INBOX: True} | {name: name not in muted for name in channel_names()}


def lock_channels(*, by: User) -> None:
    """Lock the choice of `by` until the transaction ends. Raises UserMissing."""
    User.objects.locked(by.pk, otherwise=UserMissing)


@transaction.atomic
def choose_channels(*, by: User, now: datetime, wanted: Mapping[str, bool]) -> dict[str, bool]:
    """Switch the named channels of `by` on or off and leave the others. Returns what `channels_of` does.

    Raises UserMissing, and Invalid for switching off the inbox and for an unknown channel.
    """
    for name, is_wanted in wanted.items():
        if name == INBOX and not is_wanted:
            raise Invalid(name, _("cannot be switched off"))
        if name not in (INBOX, *channel_names()):
            raise Invalid(name, _("is no channel of this service"))
    lock_channels(by=by)
    for name, is_wanted in wanted.items():
        if name != INBOX:
            _switch(name, by=by, now=now, on=is_wanted)
    return channels_of(by)


@transaction.atomic
def unsubscribe(user_id: str, *, now: datetime) -> bool:
    """Mute email for the user whose unsubscribe address was used. Returns whether the user exists."""
    user: User | None = User.objects.for_update().filter(pk=user_id).first()
    if user is None:
        return False
    _switch(EMAIL, by=user, now=now, on=False)
    return True


def _switch(name: str, *, by: User, now: datetime, on: bool) -> None:
    """The caller holds the lock of the user. Setting a channel to what it is writes no audit row."""
    muted = MutedChannel.objects.filter(user=by, channel=name)
    if muted.exists() != on:
        return
    if on:
        muted.delete()
    else:
        MutedChannel.objects.create(user=by, channel=name)
    audit.record("choose_channels", by, by=by, now=now, before={name: not on}, after={name: on})
