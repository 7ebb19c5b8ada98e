"""Presence, numbers of viewers, statistics, revocations, the keys that sign join tokens, and feedback of viewers."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from common.fields import ObjectIdField, StoredColumn
from common.models import IdentifiedModel
from common.queries import Hour
from livestreams.models import GuestStatus, LiveStream, Status

# A participant who is neither creator nor guest. A guest who declined counts as a viewer.
_VIEWER = ~Q(user=F("stream__creator")) & (~Q(user=F("stream__guest")) | Q(stream__guest_status=GuestStatus.DECLINED))
_JOINED_AS_AUDIENCE = Q(role=LiveStream.Role.AUDIENCE) | (Q(role=None) & _VIEWER)
# Compared with last_seen_at: a server of the version before does not know left_at, so it stays when the user joins
# again.
HAS_LEFT = Q(left_at__gte=F("last_seen_at"))


class ParticipantQuerySet(models.QuerySet["Participant"]):
    def audience(self, *, stream: Any, seen_after: Any) -> Self:
        """The viewers of a stream who were seen after that time and have not left. Takes values or expressions."""
        return self.crowd(stream=stream, seen_after=seen_after).seen(after=seen_after)

    def crowd(self, *, stream: Any, seen_after: Any) -> Self:
        """The same without the condition of the index that finds them, for a walk in another order that has many."""
        return self.filter(_VIEWER, ~HAS_LEFT, stream=stream, last_seen_at__gt=seen_after)

    def joined_as_audience(self, *, stream: Any) -> Self:
        """Who joined a stream as audience, whether they are there or not. Takes a value or an expression."""
        return self.filter(_JOINED_AS_AUDIENCE, stream=stream)

    def seen(self, *, after: Any) -> Self:
        return self.filter(last_seen_hour__gte=Hour(after), last_seen_at__gt=after)

    def of_creators(self, creators: list[str], *, seen_after: datetime) -> Self:
        """Who was seen as a viewer, after that time, in a stream of these creators that is not deleted."""
        lasted = Q(stream__ended_at=None) | Q(stream__ended_at__gt=seen_after)
        streams = Q(stream__creator__in=creators, stream__started_at__isnull=False, stream__deleted_at=None)
        return self.filter(streams, lasted, _VIEWER).seen(after=seen_after)

    def watched(self, *, user: Any) -> Self:
        """The participations of a user, as a viewer, in streams that have ended and are not deleted."""
        over = self.filter(user=user, stream__status=Status.ENDED, stream__deleted_at=None)
        return over.filter(_JOINED_AS_AUDIENCE)


class Participant(IdentifiedModel):
    """A user who joined a stream. Each renewal of the join token updates `last_seen_at`."""

    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="participants", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="participations", db_index=False
    )
    # Of the first join: a guest who leaves by declining may join again as audience. None for joins before this column.
    role = models.CharField(max_length=10, choices=LiveStream.Role, null=True)  # noqa: DJ001
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    # It is indexed in place of `last_seen_at`, so that most renewals change no indexed column and are HOT updates.
    last_seen_hour = StoredColumn(expression=Hour("last_seen_at"), output_field=models.DateTimeField())
    # These two are in no index either. The user is not there from `left_at` on, until the next join.
    left_at = models.DateTimeField(null=True)
    watched_seconds = models.FloatField(default=0.0, db_default=0.0)

    objects: ClassVar[models.Manager["Participant"]] = models.Manager.from_queryset(ParticipantQuerySet)()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["stream", "user"], name="participant_once"),
        ]
        indexes = [
            # Most participants of a stream have left. This index finds those that were seen recently.
            models.Index(fields=["stream", "last_seen_hour"], name="participant_seen"),
            models.Index(fields=["stream", "first_seen_at", "user"], name="participant_by_first_seen"),
            models.Index(fields=["user", "first_seen_at", "stream"], name="participant_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.stream_id}"


class ViewerCount(models.Model):
    """The number of viewers of a stream at `counted_at`; see `services/viewer_counts.py` and `services/live.py`.

    Exactly the active streams have a row with `is_live`, so that lists of active streams read this small table.
    """

    stream = models.OneToOneField(LiveStream, on_delete=models.CASCADE, primary_key=True, related_name="viewer_count")
    viewers = models.PositiveIntegerField()
    counted_at = models.DateTimeField()
    is_live = models.BooleanField(default=False, db_default=False)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["viewers", "stream"], condition=Q(is_live=True), name="viewer_count_live"),
        ]

    def __str__(self) -> str:
        return f"{self.viewers} {self.stream_id}"


class StreamStatistics(models.Model):
    """Numbers of a stream that has started; see `services/live.py` and `services/statistics.py`."""

    stream = models.OneToOneField(LiveStream, on_delete=models.CASCADE, primary_key=True, related_name="statistics")
    # The largest number of viewers, and when it was first counted.
    peak = models.PositiveIntegerField(default=0, db_default=0)
    peak_at = models.DateTimeField(null=True)
    # The number of the latest sample.
    sampled = models.PositiveIntegerField(default=0, db_default=0)
    # Users who joined as audience, and how long they watched together.
    audience = models.PositiveIntegerField(default=0, db_default=0)
    watched_seconds = models.FloatField(default=0.0, db_default=0.0)
    reminders = models.PositiveIntegerField(default=0, db_default=0)
    converted = models.PositiveIntegerField(default=0, db_default=0)  # reminders whose users joined
    bans = models.PositiveIntegerField(default=0, db_default=0)
    # When the numbers above were counted for the last time, after the stream ended.
    settled_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["stream"], condition=Q(settled_at=None), name="statistics_unsettled"),
        ]

    def __str__(self) -> str:
        return self.stream_id


class ViewerSample(models.Model):
    """The number of viewers of a stream at the minute `at`. There is no row for a minute in which it did not change."""

    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()
    viewers = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["stream", "at"], name="viewer_sample_once"),
        ]

    def __str__(self) -> str:
        return f"{self.viewers} {self.stream_id}"


class CreatorAudience(models.Model):
    """How many different viewers the streams of a creator had recently; see `services/ranking.py`."""

    creator = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    viewers = models.PositiveIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["viewers", "creator"], name="creator_audience_ranked"),
            models.Index(fields=["counted_at"], name="creator_audience_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.viewers} {self.creator_id}"


class CountingPass(models.Model):
    """How far a counting is; see `services/counting.py`. One row for each kind of counting."""

    name = models.CharField(max_length=30, primary_key=True)
    # When the pass before this one began; None for the first.
    before_at = models.DateTimeField(null=True)
    begun_at = models.DateTimeField()
    # The id after which the next chunk begins; None when the pass is finished.
    after = ObjectIdField(null=True)
    seconds = models.FloatField()  # that the chunks of this pass took

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Revocation(models.Model):
    """What holds for a user on a stream from `at` on, for media edges and chat servers.

    Append-only. The primary key comes from a sequence and is drawn under the lock of the stream. So for one stream its
    order is the commit order, and a reader that has read up to a row has missed none before it.
    """

    class Action(models.TextChoices):
        BLOCK = "BLOCK"
        CHAT_ONLY = "CHAT_ONLY"
        LIFTED = "LIFTED"

    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="revocations", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    action = models.CharField(max_length=10, choices=Action)
    until = models.DateTimeField(null=True)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(action__in=("BLOCK", "CHAT_ONLY", "LIFTED")), name="revocation_known"),
        ]
        indexes = [
            models.Index(fields=["stream", "id"], name="revocation_by_stream"),
            models.Index(fields=["user", "stream", "id"], name="revocation_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.user_id}"


class JoinKey(IdentifiedModel):
    """A key pair that signs join tokens; its id is the `kid`.

    It signs from the time its predecessor is retired, and is published until the last token that it signed has expired.
    """

    private_key = models.TextField()  # PEM, encrypted with a key that is derived from SECRET_KEY
    public_jwk = models.JSONField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["retired_at"], nulls_distinct=False, condition=Q(retired_at=None), name="join_key_one_newest"
            ),
        ]

    def __str__(self) -> str:
        return self.pk


class Feedback(IdentifiedModel):
    """What a viewer thought of a stream that has ended. It never changes."""

    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="feedback", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    rating = models.PositiveSmallIntegerField()
    comment = models.CharField(max_length=500, null=True)  # noqa: DJ001 - null on the wire
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["stream", "user"], name="feedback_once"),
            models.CheckConstraint(condition=Q(rating__range=(1, 5)), name="feedback_from_1_to_5"),
        ]
        indexes = [
            models.Index(
                fields=["stream", "-created_at", "-id"], condition=Q(comment__isnull=False), name="feedback_comments"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating} {self.stream_id}"


class FeedbackCount(models.Model):
    """How often a stream got each rating: see `services/feedback.py`. It outlives the feedback."""

    stream = models.OneToOneField(LiveStream, on_delete=models.CASCADE, primary_key=True, related_name="+")
    rated_1 = models.PositiveIntegerField()
    rated_2 = models.PositiveIntegerField()
    rated_3 = models.PositiveIntegerField()
    rated_4 = models.PositiveIntegerField()
    rated_5 = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.stream_id
