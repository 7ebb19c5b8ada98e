"""The audit trail in words: bans, appeals and reports."""

from django.utils.translation import gettext_lazy as _

from bans.models import Appeal, BulkRequest, LiveStreamBan, Report, ReportCase
from bans.reasons import name_of
from common.admin.audit_registry import Action, Field, Group, Kind, Reference, add_action, add_group, add_kind

ActionType = LiveStreamBan.ActionType
Review = LiveStreamBan.Review

STREAM = Field(_("stream"), kind="livestream")

MODERATION = "moderation"

add_group(Group(MODERATION, _("Moderation"), 10))

add_kind(
    Kind(
        "livestreamban",
        _("ban"),
        LiveStreamBan,
        refers={
            "person": Reference("user", "target_id", "target_id", finds=True),
            "stream": Reference("livestream", "stream_id", "stream_id"),
        },
        fields={
            "stream_id": STREAM,
            "deleted_at": _("lifted at"),
            "deleted_by_id": Field(_("lifted by"), kind="user"),
            "reviewer": _("reviewed by"),
            "moderator": _("moderator"),
        },
    )
)
add_kind(
    Kind(
        "appeal",
        _("appeal"),
        Appeal,
        refers={
            "ban": Reference("livestreamban", "ban_id", "ban_id", is_part=True),
            "person": Reference("user", "ban__target_id", "", finds=True),
            "stream": Reference("livestream", "ban__stream_id", ""),
        },
        fields={"ban_id": Field(_("ban"), kind="livestreamban")},
    )
)
add_kind(
    Kind(
        "report",
        _("report"),
        Report,
        refers={"stream": Reference("livestream", "stream_id", "stream_id")},
        fields={
            "stream_id": STREAM,
            "case_id": Field(_("case"), kind="reportcase"),
            "reason": Field(_("reason"), worded=name_of),
            "comment": _("comment"),
        },
    )
)
add_kind(
    Kind(
        "reportcase",
        _("case"),
        ReportCase,
        refers={"stream": Reference("livestream", "stream_id", "stream_id")},
        fields={"stream_id": STREAM},
    )
)
add_kind(
    Kind(
        "bulkrequest",
        _("bulk request"),
        BulkRequest,
        refers={"stream": Reference("livestream", "stream_id", "stream_id")},
        fields={"stream_id": STREAM, "action": _("what"), "people": _("people"), "batch_id": _("batch")},
    )
)

for action in (
    Action(
        "ban_user",
        "livestreamban",
        MODERATION,
        _("ban a person"),
        _("%(actor)s banned %(person)s from %(stream)s"),
        ("action_type", {ActionType.CHAT_ONLY: _("%(actor)s banned %(person)s from writing on %(stream)s")}),
    ),
    Action(
        "change_ban",
        "livestreamban",
        MODERATION,
        _("change a ban"),
        _("%(actor)s changed the ban of %(person)s on %(stream)s"),
    ),
    Action(
        "lift_ban",
        "livestreamban",
        MODERATION,
        _("lift a ban"),
        _("%(actor)s lifted the ban of %(person)s on %(stream)s"),
    ),
    Action(
        "undo_ban",
        "livestreamban",
        MODERATION,
        _("undo a batch of bans"),
        _("%(actor)s undid a batch of bans, and so lifted the ban of %(person)s on %(stream)s"),
    ),
    Action(
        "review_ban",
        "livestreamban",
        MODERATION,
        _("review a ban"),
        _("%(actor)s reviewed the ban of %(person)s on %(stream)s"),
        (
            "review",
            {
                Review.UPHELD: _("%(actor)s upheld the ban of %(person)s on %(stream)s"),
                Review.LIFTED: _("%(actor)s lifted the ban of %(person)s on %(stream)s"),
                Review.CHANGED: _("%(actor)s changed the ban of %(person)s on %(stream)s"),
            },
        ),
    ),
    Action(
        "overrule_review",
        "livestreamban",
        MODERATION,
        _("overrule a review"),
        _("%(actor)s overruled the review of the ban of %(person)s on %(stream)s"),
        (
            "review",
            {
                Review.UPHELD: _("%(actor)s overruled the review and upheld the ban of %(person)s on %(stream)s"),
                Review.LIFTED: _("%(actor)s overruled the review and lifted the ban of %(person)s on %(stream)s"),
                Review.CHANGED: _("%(actor)s overruled the review and changed the ban of %(person)s on %(stream)s"),
            },
        ),
    ),
    Action(
        "undo_review",
        "livestreamban",
        MODERATION,
        _("take back a verdict"),
        _("%(actor)s took back the verdict on the ban of %(person)s on %(stream)s"),
    ),
    Action(
        "take_over_claim",
        "livestreamban",
        MODERATION,
        _("take over a case"),
        _("%(actor)s took over the case of %(person)s on %(stream)s"),
    ),
    Action(
        "review_batch",
        "livestream",
        MODERATION,
        _("review a raid"),
        _("%(actor)s decided about a raid on %(stream)s; bans reviewed: %(reviewed)s"),
    ),
    Action(
        "request_bulk",
        "bulkrequest",
        MODERATION,
        _("request a bulk ban or lift"),
        _("%(actor)s asked for a bulk ban or lift on %(stream)s"),
    ),
    Action(
        "approve_bulk_request",
        "bulkrequest",
        MODERATION,
        _("approve a bulk request"),
        _("%(actor)s approved a bulk ban or lift on %(stream)s"),
    ),
    Action(
        "reject_bulk_request",
        "bulkrequest",
        MODERATION,
        _("reject a bulk request"),
        _("%(actor)s rejected a bulk ban or lift on %(stream)s"),
    ),
    Action(
        "reopen_appeal",
        "appeal",
        MODERATION,
        _("reopen an appeal"),
        _("%(actor)s reopened the appeal of %(person)s against the ban on %(stream)s"),
    ),
    Action(
        "appeal_ban",
        "appeal",
        MODERATION,
        _("appeal against a ban"),
        _("%(actor)s appealed against the ban on %(stream)s"),
    ),
    Action(
        "withdraw_appeal",
        "appeal",
        MODERATION,
        _("withdraw an appeal"),
        _("%(actor)s withdrew the appeal against the ban on %(stream)s"),
    ),
    Action(
        "approve_appeal",
        "appeal",
        MODERATION,
        _("grant an appeal"),
        _("%(actor)s granted the appeal of %(person)s against the ban on %(stream)s"),
    ),
    Action(
        "deny_appeal",
        "appeal",
        MODERATION,
        _("deny an appeal"),
        _("%(actor)s denied the appeal of %(person)s against the ban on %(stream)s"),
    ),
    Action(
        "report_stream",
        "report",
        MODERATION,
        _("report a stream"),
        _("%(actor)s reported %(stream)s"),
    ),
    Action(
        "dismiss_case",
        "reportcase",
        MODERATION,
        _("dismiss reports"),
        _("%(actor)s dismissed the reports of %(stream)s"),
    ),
    Action(
        "mark_acted_on",
        "reportcase",
        MODERATION,
        _("mark reports as acted on"),
        _("%(actor)s marked the reports of %(stream)s as acted on"),
    ),
):
    add_action(action)
