"""Streams in the command palette."""

from django.db.models import Case, QuerySet, When
from django.utils.translation import gettext_lazy as _

from common.admin.palette import MOST, Finder, add_finder
from livestreams.admin.words import shown_state
from livestreams.models import LiveStream, Status


def first(streams: QuerySet[LiveStream], text: str) -> QuerySet[LiveStream]:
    """Live ones, then the newest. The search has found a bounded number of titles and creators."""
    live_first = Case(When(status=Status.ACTIVE, then=0), default=1)
    order = (live_first, "-created_at", "-pk")
    # Before the join: PostgreSQL would read everybody for a thousand streams.
    picked = streams.order_by(*order).values("pk")[: MOST + 1]
    return LiveStream.all_objects.filter(pk__in=picked).select_related("creator").order_by(*order)


def shown(stream: LiveStream) -> tuple[str, str]:
    return stream.title, f"{LiveStream._meta.verbose_name} · @{stream.creator.username} · {shown_state(stream)}"


add_finder(Finder(LiveStream, "live_tv", first, shown, _("All streams with these words"), place=20))
