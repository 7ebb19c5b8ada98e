"""What edges know of streams, in the admin: how many watch a stream now, and how many watched at most."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.admin import Columns, add_columns
from edges.models import StreamStatistics
from livestreams.models import LiveStream


def viewers_of(ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The viewers of active streams, as the worker counted them a few seconds ago, and the peak of others."""
    rows = StreamStatistics.objects.filter(stream__in=ids).values_list(
        "stream_id", "peak", "stream__viewer_count__viewers", "stream__viewer_count__is_live"
    )
    return {
        pk: {"viewers": viewers if is_live else _("at most %(count)d") % {"count": peak}}
        for pk, peak, viewers, is_live in rows
        if is_live or peak
    }


add_columns(LiveStream, Columns({"viewers": gettext_lazy("viewers")}, "livestreams.view_livestream", viewers_of))
