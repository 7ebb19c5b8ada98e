"""Bulk calls that wait for a second moderator, for tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import BulkRequest
from livestreams.models import LiveStream
from tests.conftest import make_user


def make_request(
    stream: LiveStream,
    people: Sequence[User] | None = None,
    *,
    by: User | None = None,
    now: datetime | None = None,
    **ban: Any,
) -> BulkRequest:
    """A request to ban `people`, or one person, from the stream."""
    targets = [user.pk for user in people or [make_user("raider")]]
    with override_settings(FOUR_EYES_ABOVE=0):
        batch = services.ban_many(stream.pk, targets, by=by or stream.creator, now=now or timezone.now(), **ban)
    return BulkRequest.objects.get(pk=batch.results[0].request_id)
