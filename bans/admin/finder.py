"""Bans in the command palette."""

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bans.models import LiveStreamBan, state_at
from common.admin.palette import MOST, Finder, add_finder
from common.texts import isolated


def first(bans: QuerySet[LiveStreamBan], text: str) -> QuerySet[LiveStreamBan]:
    """The newest. The search has found a bounded number of people and streams."""
    return bans.prefetch_related(None).select_related("target", "stream").order_by("-created_at", "-pk")[: MOST + 1]


def shown(ban: LiveStreamBan) -> tuple[str, str]:
    state = state_at(ban.deleted_at, ban.expires_at, timezone.now()).label
    title = f"@{ban.target.username} · {isolated(ban.stream.title)}"
    kind, review = ban.get_action_type_display(), ban.get_review_display()
    return title, f"{LiveStreamBan._meta.verbose_name} · {kind} · {state} · {review}"


add_finder(Finder(LiveStreamBan, "gavel", first, shown, _("All bans with these words"), place=30))
