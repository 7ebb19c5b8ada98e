"""Bans, appeals, bulk calls and reports in the API: what it answers with and what it accepts."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.models import User
from accounts.serializers import UserSummarySerializer
from bans.models import Appeal, BanState, LiveStreamBan, ReportCase, state_at
from bans.services import LARGEST_BATCH, BulkOutcome
from common.pagination import PageQuery
from common.rows import Derived, ReadSerializer
from common.serializers import (
    AtLeastOneSerializer,
    IdField,
    InputSerializer,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictString,
    WireTime,
)
from common.text_fields import ManyLines
from livestreams.serializers import LiveStreamSerializer

LONGEST_BAN_SECONDS = 31_536_000  # a year

# --- answers --------------------------------------------------------------------------------------


class BanSerializer(ReadSerializer):
    _id = IdField(source="id")
    targetUserId = IdField(source="target_id")
    targetUser = UserSummarySerializer(source="target")
    liveStreamId = IdField(source="stream_id")
    actionType = serializers.ChoiceField(LiveStreamBan.ActionType.choices, source="action_type")
    reason = serializers.CharField(allow_null=True)
    createdBy = IdField(source="created_by_id")
    deletedAt = WireTime(source="deleted_at", allow_null=True)
    deletedBy = IdField(source="deleted_by_id", allow_null=True)
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")
    expiresAt = WireTime(source="expires_at", allow_null=True, help_text="Null: until it is lifted.")


class CheckSerializer(serializers.Serializer[Any]):
    isBanned = serializers.BooleanField()
    ban = BanSerializer(allow_null=True)


# --- bodies ---------------------------------------------------------------------------------------


class EndOfBan(InputSerializer):
    """The end of a ban: a time, or a number of seconds from now. With neither, the ban holds until it is lifted."""

    expiresAt = WireTime(source="expires_at", allow_null=True, required=False, help_text="In the future.")
    durationSeconds = StrictInteger(
        source="duration_seconds",
        min_value=1,
        max_value=LONGEST_BAN_SECONDS,
        required=False,
        help_text="Instead of `expiresAt`.",
    )

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        seconds = values.pop("duration_seconds", None)
        if seconds is not None:
            if "expires_at" in values:
                raise serializers.ValidationError({"durationSeconds": [_("must not come with expiresAt")]})
            values["expires_at"] = timezone.now() + timedelta(seconds=seconds)
        return super().validate(values)


class CreateBanSerializer(EndOfBan):
    targetUserId = IdField(source="target_id")
    liveStreamId = IdField(source="stream_id")
    actionType = StrictChoice(
        LiveStreamBan.ActionType.choices, source="action_type", default=LiveStreamBan.ActionType.BLOCK
    )
    reason = ManyLines(max_length=500, allow_null=True, required=False)


class ChangeBanSerializer(EndOfBan, AtLeastOneSerializer):
    actionType = StrictChoice(LiveStreamBan.ActionType.choices, source="action_type", required=False)
    reason = ManyLines(max_length=500, allow_null=True, required=False)


# --- queries --------------------------------------------------------------------------------------


class ListBansQuery(PageQuery):
    targetUserId = IdField(source="target", required=False)
    targetUser = StrictString(source="target_user", max_length=150, required=False, help_text="Id or username.")
    liveStreamId = IdField(source="stream", required=False)
    actionType = StrictChoice(LiveStreamBan.ActionType.choices, source="action_type", required=False)
    startDate = WireTime(source="made_from", required=False, help_text="Made at or after this moment.")
    endDate = WireTime(source="made_to", required=False, help_text="Made at or before this moment.")

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        """Replace `target_user` with `target` or `username_key`, depending on its form."""
        named = query.pop("target_user", None)
        if named is not None:
            pk = User.id_in(named)
            query |= {"target": pk} if pk else {"username_key": User.key_of(named)}
        return query


class CheckBanQuery(InputSerializer):
    liveStreamId = IdField(source="stream")


# --- bulk calls -----------------------------------------------------------------------------------


class BulkBanSerializer(EndOfBan):
    liveStreamId = IdField(source="stream_id")
    targets = StrictList(
        source="sent",
        child=StrictString(max_length=150),
        min_length=1,
        max_length=LARGEST_BATCH,
        help_text="Ids or usernames, in upper or lower case. A text with the form of an id is always an id.",
    )
    actionType = StrictChoice(
        LiveStreamBan.ActionType.choices, source="action_type", default=LiveStreamBan.ActionType.BLOCK
    )
    reason = ManyLines(max_length=500, allow_null=True, required=False)
    dryRun = StrictBoolean(source="dry_run", default=False, help_text="Answer with the outcome of each and ban nobody.")


BULK_OUTCOMES = [
    BulkOutcome.BANNED,
    BulkOutcome.ALREADY_BANNED,
    BulkOutcome.REFUSED,
    BulkOutcome.UNKNOWN,
    BulkOutcome.DUPLICATE,
    BulkOutcome.REQUESTED,
]
UNDO_OUTCOMES = [BulkOutcome.LIFTED, BulkOutcome.SKIPPED, BulkOutcome.REQUESTED]
_REQUEST_HELP = "The request that waits for a second moderator, where so many people need one. Null when all is done."


class BulkAnswerSerializer(serializers.Serializer[Any]):
    """The outcome of one target. Outcomes have the order of the targets."""

    target = serializers.CharField(help_text="As it was sent.")
    targetUserId = IdField(allow_null=True)
    outcome = serializers.ChoiceField(BULK_OUTCOMES)
    code = serializers.CharField(allow_null=True, help_text="Why not: the code of the refusal of a single ban.")
    banId = IdField(allow_null=True, help_text="The ban that was made, or that holds already.")


class BulkBanAnswerSerializer(serializers.Serializer[Any]):
    batchId = IdField(allow_null=True, help_text="Names the batch in the undo. Null when no ban was made.")
    dryRun = serializers.BooleanField()
    banned = serializers.IntegerField(min_value=0)
    alreadyBanned = serializers.IntegerField(min_value=0)
    refused = serializers.IntegerField(min_value=0, help_text="People who are protected from bans.")
    requestId = IdField(allow_null=True, help_text=_REQUEST_HELP)
    outcomes = BulkAnswerSerializer(many=True)


class UndoAnswerSerializer(BulkAnswerSerializer):
    """The outcome of one ban of the batch."""

    target = IdField(help_text="The same as `targetUserId`.")
    targetUserId = IdField()
    outcome = serializers.ChoiceField(UNDO_OUTCOMES)
    code = serializers.CharField(allow_null=True, help_text="Why it was skipped: an error code.")
    banId = IdField()


class UndoBulkBanAnswerSerializer(serializers.Serializer[Any]):
    batchId = IdField()
    lifted = serializers.IntegerField(min_value=0)
    skipped = serializers.IntegerField(
        min_value=0, help_text="Bans that somebody changed, reviewed or lifted since, or that have ended."
    )
    requestId = IdField(allow_null=True, help_text=_REQUEST_HELP)
    outcomes = UndoAnswerSerializer(many=True)


# --- appeals --------------------------------------------------------------------------------------


def _message_about_appeal(
    state: str, appealed_at: datetime, reviewed_at: datetime | None, message: str | None
) -> str | None:
    """The message of the verdict that the appeal waited for, and not of one that it objects to."""
    is_newer = reviewed_at is not None and reviewed_at >= appealed_at
    return message if is_newer and state != Appeal.State.PENDING else None


class AppealSerializer(ReadSerializer):
    _id = IdField(source="id")
    banId = IdField(source="ban_id")
    text = serializers.CharField()
    status = serializers.ChoiceField(Appeal.State.choices, source="state")
    verdictMessage = Derived(
        serializers.CharField(allow_null=True),
        of=["state", "created_at", "ban__reviewed_at", "ban__verdict_message"],
        by=_message_about_appeal,
        help_text="What the moderator writes to the banned user about the decision. Null without it.",
    )
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")


class AppealedBanSerializer(AppealSerializer):
    """An appeal of a list, with the ban that it is against."""

    ban = BanSerializer()


class MyBanSerializer(BanSerializer):
    state = Derived(
        serializers.ChoiceField(BanState.choices),
        of=["deleted_at", "expires_at", "asked_at"],
        by=state_at,
        help_text="`active`: it holds. `lapsed`: its end has passed. `lifted`: somebody ended it.",
    )
    verdictMessage = serializers.CharField(
        source="verdict_message",
        allow_null=True,
        help_text="What the moderator who reviewed the ban writes to you about it. Null without it.",
    )
    appeal = AppealSerializer(allow_null=True, help_text="Your appeal against it.")


class AppealBanSerializer(InputSerializer):
    text = ManyLines(max_length=500)


class ListAppealsQuery(PageQuery):
    status = StrictChoice(Appeal.State.choices, required=False)


class ListMyBansQuery(PageQuery):
    state = StrictChoice(BanState.choices, required=False)


# --- reports --------------------------------------------------------------------------------------


class ReportSerializer(ReadSerializer):
    _id = IdField(source="id")
    liveStreamId = IdField(source="stream_id")
    reason = serializers.CharField(help_text="What is wrong with the stream.")
    comment = serializers.CharField(allow_null=True, help_text="What the moderators should know. Null without it.")
    status = serializers.ChoiceField(
        ReportCase.State.choices,
        source="case.state",
        help_text="`open` until a moderator decides: `dismissed`, or `acted_on`.",
    )
    createdAt = WireTime(source="created_at")
    decidedAt = WireTime(source="case.decided_at", allow_null=True, help_text="When a moderator decided. Null before.")


class MyReportSerializer(ReportSerializer):
    liveStream = LiveStreamSerializer(source="stream", help_text="The stream that was reported.")


REPORT_REASONS = [(reason, reason) for reason in settings.REPORT_REASONS]


class ReportStreamSerializer(InputSerializer):
    reason = StrictChoice(REPORT_REASONS, help_text="What is wrong with the stream.")
    comment = ManyLines(
        max_length=500, allow_null=True, required=False, help_text="What the moderators should know. Null without it."
    )


class ListMyReportsQuery(PageQuery):
    status = StrictChoice(
        ReportCase.State.choices, source="state", required=False, help_text="Only reports in this state."
    )
    liveStreamId = IdField(source="stream", required=False, help_text="Only reports of this stream.")


# --- files ----------------------------------------------------------------------------------------


class ImportedBanSerializer(InputSerializer):
    """One line of a file of bans. The other columns of an export are ignored."""

    ignored_keys = frozenset({"_id", "createdAt", "deletedBy"})

    liveStreamId = IdField(source="stream_id")
    targetUserId = IdField(source="target_id", required=False, allow_null=True)
    targetUsername = StrictString(source="target_username", max_length=150, required=False, allow_null=True)
    actionType = StrictChoice(
        LiveStreamBan.ActionType.choices, source="action_type", default=LiveStreamBan.ActionType.BLOCK
    )
    reason = ManyLines(max_length=500, allow_null=True, required=False)
    expiresAt = WireTime(source="expires_at", allow_null=True, required=False)
    createdBy = IdField(source="created_by", allow_null=True, required=False)
    deletedAt = WireTime(source="deleted_at", allow_null=True, required=False)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """Set `target` to the id or, without an id, to the username."""
        named, pk = values.pop("target_username", None), values.pop("target_id", None)
        if not (pk or named):
            raise serializers.ValidationError({"targetUserId": [_("is required, or targetUsername")]})
        if values.pop("deleted_at", None) is not None:
            raise serializers.ValidationError({"deletedAt": [_("must be empty; a lifted ban is not made again")]})
        return values | {"target": pk or named}
