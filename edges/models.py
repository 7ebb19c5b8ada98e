"""Presence, revocations, and the keys that sign join tokens."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from common.fields import StoredColumn
from common.models import IdentifiedModel
from common.queries import Hour
from livestreams.models import GuestStatus, LiveStream


class ParticipantQuerySet(models.QuerySet["Participant"]):
    def audience(self, *, stream: Any, seen_after: Any) -> Self:
        """The viewers: seen after that time, and neither creator nor guest. Takes values or expressions.

        A guest who declined counts as a viewer.
        """
        seen = self.filter(stream=stream, last_seen_hour__gte=Hour(seen_after), last_seen_at__gt=seen_after)
        present = seen.exclude(user=F("stream__creator"))
        return present.filter(~Q(user=F("stream__guest")) | Q(stream__guest_status=GuestStatus.DECLINED))


class Participant(IdentifiedModel):
    """A user who joined a stream, in any role. Each renewal of the join token updates `last_seen_at`."""

    stream = models.ForeignKey(LiveStream, on_delete=models.CASCADE, related_name="participants", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="participations")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    # It is indexed in place of `last_seen_at`, so that most renewals change no indexed column and are HOT updates.
    last_seen_hour = StoredColumn(expression=Hour("last_seen_at"), output_field=models.DateTimeField())

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
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.stream_id}"


class ViewerCount(models.Model):
    """The number of viewers of a stream at `counted_at`; see `services/viewer_counts.py`."""

    stream = models.OneToOneField(LiveStream, on_delete=models.CASCADE, primary_key=True, related_name="+")
    viewers = models.PositiveIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.viewers} {self.stream_id}"


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
