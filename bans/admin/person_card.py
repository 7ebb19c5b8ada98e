"""What moderators see of a person beside a ban: who it is, what happened before, and what holds now."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.serializers import file_url
from bans.models import Appeal, LiveStreamBan
from common.admin import page_of

ActionType = LiveStreamBan.ActionType
Review = LiveStreamBan.Review
OTHERS_SHOWN = 10  # bans before, and as many after


def person_card(request: HttpRequest, person: User, now: datetime) -> dict[str, Any]:
    """The variables of the card. One statement, whatever the person has done."""
    counted = _counted(person, now)
    photo = person.profile_photo
    return {
        "name": person.get_full_name(),
        "username": person.username,
        "initials": ((person.name[:1] + person.surname[:1]) or person.username[:2]),
        "photo": file_url(photo.variants["76"]) if photo else "",
        "url": page_of(person) if request.user.has_perm("accounts.view_user") else "",
        "age": gettext("Account of %(age)s") % {"age": timesince(person.created_at, now, depth=1)},
        "is_active": person.is_active,
        "inactive_text": _("The account is deactivated."),
        "counts": [
            (_("bans"), counted["bans"]),
            (_("upheld"), counted["upheld"]),
            (_("changed"), counted["changed"]),
            (_("lifted"), counted["lifted"]),
            (_("appeals"), counted["appeals"]),
            (_("granted"), counted["granted"]),
        ],
        "penalty": _penalty(counted["blocked"], counted["muted"]),
        "penalty_label": _("In force now"),
    }


def _counted(person: User, now: datetime) -> dict[str, int]:
    holds = Q(deleted_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=now))
    return LiveStreamBan.all_objects.filter(target=person).aggregate(
        bans=Count("pk"),
        upheld=Count("pk", filter=Q(review=Review.UPHELD)),
        changed=Count("pk", filter=Q(review=Review.CHANGED)),
        lifted=Count("pk", filter=Q(deleted_at__isnull=False)),
        appeals=Count("appeal"),
        granted=Count("appeal", filter=Q(appeal__state=Appeal.State.APPROVED)),
        blocked=Count("pk", filter=holds & Q(action_type=ActionType.BLOCK)),
        muted=Count("pk", filter=holds & Q(action_type=ActionType.CHAT_ONLY)),
    )


def _penalty(blocked: int, muted: int) -> str:
    """The bans that hold on all streams."""
    parts = [
        ngettext("may not watch %(count)d stream", "may not watch %(count)d streams", blocked) % {"count": blocked}
        if blocked
        else "",
        ngettext("may not write on %(count)d stream", "may not write on %(count)d streams", muted) % {"count": muted}
        if muted
        else "",
    ]
    return ", ".join(part for part in parts if part) or gettext("no ban")


def other_bans(ban: LiveStreamBan) -> tuple[list[LiveStreamBan], list[LiveStreamBan]]:
    """The bans of the same person after and before this one, newest first."""
    others = LiveStreamBan.all_objects.filter(target=ban.target_id).select_related("stream", "created_by")
    after = others.filter(created_at__gt=ban.created_at).order_by("created_at", "id")[:OTHERS_SHOWN]
    before = others.filter(created_at__lte=ban.created_at).exclude(pk=ban.pk).order_by("-created_at", "-id")
    return list(after)[::-1], list(before[:OTHERS_SHOWN])
