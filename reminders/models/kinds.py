"""What a notification reports: of a stream, or of the verdict on a ban."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from livestreams.models import Status


class Kind(models.TextChoices):
    """What a round reports of its stream. A user who was sent the `reminder` is not sent `live` as well."""

    REMINDER = "reminder", _("before the start")
    LIVE = "live", _("at the start")
    CANCELLED = "cancelled", _("cancelled")


class VerdictKind(models.TextChoices):
    """What is reported to a banned person, in the inbox only."""

    APPEAL_DECIDED = "appeal_decided", _("appeal decided")
    BAN_REVIEWED = "ban_reviewed", _("ban reviewed")
    VERDICT_WITHDRAWN = "verdict_withdrawn", _("decision taken back")


NOTIFICATION_KINDS = [*Kind.choices, *VerdictKind.choices]

# For each kind of round, the statuses of a stream in which it is still true and may be sent.
VALID_IN: dict[str, tuple[str, ...]] = {
    Kind.REMINDER: (Status.SCHEDULED,),
    Kind.LIVE: (Status.ACTIVE,),
    Kind.CANCELLED: (Status.CANCELLED_BY_HOST, Status.CANCELLED_BY_GUEST),
}
