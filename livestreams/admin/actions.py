"""Admin actions on streams: the services that staff call."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.enums import ActionVariant

from common.admin import AdminAction
from livestreams import services

END = AdminAction(
    name="end_stream",
    service=services.end_stream,
    rule=services.allow_end,
    label=_("End"),
    done=ngettext_lazy("%(count)d stream was ended.", "%(count)d streams were ended.", "count"),
    icon="stop_circle",
    variant=ActionVariant.WARNING,
)
CANCEL = AdminAction(
    name="cancel_stream",
    service=services.cancel_stream,
    rule=services.allow_cancel,
    label=_("Cancel"),
    done=ngettext_lazy("%(count)d stream was cancelled.", "%(count)d streams were cancelled.", "count"),
    icon="event_busy",
    variant=ActionVariant.WARNING,
)
DELETE = AdminAction(
    name="delete_stream",
    service=services.delete_stream,
    rule=services.allow_delete,
    label=_("Delete"),
    done=ngettext_lazy("%(count)d stream was deleted.", "%(count)d streams were deleted.", "count"),
    icon="delete",
    variant=ActionVariant.DANGER,
)
RESTORE = AdminAction(
    name="restore_stream",
    service=services.restore_stream,
    rule=services.allow_restore,
    label=_("Restore"),
    done=ngettext_lazy("%(count)d stream was restored.", "%(count)d streams were restored.", "count"),
    icon="restore_from_trash",
    variant=ActionVariant.PRIMARY,
)
