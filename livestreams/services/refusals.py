"""Why a change of a stream is refused."""

from django.utils.translation import gettext_lazy as _

from common.refusals import Conflict, Forbidden, Missing
from livestreams.models import Action, refusal_message


class StreamMissing(Missing):
    code = "stream_not_found"
    message = _("there is no stream with this id")


class MoveRefused(Conflict):
    """The state of the stream does not allow the action; the message lists the actions that it allows.

    The `message` of a subclass is its meaning in the API document.
    """

    def __init__(self, status: str) -> None:
        super().__init__(refusal_message(status))


class StreamNotEditable(MoveRefused):
    code = "stream_not_editable"
    message = _("only a scheduled or preparing stream can be changed")


class StreamNotStartable(MoveRefused):
    code = "stream_not_startable"
    message = _("only a scheduled or preparing stream can be started")


class StreamNotEndable(MoveRefused):
    code = "stream_not_endable"
    message = _("only an active stream can be ended")


class StreamNotCancellable(MoveRefused):
    code = "stream_not_cancellable"
    message = _("only a scheduled or preparing stream can be cancelled")


class StreamNotExpirable(MoveRefused):
    code = "stream_not_expirable"
    message = _("only a scheduled or preparing stream can expire")


class StreamNotDeletable(MoveRefused):
    code = "stream_not_deletable"
    message = _("an active stream cannot be deleted; end it first")


class GuestAnswerTooLate(MoveRefused):
    code = "guest_answer_too_late"
    message = _("a guest can only answer while the stream is scheduled, preparing or active")


class AlreadyLive(Conflict):
    code = "already_live"
    message = _("you have an active stream already; end it before you start another")


class StreamNotDeleted(Conflict):
    code = "stream_not_deleted"
    message = _("the stream is not deleted")


class DeletedByOthers(Forbidden):
    code = "deleted_by_others"
    message = _("somebody else deleted this stream; ask a moderator to restore it")


class NotTheCreator(Forbidden):
    code = "not_the_creator"
    message = _("only the creator of the stream may do this")


class NotTheGuest(Forbidden):
    code = "not_the_guest"
    message = _("only the guest of the stream may do this")


class NotTheCreatorOrGuest(Forbidden):
    code = "not_the_creator_or_guest"
    message = _("only the creator or a guest of the stream may do this")


class GuestHasDeclined(Conflict):
    code = "guest_has_declined"
    message = _("you have declined already; the creator of the stream can invite you again")


REFUSALS: dict[Action, type[MoveRefused]] = {
    Action.EDIT: StreamNotEditable,
    Action.SCHEDULE: StreamNotEditable,
    Action.UNSCHEDULE: StreamNotEditable,
    Action.START: StreamNotStartable,
    Action.END: StreamNotEndable,
    Action.CANCEL_BY_HOST: StreamNotCancellable,
    Action.CANCEL_BY_GUEST: StreamNotCancellable,
    Action.EXPIRE: StreamNotExpirable,
    Action.DELETE: StreamNotDeletable,
}
