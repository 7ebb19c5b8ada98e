"""Push tokens of devices: register, remove, and forget those that are not used any more."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services import UserMissing
from common import audit
from common.locks import AdvisoryLock
from common.refusals import Missing
from reminders.models import DeviceToken, digest_of

MOST_DEVICES = 10  # of one user: each is in every delivery to them
# An app that registers at each start changes nothing until so much time has passed.
REGISTERED_AGAIN_AFTER = timedelta(days=1)
REGISTERING = AdvisoryLock("device token")


class DeviceTokenMissing(Missing):
    code = "device_token_not_found"
    message = _("you have no device token with this id")


@transaction.atomic
def register_device(
    *, by: User, now: datetime, token: str, platform: str, device_id: str = "", session_id: str | None = None
) -> DeviceToken:
    """Store the push token of a device of `by`, or renew it.

    A token that another user had moves to `by`: the device has changed hands. With `device_id`, it replaces the token
    that the device had before. Tokens of `by` whose session has ended are removed, and so are those that were
    registered longest ago, until MOST_DEVICES are left. `session_id` is the session that the token ends with; None for
    a user of the identity provider. Raises UserMissing.
    """
    user = User.objects.locked(by.pk, otherwise=UserMissing)
    digest = digest_of(token)
    # Of two users who register the same new token at the same time, the second one finds the row of the first.
    REGISTERING.take(digest.hex())
    # Locked in the order of their keys, so that two users who exchange their devices do not deadlock.
    locked = DeviceToken.objects.for_update().filter(Q(user=by) | Q(digest=digest)).order_by("pk")
    found = list(locked.select_related("session"))
    mine = [each for each in found if each.user_id == by.pk]
    with_token = [each for each in found if bytes(each.digest) == digest]
    on_device = [each for each in mine if device_id and each.device_id == device_id]
    known = next(iter(with_token + on_device), None)
    values = {"user_id": by.pk, "session_id": session_id, "platform": platform, "device_id": device_id}
    before = {} if known is None else _values(known)
    is_same = known in with_token and before == values
    if known is not None and is_same and _holds(known, user, now) and now < known.updated_at + REGISTERED_AGAIN_AFTER:
        return known
    device = known or DeviceToken(created_at=now)
    holding = [each for each in mine if _holds(each, user, now)]
    kept = _newest([each for each in holding if each not in [device, *on_device]])
    removed = [each.pk for each in mine if each not in [device, *kept]]
    if removed:
        DeviceToken.objects.filter(pk__in=removed).delete()
    for name, value in values.items():
        setattr(device, name, value)
    device.token, device.digest, device.updated_at = token, digest, now
    device.save(force_insert=known is None)
    after = values | ({"removed": removed} if removed else {})
    audit.record("register_device", device, by=by, now=now, before=before, after=after)
    return device


def _newest(others: list[DeviceToken]) -> list[DeviceToken]:
    """Those that leave room for one more."""
    return sorted(others, key=lambda each: (each.updated_at, each.pk))[-(MOST_DEVICES - 1) :]


def _holds(device: DeviceToken, user: User, now: datetime) -> bool:
    """As `DeviceTokenQuerySet.holding`, for a token of `user`."""
    if device.session is not None:
        return device.session.holds(now)
    return user.identity_tokens_from is None or device.updated_at > user.identity_tokens_from


@transaction.atomic
def remove_device(device_id: str, *, by: User, now: datetime) -> DeviceToken:
    """Delete a push token of `by` and return it. Raises DeviceTokenMissing, also for the token of another user."""
    device = DeviceToken.objects.for_update().filter(pk=device_id, user=by).first()
    if device is None:
        raise DeviceTokenMissing
    DeviceToken.objects.filter(pk=device_id).delete()
    audit.record("remove_device", device, by=by, now=now, before=_values(device), after={})
    return device


def _values(device: DeviceToken) -> dict[str, Any]:
    """For the audit trail, without the token."""
    return {name: getattr(device, name) for name in ("user_id", "session_id", "platform", "device_id")}
