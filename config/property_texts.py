"""What each property and parameter of the API document means, where no serializer says it (`help_text`)."""

from collections.abc import Iterator
from typing import Any

# By the name of the property, or by `Schema.property` where the same name means something else.
PROPERTIES = {
    # the envelope and pages
    "isSuccess": "True for a success, false for an error.",
    "statusCode": "Equals the HTTP status.",
    "data": "What the operation answers. Null for an error.",
    "errors": "Empty for a success. For an error: its fixed title, then the reasons.",
    "timestamp": "When the service answered.",
    "list": "The items of this page.",
    "pagination": "Which page this is, and how many there are.",
    "currentPage": "The number of this page, from 1.",
    "totalPages": "How many pages there are. 0 for an empty list.",
    "totalItems": "How many items there are on all pages.",
    "itemsPerPage": "How many items a full page has: the `limit` of the request.",
    "hasNextPage": "Whether a page follows.",
    "hasPrevPage": "Whether a page precedes.",
    # problem details
    "Problem.type": "A URI that stands for the code.",
    "Problem.code": "The same as `X-Error-Code`.",
    # every object
    "id": "The id of the object.",
    "_id": "The id of the object.",
    "createdAt": "When it was created.",
    "updatedAt": "When it was last changed.",
    "deletedAt": "When it was deleted. Null while it is not.",
    "deletedBy": "The id of the user who deleted it. Null while it is not.",
    # users
    "username": "The unique name of the user. Case does not matter.",
    "name": "The first name.",
    "surname": "The family name.",
    "email": "The email address. Only the user can see it.",
    "password": "The password.",
    "user": "The user who has logged in.",
    "profilePhoto": "The profile photo. Null without one.",
    "availabilityStatus": "Whether the user is `available`, `busy` or `offline`, as the user has set it.",
    "accessToken": "A JWT for the `Authorization` header.",
    "refreshToken": "A JWT for `/auth/refresh`. It can be used once.",
    "url": "Where the picture is served.",
    "Media.type": "The kind of file. Only images so far.",
    "variants": "The addresses of smaller squares, by their side in pixels.",
    # streams
    "title": "The title, in one line.",
    "liveStreamType": "`solo`, or a duo with a guest: `duocrowd` or `duoself`.",
    "channelName": "The unique name of the stream in addresses, made of its title.",
    "creator": "The user who created the stream.",
    "guests": "The guest of a duo, also one who has not answered or has declined. Empty for `solo`.",
    "broadcasters": "Who broadcasts: the creator, and the guest unless they have declined.",
    "Broadcaster.user": "The user who broadcasts.",
    "Broadcaster.role": "`host` for the creator, `guest` for the guest.",
    "thumbnailUrl": "Where the picture of the stream is served.",
    "status": "Where the stream is in its life.",
    "accessType": "`paid` if there is a price, else `free`.",
    "price": "The price. Null if the stream is free.",
    "interest": "A short key of the subject, such as `music`. Null without one.",
    "motivation": "What the stream is about, in several lines. Null without it.",
    "plannedStartDate": "When the stream is planned to start. Null without a plan.",
    "plannedEndDate": "The planned start and the `durationGoal` together. Null if one of them is missing.",
    "startedAt": "When the stream started. Null before.",
    "endedAt": "When the stream ended. Null before.",
    "activeLiveStream": "The stream with which this creator is live.",
    "viewerCount": "How many are watching.",
    "uniqueViewers": "How many different users watched in the last 30 days.",
    "viewers": "How many were watching.",
    "viewersOverTime": "How many were watching over time, the earliest point first.",
    "LiveStreamViewersAt.at": "The beginning of the time that the point stands for.",
    "secondsPerPoint": "How far apart the points are, in seconds.",
    "liveStream": "The stream that was joined.",
    "JoinedLiveStream.role": "The role in which the caller joined.",
    "liveStreamId": "The id of the stream.",
    "streamId": "The id of the stream.",
    "stream": "The stream.",
    # bans, appeals and revocations
    "targetUserId": "The id of the banned user.",
    "targetUser": "The banned user.",
    "actionType": "`BLOCK` keeps the user from watching, `CHAT_ONLY` from writing.",
    "reason": "Why. The banned user can read it. Null without a reason.",
    "createdBy": "The id of the user who banned.",
    "isBanned": "Whether a ban holds now.",
    "ban": "The ban. Null without one.",
    "AppealedBan.ban": "The ban that the appeal is against.",
    "banId": "The id of the ban.",
    "text": "What the banned user writes about the ban.",
    "Appeal.status": "`pending` until somebody decides: `approved` or `denied`; or `withdrawn` by its author.",
    "AppealedBan.status": "`pending` until somebody decides: `approved` or `denied`; or `withdrawn` by its author.",
    "batchId": "The id of the bulk ban.",
    "dryRun": "Whether nobody was banned, because only the outcomes were asked for.",
    "banned": "How many were banned.",
    "alreadyBanned": "How many were banned before.",
    "lifted": "How many bans were lifted.",
    "outcome": "What happened.",
    "outcomes": "One for each, in the order in which they were sent.",
    "Revocation.action": "What the user may no longer do, or `LIFTED`.",
    "Revocation.at": "When the ban was made, changed or lifted.",
    "Revocations.list": "The users and what holds for each.",
    "userId": "The id of the user.",
    # reminders, notifications, devices
    "mode": "`ON_START` with a `minute` of null or 0, else `BEFORE_START`.",
    "Reminder.status": "Whether the notification is still to come, was sent, was missed or is cancelled.",
    "MyReminder.status": "Whether the notification is still to come, was sent, was missed or is cancelled.",
    "type": "Who it comes from. Only `system` so far.",
    "category": "The subject. Only `live_stream` so far.",
    "Notification.title": "A few words, in the language of this call.",
    "message": "One sentence, in the language of this call.",
    "metadata": "What the notification is about.",
    "kind": "`reminder` before the start, `live` at the start, `cancelled`; about a ban of yours `appeal_decided`, "
    "`ban_reviewed`, or `verdict_withdrawn` when a decision was taken back.",
    "read": "Whether it is marked as read.",
    "unreadCount": "How many are unread.",
    "inbox": "The list of notifications. It is always on.",
    "webhook": "The platform's own messages, such as push messages.",
    "platform": "The system of the device.",
    "deviceId": "The name that the app gives to the device. Null without one.",
    "NotificationChannels.email": "Messages by email.",
    "UpdateNotificationChannelsRequest.email": "Messages by email.",
}

# By the name of the parameter, or by the part of the path before it, and its name.
PARAMETERS = {
    "live-stream/id": "The id of the stream.",
    "live-stream-ban/id": "The id of the ban.",
    "notifications/id": "The id of the notification.",
    "device-token/id": "The id with which the registration was answered.",
    "userId": "The id of the user.",
    "username": "The name of the user, in any case of its letters.",
    "channelName": "The unique name of the stream in addresses.",
    "batchId": "The id of the bulk ban.",
    "targetUserId": "The id of the user who may be banned.",
    "liveStreamId": "The id of the stream.",
    "streamId": "The id of the stream.",
    "creatorId": "Only streams that this user created.",
    "interest": "Only streams of this subject.",
    "sortBy": "The value by which the list is ordered.",
    "sortOrder": "`asc`: the lowest or earliest first. `desc`: the highest or latest first.",
    "actionType": "Only bans of this kind.",
    "status": "Only appeals in this state.",
    "state": "Only bans in this state.",
    "hoursBefore": "How many hours ago a planned start may lie.",
    "hoursAfter": "How many hours from now a planned start may lie.",
    "minutesBefore": "How many minutes ago a planned start may lie.",
    "minutesAfter": "How many minutes from now a planned start may lie.",
}


def describe(document: dict[str, Any]) -> None:
    """Write these texts into the document, where there are none."""
    for held, texts, key in described(document):
        held.setdefault("description", texts[key])


def described(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, str], str]]:
    """Each property and parameter that these texts describe, with the texts and the key of its own."""
    for texts, keys, held in _parts(document):
        for key in keys:
            if key in texts:
                yield held, texts, key
                break


def _parts(document: dict[str, Any]) -> Iterator[tuple[dict[str, str], tuple[str, str], dict[str, Any]]]:
    """Each property and parameter, with its texts and its two keys there, the more particular one first."""
    for component, schema in document["components"]["schemas"].items():
        for name, held in schema.get("properties", {}).items():
            yield PROPERTIES, (f"{component}.{name}", name), held
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if "name" in parameter:
                    name = parameter["name"]
                    before = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
                    yield PARAMETERS, (f"{before}/{name}", name), parameter
