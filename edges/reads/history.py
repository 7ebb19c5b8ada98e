"""The streams that a user broadcasted or watched."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from rest_framework.response import Response

from common.orders import Order
from common.pagination import Listing
from common.queries import ID
from edges.models import Participant
from edges.serializers import BroadcastedStreamSerializer, WatchedStreamSerializer
from livestreams.models import GuestStatus, LiveStream, Status


def _broadcasted(*, user: Any) -> models.QuerySet[Any]:
    """Ended streams of this creator, or with this guest, who has accepted or joined before leaving."""
    as_guest = Participant.objects.filter(stream=OuterRef("pk"), user=user, role=LiveStream.Role.GUEST)
    took_part = Q(guest_status=GuestStatus.ACCEPTED) | Exists(as_guest)
    return LiveStream.objects.filter(Q(creator=user) | (Q(guest=user) & took_part), status=Status.ENDED)


BROADCASTED = Listing(
    "my-broadcasted-streams",
    BroadcastedStreamSerializer,
    _broadcasted,
    values={"user": ID},
    orders={"endedAt": Order(F("ended_at"))},
    from_replica=True,
)


def _joined(*, user: Any) -> models.QuerySet[Any]:
    # Streams that have been deleted since are still a place in the order.
    return Participant.objects.filter(user=user)


# In the order of the first join, which an index of participants has; their streams need not be read to be sorted.
WATCHED = Listing(
    "my-watched-streams",
    WatchedStreamSerializer,
    Participant.objects.watched,
    values={"user": ID},
    orders={"joined": Order(F("first_seen_at"))},
    places=_joined,
    subject="stream",
    from_replica=True,
)


def broadcasted_streams(query: Mapping[str, Any], *, caller: str) -> Response:
    return BROADCASTED.page(query, caller=caller, user=caller)


def watched_streams(query: Mapping[str, Any], *, caller: str) -> Response:
    return WATCHED.page(query, caller=caller, user=caller)
