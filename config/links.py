"""Links of the OpenAPI document: which operation goes on with an answer, and with which of its values."""

from typing import Any, NamedTuple

from common.schema.components import Schema, operations_of

STREAM, BAN = "$response.body#/data/id", "$response.body#/data/_id"


class Link(NamedTuple):
    operation: str
    description: str
    parameters: dict[str, str] = {}
    body: dict[str, str] | None = None


# By name.
LINKS = {
    "GetLiveStream": Link("getLiveStreamByIdV1", "Read the stream.", {"id": STREAM}),
    "UpdateLiveStream": Link("updateLiveStreamByIdV1", "Change the stream before it starts.", {"id": STREAM}),
    "SetLiveStreamThumbnail": Link("setLiveStreamByIdThumbnailV1", "Give the stream a picture.", {"id": STREAM}),
    "StartLiveStream": Link("startLiveStreamByIdV1", "Start the stream.", {"id": STREAM}),
    "EndLiveStream": Link("endLiveStreamByIdV1", "End the stream.", {"id": STREAM}),
    "CancelLiveStream": Link("cancelLiveStreamByIdV1", "Cancel the stream before it starts.", {"id": STREAM}),
    "RestoreLiveStream": Link("restoreLiveStreamByIdV1", "Restore the stream.", {"id": STREAM}),
    "SetReminder": Link("createLiveStreamByIdReminderV1", "Be reminded of the stream.", {"id": STREAM}),
    "GetBan": Link("getLiveStreamBanByIdV1", "Read the ban.", {"id": BAN}),
    "UpdateBan": Link("updateLiveStreamBanByIdV1", "Change the ban.", {"id": BAN}),
    "LiftBan": Link("deleteLiveStreamBanByIdV1", "Lift the ban.", {"id": BAN}),
    "UndoBulkBan": Link(
        "deleteLiveStreamBanBulkByBatchidV1",
        "Lift the bans of the batch.",
        {"batchId": "$response.body#/data/batchId"},
    ),
    "RemoveDevice": Link("deleteNotificationsDeviceTokenByIdV1", "Remove the device.", {"id": STREAM}),
    "RefreshTokens": Link(
        "refreshAuthV1",
        "Exchange the refresh token for a new pair.",
        body={"refreshToken": "$response.body#/data/refreshToken"},
    ),
}
# The links of the success of an operation.
OF_OPERATIONS = {
    "createLiveStreamV1": [
        *("GetLiveStream", "UpdateLiveStream", "SetLiveStreamThumbnail", "StartLiveStream", "CancelLiveStream"),
        "SetReminder",
    ],
    "startLiveStreamByIdV1": ["GetLiveStream", "EndLiveStream"],
    "deleteLiveStreamByIdV1": ["RestoreLiveStream"],
    "createLiveStreamBanV1": ["GetBan", "UpdateBan", "LiftBan"],
    "createLiveStreamBanBulkV1": ["UndoBulkBan"],
    "createNotificationsDeviceTokenV1": ["RemoveDevice"],
    "loginAuthV1": ["RefreshTokens"],
    "refreshAuthV1": ["RefreshTokens"],
}


def add_links(result: Schema, **_: Any) -> Schema:
    """A postprocessing hook of drf-spectacular."""
    result["components"]["links"] = {name: _written(link) for name, link in LINKS.items()}
    for operation in operations_of(result):
        if names := OF_OPERATIONS.get(operation["operationId"]):
            success = next(response for status, response in operation["responses"].items() if int(status) < 300)
            success["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in names}
    return result


def _written(link: Link) -> Schema:
    written: Schema = {"operationId": link.operation, "description": link.description}
    if link.parameters:
        written["parameters"] = link.parameters
    if link.body:
        written["requestBody"] = link.body
    return written
