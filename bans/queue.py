"""The queues of bans that wait for a review, and the order in which moderators get them.

A ban is in the first queue that it fits into. `_parts` is the only definition of this order: `in_queue_order` sorts any
selection of bans by it, and `page_of_queue` finds the rows of one page without reading the others, because each part
has an index.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, ExpressionWrapper, F, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

from common.models import LockingQuerySet
from livestreams.models import LiveStream, Status

ENDING_WITHIN = timedelta(hours=1)
# In the last part, later times come first. Mirrored at this time, they sort in ascending order, as in the other parts.
_MIRROR = Value(datetime(2000, 1, 1, tzinfo=UTC), output_field=models.DateTimeField())


# The sort keys of `in_queue_order`.
SORTED = ("queue_rank", "queue_place", "id")


class Queue(models.TextChoices):
    APPEALS = "appeals", _("Appeals")
    LIVE = "live", _("On live streams")
    ENDING = "ending", _("Ending within the hour")
    REST = "rest", _("All others")


class _Part(NamedTuple):
    """Rows of one queue, or those that do not wait. `place` sorts them, and after it their ids.

    `own` holds for the rows of this part and may hold for rows of earlier ones, `condition` for no row of another part.
    """

    queue: Queue | None
    own: Q
    condition: Q
    place: Combinable
    order: str | Combinable


UNREVIEWED = Q(review="unreviewed", deleted_at__isnull=True)
SETTLED = ~Q(review="unreviewed") | Q(deleted_at__isnull=False)


def _pending_appeals() -> models.QuerySet[Any]:
    """The pending appeal against the ban of the outer query."""
    return apps.get_model("bans", "Appeal").objects.filter(ban=OuterRef("pk"), state="pending")


def _parts(now: Any) -> list[_Part]:
    """In the order of the queue."""
    pending = Q(appeal__state="pending")
    appealed = Exists(_pending_appeals())
    is_live = Exists(LiveStream.all_objects.filter(pk=OuterRef("stream"), status=Status.ACTIVE))
    # IN is planned from the few live streams; NOT IN looks each row up in a hash table of them.
    live = Q(stream__in=LiveStream.all_objects.filter(status=Status.ACTIVE).values("pk"))
    ending = Q(expires_at__gt=now, expires_at__lte=now + ENDING_WITHIN)
    later = Q(expires_at__isnull=True) | Q(expires_at__lte=now) | Q(expires_at__gt=now + ENDING_WITHIN)
    waiting = UNREVIEWED & ~Q(appealed)
    mirrored = ExpressionWrapper(_MIRROR - (F("created_at") - _MIRROR), output_field=models.DateTimeField())
    # Bans on live streams are among the newest. In the order of an index, PostgreSQL would read all older ones first.
    unindexed = ExpressionWrapper(F("created_at") + timedelta(0), output_field=models.DateTimeField())
    return [
        _Part(Queue.APPEALS, pending, pending, F("appeal__created_at"), "appeal__created_at"),
        _Part(Queue.LIVE, UNREVIEWED & Q(is_live), waiting & live, F("created_at"), unindexed),
        _Part(Queue.ENDING, UNREVIEWED & ending, waiting & ~live & ending, F("expires_at"), "expires_at"),
        _Part(Queue.REST, UNREVIEWED, waiting & ~live & later, F("created_at"), "created_at"),
        _Part(None, SETTLED, SETTLED & ~Q(appealed), mirrored, "-created_at"),
    ]


class QueueQuerySet[T: models.Model](LockingQuerySet[T]):
    def waiting(self, now: Any, queue: Queue | str | None = None) -> Self:
        """Bans that need a review, in no order: those with a pending appeal, and unreviewed ones that were not lifted.

        Only those of one queue if it is not None.
        """
        if queue is not None:
            return self.filter(condition_of(queue, now))
        return self.filter(UNREVIEWED | Q(Exists(_pending_appeals())))

    def offered_to(self, user: Any, now: Any) -> Self:
        """Without the bans that `user` made and that others may still review first: see REVIEW_OWN_BANS_AFTER.

        The time counts from the pending appeal, else from the ban.
        """
        since = now - settings.REVIEW_OWN_BANS_AFTER
        young = Q(created_at__gt=since) | Q(Exists(_pending_appeals().filter(created_at__gt=since)))
        return self.filter(~Q(created_by=user) | ~young)

    def in_queue(self, queue: Queue | str, now: Any) -> Self:
        """The bans of one queue, in its order."""
        return self._of_part(_part_of(queue, now))

    def in_queue_order(self, now: Any, *before: Any) -> Self:
        """All bans of this selection: those that wait in the order of the queue, then the others, newest first.

        `before` are sort keys that come first. Sorts all rows; see `page_of_queue` for the rows of one page.
        """
        parts = _parts(now)
        ranks = [When(part.own, then=Value(rank)) for rank, part in enumerate(parts)]
        places = [When(part.own, then=part.place) for part in parts]
        sorted_by = self.alias(
            queue_rank=Case(*ranks, default=Value(len(parts)), output_field=models.IntegerField()),
            queue_place=Case(*places, output_field=models.DateTimeField()),
        )
        return sorted_by.order_by(*before, *SORTED)

    def page_of_queue(
        self, now: Any, first: int, last: int, *, queues: Sequence[Queue | str] | None = None
    ) -> list[str]:
        """The ids at the places `first` to `last` (excluded, from 0) of `in_queue_order`, in one statement.

        With `queues`, only of these queues. Of each part it reads `last` rows, in the order of an index.
        """
        wanted = [part for part in _parts(now) if queues is None or part.queue in queues]
        if len(wanted) == 1:
            return list(self._of_part(wanted[0]).values_list("pk", flat=True)[first:last])
        found = [
            self._of_part(part).annotate(queue_rank=Value(rank), queue_place=part.place).values_list(*SORTED)[:last]
            for rank, part in enumerate(wanted)
        ]
        rows = found[0].union(*found[1:], all=True).order_by(*SORTED)[first:last]
        return [pk for _rank, _place, pk in rows]

    def keys_of(self, queues: Sequence[Queue | str], now: Any) -> Self:
        """The keys of the bans in these queues, in no order. To be counted: each part is read by its own index."""
        parts = [self.waiting(now, queue).order_by().values_list("pk") for queue in queues]
        return parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]  # type: ignore[return-value]

    def _of_part(self, part: _Part) -> Self:
        return self.filter(part.condition).order_by(part.order, "pk")


def _part_of(queue: Queue | str, now: Any) -> _Part:
    return next(part for part in _parts(now) if part.queue == queue)


def condition_of(queue: Queue | str, now: Any) -> Q:
    """Which bans are in a queue."""
    return _part_of(queue, now).condition
