"""Creating a stream, and changing it before it starts."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from common import audit
from livestreams.models import Action, GuestStatus, LiveStream, Status
from livestreams.names import new_channel_name
from livestreams.services.changes import allow, change_stream, locked_stream
from livestreams.services.guests import check_guest

CHANNEL_NAME_TRIES = 5


def create_stream(
    *,
    by: User,
    now: datetime,
    title: str,
    type: str = LiveStream.Type.SOLO,
    guest: str | None = None,
    price: Decimal | None = None,
    interest: str | None = None,
    duration_goal: int | None = None,
    motivation: str | None = None,
    planned_start_at: datetime | None = None,
    thumbnail: str = "",
) -> LiveStream:
    """With a planned start the stream is `scheduled`, without one `preparing`.

    `guest` is the id of the user who is invited: a duo has exactly one, a solo none. `thumbnail` is the name of a
    stored file.
    Raises Invalid when the guest does not fit the type or does not exist.
    """
    check_guest(type, guest, creator_id=by.pk)
    stream = LiveStream(
        title=title,
        type=type,
        creator=by,
        guest_id=guest,
        guest_status=guest and GuestStatus.INVITED,
        thumbnail=thumbnail,
        status=Status.PREPARING if planned_start_at is None else Status.SCHEDULED,
        price=price or None,
        interest=interest,
        duration_goal=duration_goal,
        motivation=motivation,
        planned_start_at=planned_start_at,
        plan_set_at=planned_start_at and now,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        _insert_with_new_channel_name(stream)
        after = {
            "status": stream.status,
            "title": title,
            "type": type,
            "guest_id": guest,
            "guest_status": stream.guest_status,
            "planned_start_at": planned_start_at,
        }
        audit.record("create_stream", stream, by=by, now=now, before={}, after=after)
    return stream


def _insert_with_new_channel_name(stream: LiveStream) -> None:
    for tries_left in reversed(range(CHANNEL_NAME_TRIES)):
        stream.channel_name = new_channel_name(stream.title)
        try:
            with transaction.atomic():
                stream.save(force_insert=True)
        except IntegrityError as error:
            if "channel_name" not in str(error) or not tries_left:
                raise
        else:
            return


@transaction.atomic
def edit_stream(
    stream_id: str, *, by: User | None, now: datetime, changes: Mapping[str, Any], reason: str = ""
) -> LiveStream:
    """Change a scheduled or preparing stream.

    The keys of `changes` are title, motivation, interest, duration_goal, guest, price and planned_start_at. A planned
    start makes the stream `scheduled`, None makes it `preparing`. A new guest is invited, and so is the same one after
    declining. Values that are equal already are not written.
    """
    stream = locked_stream(stream_id)
    values = dict(changes)
    allow(stream, Action.EDIT)
    if "planned_start_at" in values:
        action = Action.UNSCHEDULE if values["planned_start_at"] is None else Action.SCHEDULE
        values["status"] = allow(stream, action)
    if "guest" in values:
        values["guest_id"] = values.pop("guest")
        check_guest(stream.type, values["guest_id"], creator_id=stream.creator_id)
        if values["guest_id"] != stream.guest_id or stream.guest_status == GuestStatus.DECLINED:
            values["guest_status"] = GuestStatus.INVITED
    if "price" in values:
        values["price"] = values["price"] or None
    return change_stream(stream, "edit_stream", by=by, now=now, reason=reason, **values)
