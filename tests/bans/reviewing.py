"""Appeals, verdicts and their undo, for tests."""

from typing import Any

from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan

Review = LiveStreamBan.Review
BLOCK, CHAT_ONLY = LiveStreamBan.ActionType.BLOCK, LiveStreamBan.ActionType.CHAT_ONLY


def appeal(ban: LiveStreamBan) -> None:
    services.appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text="It was my brother.")


def review(ban: LiveStreamBan, by: User, verdict: Review, *, reason: str = "Seen.", **more: Any) -> LiveStreamBan:
    """Without `changes`, CHANGED leaves the person able to watch."""
    if verdict == Review.CHANGED:
        more.setdefault("changes", {"action_type": CHAT_ONLY})
    return services.review_ban(ban.pk, by=by, now=timezone.now(), verdict=verdict, reason=reason, **more)


def overrule(ban: LiveStreamBan, by: User, verdict: Review, **more: Any) -> LiveStreamBan:
    return services.overrule_review(ban.pk, by=by, now=timezone.now(), verdict=verdict, reason="Wrong.", **more)


def undo(ban: LiveStreamBan, by: User) -> LiveStreamBan:
    return services.undo_review(ban.pk, by=by, now=timezone.now())
