"""What the playground (`common/playground.py`) knows of this API."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from config.environment import BASE_DIR

PLAYGROUND: dict[str, Any] = {
    "login": "/api/v1/auth/login",
    "logout": "/api/v1/auth/revoke-token",
    # How the playground finds in an answer what it fills into the next request: values under one of `keys`, and `id` or
    # `_id` of objects that have the key `having`. A path parameter named `id` has the rule of the path segment before
    # it, any other the rule of its name. A key of a request's body has the rule whose `keys` name it. Before any answer
    # has given a value, the first of `lists` that has one does.
    "ids": {
        "live-stream": {
            "keys": ["liveStreamId", "streamId"],
            "having": "channelName",
            "lists": ["/api/v1/live-stream/my-upcoming?limit=1", "/api/v1/live-stream/upcoming?limit=1"],
        },
        "live-stream-ban": {
            "keys": ["banId"],
            "having": "actionType",
            "lists": ["/api/v1/live-stream-ban?limit=1", "/api/v1/live-stream-ban/mine?limit=1"],
        },
        "notifications": {"keys": [], "having": "category", "lists": ["/api/v1/notifications?limit=1"]},
        "device-token": {"keys": [], "having": "platform"},
        "userId": {
            "keys": ["userId", "targetUserId", "targets"],
            "having": "surname",
            "lists": ["/api/v1/users/search?q=a&limit=3"],
        },
        "batchId": {"keys": ["batchId"]},
        "channelName": {"keys": ["channelName"], "lists": ["/api/v1/live-stream/upcoming?limit=1"]},
        "username": {"keys": ["username"], "lists": ["/api/v1/users/search?q=a&limit=3"]},
    },
    # Of PLAYGROUND_ACCOUNTS.
    "roles": {
        "admin": _("administrator"),
        "moderator": _("moderator"),
        "creator": _("creator"),
        "guest": _("guest"),
        "viewer": _("viewer"),
    },
}

# See common/guides.py.
GUIDES: dict[str, Any] = {
    "folder": BASE_DIR / "docs" / "guides",
    "names": ["authentication", "errors", "lists", "idempotency", "lifecycle", "join-tokens", "webhooks"],
    "generated": {
        "lifecycle": "config.guides.lifecycle",
        "allowed-actions": "config.guides.allowed_actions",
        "error-codes": "config.guides.error_codes",
    },
}
