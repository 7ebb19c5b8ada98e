"""Settings of the OpenAPI document; its text is in config/document.py, which needs every app to be loaded."""

import tomllib
from pathlib import Path
from typing import Any

# The only place of the version: a release changes it there and nowhere else.
_PROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8"))["project"]

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Kumanda",
    "VERSION": _PROJECT["version"],
    # For docs/openapi.yaml, the same whoever generates it; a running service puts its own addresses here.
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
        "ReminderState": "reminders.models.Reminder.State",
        "ReminderMode": "reminders.serializers.MODES",
        "NoticeKind": "reminders.models.Kind",
    },
    "SORT_OPERATION_PARAMETERS": False,
    "TAGS": [
        {"name": "Accounts", "description": "Logging in, staying in, logging out, and who one is."},
        {"name": "Streams", "description": "The life of a stream, from its plan to its end."},
        {"name": "Bans", "description": "Who may not watch a stream, or not write in it, and until when."},
        {"name": "Reminders", "description": "Being told before a stream starts, or when it does."},
        {"name": "Notifications", "description": "What one was told, and what of it one has read."},
        {"name": "Calendar", "description": "Streams as iCalendar (RFC 5545), one or all of somebody."},
    ],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.document.complete"],
}
