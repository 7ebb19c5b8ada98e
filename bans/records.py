"""The record of a person for moderators: how many bans and appeals there were, which bans hold now, and the others."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, Q, When

from bans.models import Appeal, LiveStreamBan
from livestreams.models import Status

Review = LiveStreamBan.Review
COUNTED = 100  # of the newest bans of a person
HOLDING_SHOWN = 3
OTHERS_SHOWN = 10  # bans of a person before one, and as many after it


@dataclass(frozen=True)
class Record:
    """Numbers of the newest `COUNTED` bans of a person. `has_more` means that there are older ones."""

    bans: int
    upheld: int
    lifted: int
    appeals: int
    pending: int
    has_more: bool


def record_of(person_id: str) -> Record:
    """Counts the newest bans of the person, whatever became of their streams. One statement."""
    newest = LiveStreamBan.all_objects.filter(target=person_id).order_by("-created_at", "-id")
    counted = newest.annotate(appeal_state=F("appeal__state"))[: COUNTED + 1]
    numbers = counted.aggregate(
        bans=Count("pk"),
        upheld=Count("pk", filter=Q(review__in=[Review.UPHELD, Review.CHANGED])),
        lifted=Count("pk", filter=Q(deleted_at__isnull=False)),
        appeals=Count("appeal_state"),
        pending=Count("pk", filter=Q(appeal_state=Appeal.State.PENDING)),
    )
    return Record(**numbers, has_more=numbers["bans"] > COUNTED)


def bans_in_force(person_id: str, *, now: datetime) -> list[LiveStreamBan]:
    """Bans of the person that hold, with their streams: those of live streams first, then the newest. At most one more
    than `HOLDING_SHOWN`. One statement."""
    holding = LiveStreamBan.all_objects.holding(now).filter(target=person_id).select_related("stream")
    live_first = Case(When(stream__status=Status.ACTIVE, then=0), default=1)
    return list(holding.order_by(live_first, "-created_at", "-id")[: HOLDING_SHOWN + 1])


def other_bans(ban: LiveStreamBan) -> tuple[list[LiveStreamBan], list[LiveStreamBan]]:
    """The bans of the same person after and before this one, newest first: the nearest `OTHERS_SHOWN` of both.

    With their streams and makers. One statement.
    """
    others = LiveStreamBan.all_objects.filter(target=ban.target_id).exclude(pk=ban.pk)
    later = others.filter(created_at__gt=ban.created_at).order_by("created_at", "id").values("pk")[:OTHERS_SHOWN]
    earlier = others.filter(created_at__lte=ban.created_at).order_by("-created_at", "-id").values("pk")[:OTHERS_SHOWN]
    nearest = others.filter(Q(pk__in=later) | Q(pk__in=earlier)).select_related("stream", "created_by")
    found = list(nearest.order_by("-created_at", "-id"))
    return (
        [other for other in found if other.created_at > ban.created_at],
        [other for other in found if other.created_at <= ban.created_at],
    )
