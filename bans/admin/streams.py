"""Bans on the pages of streams: columns of the board."""

from collections.abc import Sequence
from typing import Any

from django.db.models import OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bans.models import LiveStreamBan
from common.admin import Columns, add_columns, link
from common.admin.counting import COUNTED_BESIDE, written_count
from common.queries import CountUpTo
from livestreams.models import LiveStream


def bans_of(ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The bans that hold and the unreviewed ones of each stream, as links to their lists."""
    bans = LiveStreamBan.objects.filter(stream=OuterRef("pk"))
    counted = LiveStream.all_objects.filter(pk__in=ids).values_list(
        "pk",
        CountUpTo(bans.holding(timezone.now()), COUNTED_BESIDE),
        CountUpTo(bans.filter(review=LiveStreamBan.Review.UNREVIEWED), COUNTED_BESIDE),
    )
    return {
        pk: {
            "bans": _linked(pk, holding, "holding=yes"),
            "unreviewed": _linked(pk, unreviewed, f"review__exact={LiveStreamBan.Review.UNREVIEWED}"),
        }
        for pk, holding, unreviewed in counted
    }


def _linked(stream_id: str, count: int, wanted: str) -> str:
    if not count:
        return "–"
    address = f"{reverse('admin:bans_livestreamban_changelist')}?stream__id__exact={stream_id}&{wanted}"
    return link(address, written_count(count))


add_columns(
    LiveStream,
    Columns({"bans": _("bans in force"), "unreviewed": _("unreviewed bans")}, "bans.view_livestreamban", bans_of),
)
