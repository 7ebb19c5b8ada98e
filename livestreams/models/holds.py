"""Streams that no retention removes."""

from typing import ClassVar

from django.db import models

from common.models import LockingQuerySet
from livestreams.models.streams import LiveStream


class Hold(models.Model):
    """Exempts a stream, and what refers to it, from every retention until it is removed, as for an investigation.

    Who decided it and why is in the audit trail. PROTECT makes the database refuse to purge the stream.
    """

    stream = models.OneToOneField(LiveStream, primary_key=True, on_delete=models.PROTECT, related_name="hold")
    since = models.DateTimeField()

    objects: ClassVar[models.Manager["Hold"]] = models.Manager.from_queryset(LockingQuerySet["Hold"])()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.stream_id} {self.since:%Y-%m-%d %H:%M}"
