"""Bans in the command palette."""

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bans.admin.words import state_words
from bans.models import LiveStreamBan
from common.admin.palette import MOST, Finder, add_finder
from common.texts import isolated


def first(bans: QuerySet[LiveStreamBan], text: str) -> QuerySet[LiveStreamBan]:
    """The newest. The search has found a bounded number of people and streams."""
    order = ("-created_at", "-pk")
    # Before the join: PostgreSQL would read everybody for a thousand bans.
    picked = bans.order_by(*order).values("pk")[: MOST + 1]
    return LiveStreamBan.all_objects.filter(pk__in=picked).select_related("target", "stream").order_by(*order)


def shown(ban: LiveStreamBan) -> tuple[str, str]:
    state = state_words(ban, timezone.now())
    title = f"@{ban.target.username} · {isolated(ban.stream.title)}"
    kind, review = ban.get_action_type_display(), ban.get_review_display()
    return title, f"{LiveStreamBan._meta.verbose_name} · {kind} · {state} · {review}"


add_finder(Finder(LiveStreamBan, "gavel", first, shown, _("All bans with these words"), place=30))
