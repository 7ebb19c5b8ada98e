"""Feedback of viewers about a stream that has ended.

The numbers of each rating are kept beside it, so a summary costs the same however many viewers gave feedback. The
explanation is in docs/decisions/0031-reports-are-cases.md.
"""

from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common import audit
from common.queries import ID, TIME, Param, Question
from common.refusals import Conflict, Forbidden
from common.writes import Write, insertion, run
from edges.models import Feedback, Participant
from livestreams.models import LiveStream, Status
from livestreams.services import audience_restriction, readable, share_stream_lock

RATINGS = range(1, 6)


class NotWatched(Forbidden):
    code = "not_watched"
    message = _("only who watched the stream may give feedback about it")


class StreamNotEnded(Conflict):
    code = "stream_not_ended"
    message = _("feedback can be given once the stream has ended")


class FeedbackGiven(Conflict):
    code = "feedback_already_given"
    message = _("you have given feedback about this stream already")


def _watching() -> models.QuerySet[Any]:
    return Participant.objects.joined_as_audience(stream=Param("stream", ID)).filter(user=Param("user", ID))


def _seen_by_viewer() -> models.QuerySet[Any]:
    """The status of the stream, whether the user watched it and gave feedback, and what restricts them on it."""
    user = Param("user", ID)
    return LiveStream.objects.filter(pk=Param("stream", ID)).values_list(
        "status",
        Exists(_watching()),
        Exists(Feedback.objects.filter(stream=Param("stream", ID), user=user)),
        audience_restriction(stream=OuterRef("pk"), user=user, now=Param("now", TIME)),
    )


_LOCKED = Question(lambda: _watching().select_for_update(no_key=True, of=("self",)).values_list("pk"))
_SEEN_BY_VIEWER = Question(_seen_by_viewer)
# Each insertion locks the row until its transaction ends. So none is lost, and feedback of others waits for no more
# than the rest of this transaction.
_COUNTED = """
    INSERT INTO edges_feedbackcount AS known (stream_id, rated_1, rated_2, rated_3, rated_4, rated_5)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (stream_id) DO UPDATE SET
        rated_1 = known.rated_1 + excluded.rated_1, rated_2 = known.rated_2 + excluded.rated_2,
        rated_3 = known.rated_3 + excluded.rated_3, rated_4 = known.rated_4 + excluded.rated_4,
        rated_5 = known.rated_5 + excluded.rated_5
"""


def refuse_feedback(stream_id: str, *, by: User, now: datetime) -> tuple[str, bool]:
    """Raises StreamMissing, Banned, NotWatched. Returns the status of the stream, and whether `by` gave feedback."""
    status, has_watched, has_given = readable(_SEEN_BY_VIEWER.rows(stream=stream_id, user=by.pk, now=now))
    if not has_watched:
        raise NotWatched
    return status, has_given


@transaction.atomic
def give_feedback(stream_id: str, *, by: User, now: datetime, rating: int, comment: str | None = None) -> Feedback:
    """Rate a stream that has ended from 1 to 5; once for each viewer.

    Raises StreamMissing, Banned, NotWatched, StreamNotEnded, FeedbackGiven.
    """
    share_stream_lock(stream_id)
    # The lock of this viewer's participation: of concurrent calls of one viewer, the second sees the first.
    _LOCKED.rows(stream=stream_id, user=by.pk)
    status, has_given = refuse_feedback(stream_id, by=by, now=now)
    if status != Status.ENDED:
        raise StreamNotEnded
    if has_given:
        raise FeedbackGiven
    feedback = Feedback(stream_id=stream_id, user=by, rating=rating, comment=comment, created_at=now)
    after = {"stream_id": stream_id, "rating": rating, "comment": comment}
    noted = audit.entry("give_feedback", feedback, by=by, now=now, before={}, after=after)
    counts = [int(rating == each) for each in RATINGS]
    run(insertion(feedback), noted, Write(_COUNTED, [bytes.fromhex(stream_id), *counts]))
    return feedback
