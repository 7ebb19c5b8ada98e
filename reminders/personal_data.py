"""What is stored about a person here: see `common.personal_data`."""

from collections.abc import Iterator

from django.db.models import Q

from accounts.models import User
from common.personal_data import ERASED, Declaration, NotPersonal, Remove, Replace, Source, TrailKeys
from reminders.models import (
    CalendarAddress,
    Chunk,
    Delivery,
    DeviceToken,
    MutedChannel,
    Notification,
    Reminder,
)

SECRET = "a secret, or the digest of one"  # noqa: S105 - a reason
RANGE = "an id, the end of a range of users"


def declarations() -> Iterator[Declaration]:
    yield Source("reminders", Reminder, "user", Remove())
    yield Source("notifications", Notification, "user", Remove())
    yield Source("devices", DeviceToken, "user", Remove(), withheld={"token": SECRET, "digest": SECRET})
    yield Source("calendar_addresses", CalendarAddress, "user", Remove(), withheld={"digest": SECRET})
    yield Source("muted_channels", MutedChannel, "user", Remove())
    # A mail server may repeat an address in its refusal.
    yield Source(
        "delivery_errors", Delivery, "", Replace({"last_error": ERASED}), is_about=False, where=_has_address_of
    )
    yield NotPersonal(Delivery, {"channel": "the name of a channel", "reached_user": RANGE})
    yield NotPersonal(Chunk, {"after_user": RANGE, "up_to_user": RANGE})
    yield TrailKeys("devicetoken", others={"removed": "a number"})
    yield TrailKeys("round", others={"chunks": "a number"})


def _has_address_of(person_id: str) -> Q:
    email = User.objects.filter(pk=person_id).values_list("email", flat=True).first()
    return Q(last_error__icontains=email) & ~Q(last_error="") if email else Q(pk__in=[])
