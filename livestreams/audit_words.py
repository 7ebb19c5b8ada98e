"""The audit trail in words: streams."""

from django.utils.translation import gettext_lazy as _

from common.admin.audit_registry import Action, Field, Group, Kind, add_action, add_group, add_kind
from livestreams.models import LiveStream

STREAMS = "streams"

add_group(Group(STREAMS, _("Streams"), 20))

add_kind(
    Kind(
        "livestream",
        _("stream"),
        LiveStream,
        own="stream",
        title="title",
        title_noted="title",
        gone=_("a stream that was removed"),
        fields={
            "deleted_at": _("deleted at"),
            "deleted_by_id": Field(_("deleted by"), kind="user"),
            "thumbnail": _("picture"),
            "retained_at": _("retained since"),
            # Of decisions about many rows of a stream.
            "batch_id": _("id of the batch"),
            "verdict": _("verdict"),
            "reviewed": _("reviewed"),
            "skipped": _("skipped"),
        },
    )
)

for action in (
    Action("create_stream", "livestream", STREAMS, _("create a stream"), _("%(actor)s created %(stream)s")),
    Action("edit_stream", "livestream", STREAMS, _("edit a stream"), _("%(actor)s edited %(stream)s")),
    Action("start_stream", "livestream", STREAMS, _("start a stream"), _("%(actor)s started %(stream)s")),
    Action("end_stream", "livestream", STREAMS, _("end a stream"), _("%(actor)s ended %(stream)s")),
    Action("cancel_stream", "livestream", STREAMS, _("cancel a stream"), _("%(actor)s cancelled %(stream)s")),
    Action(
        "expire_stream",
        "livestream",
        STREAMS,
        _("expire a stream"),
        _("%(actor)s closed %(stream)s, which nobody had started"),
    ),
    Action("delete_stream", "livestream", STREAMS, _("delete a stream"), _("%(actor)s deleted %(stream)s")),
    Action("restore_stream", "livestream", STREAMS, _("restore a stream"), _("%(actor)s restored %(stream)s")),
    Action(
        "retain_stream",
        "livestream",
        STREAMS,
        _("keep a stream from being removed"),
        _("%(actor)s keeps %(stream)s from being removed"),
    ),
    Action(
        "release_stream",
        "livestream",
        STREAMS,
        _("no longer keep a stream from being removed"),
        _("%(actor)s no longer keeps %(stream)s from being removed"),
    ),
    Action(
        "purge_stream",
        "livestream",
        STREAMS,
        _("remove a deleted stream for good"),
        _("%(actor)s removed %(stream)s for good"),
    ),
    Action(
        "accept_guest",
        "livestream",
        STREAMS,
        _("accept an invitation"),
        _("%(actor)s accepted the invitation to %(stream)s"),
    ),
    Action(
        "decline_guest",
        "livestream",
        STREAMS,
        _("decline an invitation"),
        _("%(actor)s declined the invitation to %(stream)s"),
    ),
    Action(
        "set_thumbnail",
        "livestream",
        STREAMS,
        _("set the picture of a stream"),
        _("%(actor)s set the picture of %(stream)s"),
    ),
    Action(
        "remove_thumbnail",
        "livestream",
        STREAMS,
        _("remove the picture of a stream"),
        _("%(actor)s removed the picture of %(stream)s"),
    ),
):
    add_action(action)
