"""Settings of the OpenAPI document. Its text is in config/document.py, which imports the apps."""

import tomllib
from pathlib import Path
from typing import Any

# pyproject.toml is the only place of the version.
_PROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8"))["project"]

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Kumanda",
    "VERSION": _PROJECT["version"],
    # For docs/openapi.yaml, so that it does not depend on the environment. A running service puts its addresses here.
    "SERVERS": [
        {"url": "http://localhost:8000", "description": "Development"},
        {"url": "https://api.example.com", "description": "Production"},
    ],
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]+",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "GET_LIB_DOC_EXCLUDES": "common.schema.bases_without_text",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "StreamStatus": "livestreams.models.Status",
        "StreamType": "livestreams.models.LiveStream.Type",
        "GuestStatus": "livestreams.models.GuestStatus",
        "StreamRole": "livestreams.models.LiveStream.Role",
        "AccessType": "livestreams.models.LiveStream.AccessType",
        "RevocationAction": "edges.models.Revocation.Action",
        "Availability": "accounts.models.User.Availability",
        "MediaType": "accounts.models.Media.Type",
        "AppealState": "bans.models.Appeal.State",
        "ReportState": "bans.models.ReportCase.State",
        "ReminderState": "reminders.models.Reminder.State",
        "ReminderMode": "reminders.serializers.MODES",
        "NoticeKind": "reminders.models.Kind",
    },
    "SORT_OPERATION_PARAMETERS": False,
    "TAGS": [
        {"name": "Accounts", "description": "Logging in, refreshing tokens, logging out, and your own account."},
        {"name": "Streams", "description": "Streams from planning to end, their guests and viewers."},
        {"name": "Bans", "description": "Who may not watch a stream, or not write in it, and until when."},
        {"name": "Reports", "description": "Reports of streams to the moderators, and what became of them."},
        {"name": "Reminders", "description": "Being notified before a stream starts, or when it starts."},
        {"name": "Notifications", "description": "Your notifications, and which of them you have read."},
        {"name": "Calendar", "description": "Streams as iCalendar (RFC 5545): one stream, or all streams of a user."},
    ],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.document.complete"],
}
