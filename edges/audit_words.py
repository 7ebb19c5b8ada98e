"""The audit trail in words: feedback and join keys."""

from django.utils.translation import gettext_lazy as _

from common.admin.audit_registry import Action, Field, Kind, Reference, add_action, add_kind
from edges.models import Feedback, JoinKey

STREAMS = "streams"
SYSTEM = "system"

add_kind(
    Kind(
        "feedback",
        _("feedback"),
        Feedback,
        refers={"stream": Reference("livestream", "stream_id", "stream_id")},
        fields={
            "stream_id": Field(_("stream"), kind="livestream"),
            "rating": _("rating"),
            "comment": _("comment"),
        },
    )
)
add_kind(
    Kind(
        "joinkey",
        _("join key"),
        JoinKey,
        fields={"kid": _("id of the key"), "old_retires_at": _("the old key is used until")},
    )
)

for action in (
    Action(
        "give_feedback",
        "feedback",
        STREAMS,
        _("give feedback"),
        _("%(actor)s rated %(stream)s with %(rating)s"),
    ),
    Action(
        "rotate_join_key",
        "joinkey",
        SYSTEM,
        _("replace the join key"),
        _("%(actor)s replaced the key that signs join tokens"),
    ),
):
    add_action(action)
