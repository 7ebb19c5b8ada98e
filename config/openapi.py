"""Settings of the OpenAPI document. Its text is in config/document.py, which imports the apps."""

import tomllib
from pathlib import Path
from typing import Any

# pyproject.toml is the only place of the version.
_PROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8"))["project"]

# Public names of types whose classes have a shorter one. A class needs to be understood in its app, a type in the whole
# API. See docs/decisions/0032-names-in-the-document.md.
SCHEMA_TYPE_NAMES = {
    "BroadcastedStream": "BroadcastedLiveStream",
    "BulkAnswer": "BulkBanItem",
    "BulkBanAnswer": "BulkBanResult",
    "ChangeBan": "UpdateBan",
    "Channels": "NotificationChannels",
    "Check": "BanCheck",
    "ChooseChannels": "UpdateNotificationChannels",
    "CreateStream": "CreateLiveStream",
    "CreateStreamForm": "CreateLiveStreamForm",
    "DeletedStream": "DeletedLiveStream",
    "EditStream": "UpdateLiveStream",
    "GiveFeedback": "CreateFeedback",
    "Join": "JoinLiveStream",
    "Joined": "JoinedLiveStream",
    "Left": "LeftLiveStream",
    "Marked": "MarkedNotifications",
    "Metadata": "NotificationMetadata",
    "ReportStream": "CreateReport",
    "SetThumbnail": "SetLiveStreamThumbnail",
    "Statistics": "LiveStreamStatistics",
    "Tokens": "TokenPair",
    "UndoAnswer": "UndoBulkBanItem",
    "UndoBulkBanAnswer": "UndoBulkBanResult",
    "UpcomingStream": "UpcomingLiveStream",
    "Viewer": "LiveStreamViewer",
    "ViewersAt": "LiveStreamViewersAt",
    "ViewersPage": "LiveStreamViewerPage",
    "WatchedStream": "WatchedLiveStream",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Kumanda",
    "VERSION": _PROJECT["version"],
    # For docs/openapi.yaml, so that it does not depend on the environment. A running service puts its own here.
    "SERVERS": [
        {"url": "http://localhost:8000", "description": "Development"},
        {"url": "https://api.example.com", "description": "Production"},
    ],
    "CONTACT": {"name": "API support", "url": "https://api.example.com"},
    "LICENSE": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]+",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "GET_LIB_DOC_EXCLUDES": "common.schema.bases_without_text",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "LiveStreamStatus": "livestreams.models.Status",
        "LiveStreamType": "livestreams.models.LiveStream.Type",
        "LiveStreamRole": "livestreams.models.LiveStream.Role",
        "LiveStreamAccessType": "livestreams.models.LiveStream.AccessType",
        "BroadcasterRole": ["host", "guest"],
        "GuestStatus": "livestreams.models.GuestStatus",
        "RevocationAction": "edges.models.Revocation.Action",
        "UserAvailability": "accounts.models.User.Availability",
        "MediaType": "accounts.models.Media.Type",
        "BanActionType": "bans.models.LiveStreamBan.ActionType",
        "BanState": "bans.models.BanState",
        "BulkBanOutcome": "bans.serializers.BULK_OUTCOMES",
        "UndoBulkBanOutcome": "bans.serializers.UNDO_OUTCOMES",
        "AppealState": "bans.models.Appeal.State",
        "ReportReason": "bans.serializers.REPORT_REASONS",
        "ReportState": "bans.models.ReportCase.State",
        "ReminderState": "reminders.models.Reminder.State",
        "ReminderMode": "reminders.serializers.MODES",
        "NotificationKind": "reminders.models.NOTIFICATION_KINDS",
        "NotificationType": ["system"],
        "NotificationCategory": ["live_stream"],
        "DevicePlatform": "reminders.models.Platform",
    },
    "SORT_OPERATION_PARAMETERS": False,
    "TAGS": [
        {"name": "Accounts", "description": "Logging in, refreshing tokens, logging out, and your own account."},
        {"name": "Live Streams", "description": "Streams from planning to end, their guests and viewers."},
        {"name": "Live Stream Bans", "description": "Who may not watch a stream, or not write in it, and until when."},
        {
            "name": "Live Stream Reports",
            "description": "Reports of streams to the moderators, and what became of them.",
        },
        {"name": "Live Stream Reminders", "description": "Being notified before a stream starts, or when it starts."},
        {"name": "Notifications", "description": "Your notifications, and which of them you have read."},
        {
            "name": "Live Stream Calendars",
            "description": "Streams as iCalendar (RFC 5545): one stream, or all streams of a user.",
        },
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "common.schema.simplify_references",
        "config.webhooks.add_webhooks",
        "config.links.add_links",
        "config.document.complete",
        "common.schema.share_responses",  # the last one
    ],
}
