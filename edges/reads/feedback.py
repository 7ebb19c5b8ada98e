"""The feedback about one stream: what a viewer gave, and its summary."""

from typing import Any

from common.queries import ID, Param, Question
from common.times import wire_time
from edges.models import Feedback, FeedbackCount
from edges.serializers import FeedbackSerializer
from edges.services.feedback import RATINGS

_COUNTS = Question(
    lambda: FeedbackCount.objects.filter(pk=Param("stream", ID)).values_list(*(f"rated_{each}" for each in RATINGS))
)
_COMMENTS = Question(
    lambda: (
        Feedback.objects.filter(stream=Param("stream", ID), comment__isnull=False)
        .order_by("-created_at", "-id")
        .values_list("rating", "comment", "created_at")
    )
)


def new_feedback(feedback: Feedback) -> dict[str, Any]:
    """The feedback that was just given."""
    return FeedbackSerializer.wire_of(feedback)


def feedback_of(stream_id: str, *, limit: int) -> dict[str, Any]:
    """The numbers of each rating, and the newest `limit` comments without their authors."""
    rows = _COUNTS.rows(stream=stream_id)
    counts = dict(zip(RATINGS, rows[0] if rows else [0] * len(RATINGS), strict=True))
    total = sum(counts.values())
    points = sum(rating * count for rating, count in counts.items())
    return {
        "streamId": stream_id,
        "count": total,
        "average": round(points / total, 2) if total else None,
        "ratings": [{"rating": rating, "count": counts[rating]} for rating in reversed(RATINGS)],
        "comments": [
            {"rating": rating, "comment": comment, "createdAt": wire_time(created_at)}
            for rating, comment, created_at in _COMMENTS.rows(stream=stream_id, limit=limit)
        ],
    }
