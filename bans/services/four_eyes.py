"""Bulk calls about more people than `settings.FOUR_EYES_ABOVE` are stored until a second moderator approves them.

The services of bulk calls ask `needs_approval` under their lock, once they know how many people they would ban or lift.
docs/decisions/0040-four-eyes.md explains the rules.
"""

from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

from accounts.models import User
from bans.models import BulkRequest
from common import audit


def needs_approval(people: int) -> bool:
    most: int | None = settings.FOUR_EYES_ABOVE
    return most is not None and people > most


def stored_request(
    stream_id: str,
    action: BulkRequest.Action,
    payload: dict[str, Any],
    *,
    people: int,
    by: User | None,
    now: datetime,
    batch_id: str | None = None,
    reason: str = "",
) -> str:
    """The id of the request. The same call by the same user gets the request that it got before, while that is pending.

    Call it under the lock of the stream.
    """
    payload = orjson.loads(orjson.dumps(payload))  # as it will be read, with times as text
    pending = BulkRequest.objects.filter(
        stream=stream_id, state=BulkRequest.State.PENDING, expires_at__gt=now, requested_by=by, action=action
    )
    for request in pending.order_by("-created_at", "-id"):
        if request.payload == payload:
            return str(request.pk)
    request = BulkRequest(
        stream_id=stream_id,
        action=action,
        payload=payload,
        people=people,
        requested_by=by,
        batch_id=batch_id,
        expires_at=now + settings.FOUR_EYES_WAIT,
        created_at=now,
        updated_at=now,
    )
    request.save(force_insert=True)
    after = {"stream_id": stream_id, "action": action, "people": people, "batch_id": batch_id}
    audit.record("request_bulk", request, by=by, now=now, before={}, after=after, reason=reason)
    return str(request.pk)
