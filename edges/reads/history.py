"""The streams that a user broadcasted or watched."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from rest_framework.response import Response

from common.pagination import Listing, Order, Shape
from common.queries import ID, Param
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
)


class _Watched(Listing):
    def _keyed(self, shape: Shape) -> models.QuerySet[Any]:
        # Streams that have been deleted since are still a position in the order.
        return Participant.objects.filter(user=Param("user", ID))


# In the order of the first join, which an index of participants has; their streams need not be read to be sorted.
WATCHED = _Watched(
    "my-watched-streams",
    WatchedStreamSerializer,
    Participant.objects.watched,
    values={"user": ID},
    orders={"joined": Order(F("first_seen_at"))},
    subject="stream",
)


def broadcasted_streams(query: Mapping[str, Any], *, caller: str) -> Response:
    return BROADCASTED.page(query, caller=caller, user=caller)


def watched_streams(query: Mapping[str, Any], *, caller: str) -> Response:
    return WATCHED.page(query, caller=caller, user=caller)
