"""What the notification webhook sends, in the OpenAPI document; docs/webhooks.md describes it for receivers."""

from typing import Any

from common.schema.components import EXAMPLE_ID, EXAMPLE_TIME, ID, WRITTEN_TIME, Schema
from reminders.channels.webhook import TYPES
from reminders.models import LONGEST_TOKEN

EXAMPLE_KEY = "673ad08ac93fe18d3fdd2400"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, properties: Schema) -> Schema:
    return {"type": "object", "description": description, "properties": properties, "required": list(properties)}


SCHEMAS: Schema = {
    "NotificationBatchType": {"type": "string", "enum": list(TYPES.values())},
    "NotificationBatchKind": {"type": "string", "enum": list(TYPES)},
    "NotificationBatch": _object(
        "Notifications of one stream for up to 1,000 users.",
        {
            "type": {
                **_ref("NotificationBatchType"),
                "description": "`reminder.due` before the start, `reminder.live` at it, `reminder.cancelled`.",
            },
            "timestamp": {
                **WRITTEN_TIME,
                "description": 'The time of the notification, to which "in 15 minutes" refers.',
            },
            "data": _ref("NotificationBatchData") | {"description": "What the notification says, and to whom."},
        },
    ),
    "NotificationBatchData": _object(
        "What the notification says, and to whom.",
        {
            "streamId": {**ID, "description": "The id of the stream."},
            "kind": _ref("NotificationBatchKind") | {"description": "The same as `type`, as in the inbox."},
            "plannedStartDate": {
                **WRITTEN_TIME,
                "type": ["string", "null"],
                "description": "When the stream was planned to start. Null if it had no plan.",
            },
            "texts": {
                "type": "object",
                "description": "The notification in each supported language.",
                "additionalProperties": _ref("NotificationText"),
            },
            "recipients": {
                "type": "array",
                "description": "Sorted by id.",
                "items": _ref("NotificationRecipient"),
                "maxItems": 1000,
            },
        },
    ),
    "NotificationText": _object(
        "A notification in one language.",
        {
            "title": {"type": "string", "description": "In one line."},
            "message": {"type": "string", "description": "The text in one sentence."},
        },
    ),
    "NotificationRecipient": _object(
        "A user to notify.",
        {
            "userId": {**ID, "description": "The id of the user."},
            "language": _ref("Language") | {"description": "That of the request that set the reminder."},
            "devices": {
                "type": "array",
                "description": "Those that the apps of the user have registered, and whose session holds.",
                "items": _ref("RecipientDevice"),
                "maxItems": 10,
            },
        },
    ),
    "RecipientDevice": _object(
        "A device, at its push service.",
        {
            "platform": _ref("DevicePlatform") | {"description": "Which push service."},
            "token": {
                "type": "string",
                "maxLength": LONGEST_TOKEN,
                "description": "As the push service gave it to the app. A secret.",
            },
        },
    ),
}
EXAMPLE: Schema = {
    "type": "reminder.due",
    "timestamp": EXAMPLE_TIME,
    "data": {
        "streamId": EXAMPLE_ID,
        "kind": "reminder",
        "plannedStartDate": "2026-01-15T10:45:00.000Z",
        "texts": {
            "en": {"title": "Starting soon", "message": "“Akşam sohbeti” starts in 15 minutes."},
            "tr": {"title": "Birazdan başlıyor", "message": "“Akşam sohbeti” 15 dakika sonra başlıyor."},
        },
        "recipients": [
            {
                "userId": "673ac9e2c93fe18d3fdd23f2",
                "language": "tr",
                "devices": [{"platform": "ios", "token": "fcm:APA91bHPRgkF3JUikC4E"}],
            },
            {"userId": "673ac9e2c93fe18d3fdd23f3", "language": "en", "devices": []},
        ],
    },
}


def _header(name: str, description: str, example: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "required": True,
        "schema": {"type": "string", "examples": [example]},
    }


SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OPERATION: Schema = {
    "operationId": "sendNotifications",
    "summary": "Notifications for your push gateway",
    "description": "Kumanda calls your gateway, if the setting `NOTIFICATION_CHANNELS` has `webhook`. The call is "
    "signed as in [Standard Webhooks](https://www.standardwebhooks.com). Calls are repeated until one has succeeded, "
    "so discard a batch whose `webhook-id` you have already processed. Answer first and push afterwards: a call that "
    "takes longer than 10 seconds is repeated.",
    "tags": ["Notifications"],
    "security": [],
    "parameters": [
        _header("webhook-id", "The idempotency key of this batch, equal for each repeat.", EXAMPLE_KEY),
        _header("webhook-timestamp", "The time of this attempt in Unix seconds.", "1768473000"),
        _header("webhook-signature", "One `v1,…` for each secret, separated by spaces.", SIGNATURE),
        _header("Idempotency-Key", "The same as `webhook-id`.", EXAMPLE_KEY),
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _ref("NotificationBatch"), "example": EXAMPLE}},
    },
    "responses": {
        "200": {"description": "The batch is delivered. Any 2xx means the same; the body is not read."},
        "410": {"description": "This batch is never sent again."},
        "429": {"description": "The batch is sent again after `Retry-After`, at most a day later. 503 means the same."},
        "default": {
            "description": "The batch is sent again: after 5 seconds, 5 minutes, and so on for about three days."
        },
    },
}


def add_webhooks(result: Schema, **_: Any) -> Schema:
    """A postprocessing hook of drf-spectacular."""
    schemas = result["components"]["schemas"]
    result["components"]["schemas"] = dict(sorted((schemas | SCHEMAS).items()))
    result["webhooks"] = {"notifications": {"post": OPERATION}}
    return result
