"""The lifecycle of a stream as one table, and the answers of its guest."""

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

# --- lifecycle: state × action → next state ------------------------------------------------------


class Status(models.TextChoices):
    SCHEDULED = "scheduled", _("scheduled")
    PREPARING = "preparing", _("preparing")
    ACTIVE = "active", _("active")
    ENDED = "ended", _("ended")
    CANCELLED_BY_HOST = "cancelled_by_host", _("cancelled by its host")
    CANCELLED_BY_GUEST = "cancelled_by_guest", _("cancelled by a guest")
    EXPIRED = "expired", _("expired")


class Action(models.TextChoices):
    """What can happen to a stream. The label completes "it can only be …"; it is empty where no user can ask for it."""

    EDIT = "edit", pgettext_lazy("the stream can be", "changed")
    SCHEDULE = "schedule", pgettext_lazy("the stream can be", "scheduled")
    UNSCHEDULE = "unschedule", pgettext_lazy("the stream can be", "unscheduled")
    START = "start", pgettext_lazy("the stream can be", "started")
    END = "end", pgettext_lazy("the stream can be", "ended")
    CANCEL_BY_HOST = "cancel_by_host", pgettext_lazy("the stream can be", "cancelled")
    CANCEL_BY_GUEST = "cancel_by_guest", pgettext_lazy("the stream can be", "cancelled by its guest")
    EXPIRE = "expire", ""
    DELETE = "delete", pgettext_lazy("the stream can be", "deleted")


_UPCOMING = {
    Action.SCHEDULE: Status.SCHEDULED,
    Action.UNSCHEDULE: Status.PREPARING,
    Action.START: Status.ACTIVE,
    Action.CANCEL_BY_HOST: Status.CANCELLED_BY_HOST,
    Action.CANCEL_BY_GUEST: Status.CANCELLED_BY_GUEST,
    Action.EXPIRE: Status.EXPIRED,
}

# An action that is not in a row is refused in that state. Deleting a stream does not change its status.
LIFECYCLE: dict[Status, dict[Action, Status]] = {
    Status.SCHEDULED: {Action.EDIT: Status.SCHEDULED, **_UPCOMING, Action.DELETE: Status.SCHEDULED},
    Status.PREPARING: {Action.EDIT: Status.PREPARING, **_UPCOMING, Action.DELETE: Status.PREPARING},
    Status.ACTIVE: {Action.END: Status.ENDED},
    Status.ENDED: {Action.DELETE: Status.ENDED},
    Status.CANCELLED_BY_HOST: {Action.DELETE: Status.CANCELLED_BY_HOST},
    Status.CANCELLED_BY_GUEST: {Action.DELETE: Status.CANCELLED_BY_GUEST},
    Status.EXPIRED: {Action.DELETE: Status.EXPIRED},
}

UPCOMING = (Status.SCHEDULED, Status.PREPARING)
OVER = tuple(status for status, moves in LIFECYCLE.items() if set(moves) == {Action.DELETE})
# Planned starts lie before this; the planned end, up to a day later, is then a valid datetime, too.
LATEST_PLAN = datetime(2100, 1, 1, tzinfo=UTC)


def next_status(status: str, action: Action) -> Status | None:
    """The status that `action` leads to from `status`, or None when it is not allowed."""
    return LIFECYCLE[Status(status)].get(action)


def over_before(moment: datetime, prefix: str = "") -> Q:
    """Streams that were over by then and have no `Hold`. `prefix` is the path to them in the query."""
    return Q(**{f"{prefix}status__in": OVER, f"{prefix}updated_at__lt": moment, f"{prefix}hold__isnull": True})


def allowed(status: str) -> list[Action]:
    """The actions that users can ask for in this state."""
    return [action for action in LIFECYCLE[Status(status)] if action.label]


def refusal_message(status: str) -> str:
    """The message of a 409: the current state, and the actions that are possible in it."""
    verbs: list[str | Promise] = [action.label for action in allowed(status)]
    *others, last = map(str, verbs)
    possible = gettext("%(others)s or %(last)s") % {"others": ", ".join(others), "last": last} if others else last
    return gettext("the stream is %(status)s; it can only be %(possible)s") % {
        "status": Status(status).label,
        "possible": possible,
    }


# --- the guest -----------------------------------------------------------------------------------


class GuestStatus(models.TextChoices):
    """The guest's answer. Naming a guest invites them.

    An accepted guest can still decline. After that, the guest cannot accept until the creator invites them again.
    """

    INVITED = "invited", _("invited")
    ACCEPTED = "accepted", _("accepted")
    DECLINED = "declined", _("declined")


# The guest can answer while the stream is in one of these states.
ANSWERABLE = (*UPCOMING, Status.ACTIVE)
