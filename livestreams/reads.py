"""Streams as the API writes them."""

from typing import Any

from django.db.models import OuterRef
from django.utils import timezone

from common.queries import ID, TIME, Param, Question
from livestreams.models import LiveStream
from livestreams.serializers import LiveStreamSerializer
from livestreams.services import StreamMissing, audience_restriction

# What somebody who looks at a stream needs to be told, and whether they are kept from it.
_SEEN_STREAM = Question(
    lambda: LiveStream.objects.filter(pk=Param("id", ID)).values_list(
        *LiveStreamSerializer.columns(),
        audience_restriction(stream=OuterRef("pk"), user=Param("caller", ID), now=Param("now", TIME)),
    )
)
_ANY_STREAM = Question(
    lambda: LiveStream.all_objects.filter(pk=Param("id", ID)).values_list(*LiveStreamSerializer.columns())
)


def seen_stream(stream_id: str, *, caller: str) -> tuple[dict[str, Any], Any]:
    """The stream as it is written for `caller`, and what restricts them on it. Raises StreamMissing."""
    rows = _SEEN_STREAM.rows(id=stream_id, caller=caller, now=timezone.now())
    if not rows:
        raise StreamMissing
    (*row, restriction) = rows[0]
    return LiveStreamSerializer.to_wire(row, caller), restriction


def any_stream(stream_id: str, *, caller: str | None) -> dict[str, Any]:
    """The stream as it is written for `caller`, deleted or not; it must exist."""
    (row,) = _ANY_STREAM.rows(id=stream_id)
    return LiveStreamSerializer.to_wire(row, caller)
