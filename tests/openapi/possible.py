"""What cannot happen in an answer of the service: contradictions inside the data of an example."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Any

type Data = Any

NOT_STARTED = {"scheduled", "preparing", "cancelled_by_host", "cancelled_by_guest", "expired"}


def contradictions(data: Data) -> Iterator[str]:
    """What contradicts itself in the data of an answer, or in an object inside it."""
    if isinstance(data, list):
        yield from _in_list(data)
    if isinstance(data, dict):
        for keys, check in CHECKS:
            if keys <= data.keys():
                yield from (text for text, holds in check(data) if not holds)
        for value in data.values():
            yield from contradictions(value)


def _in_list(items: list[Data]) -> Iterator[str]:
    ids = [item[key] for item in items if isinstance(item, dict) for key in ("id", "_id") if key in item]
    if len(ids) != len(set(ids)):
        yield "an id occurs twice in a list"
    for item in items:
        yield from contradictions(item)


def _dated(row: Data) -> Iterator[tuple[str, bool]]:
    yield "updated before it was created", row["updatedAt"] >= row["createdAt"]


def _deletable(row: Data) -> Iterator[tuple[str, bool]]:
    yield "deleted by nobody, or by somebody and not deleted", (row["deletedAt"] is None) is (row["deletedBy"] is None)
    yield "deleted before it was created", row["deletedAt"] is None or row["deletedAt"] >= row["createdAt"]


def _stream(stream: Data) -> Iterator[tuple[str, bool]]:
    status, planned, goal = stream["status"], stream["plannedStartDate"], stream["durationGoal"]
    yield "a stream with a start before it started", (stream["startedAt"] is None) is (status in NOT_STARTED)
    yield "only an ended stream has an end", (stream["endedAt"] is not None) is (status == "ended")
    yield "ended before it started", stream["endedAt"] is None or stream["endedAt"] >= stream["startedAt"]
    yield "scheduled without a plan", status != "scheduled" or planned is not None
    yield "paid without a price, or free with one", (stream["price"] is not None) is (stream["accessType"] == "paid")
    yield "a solo stream with a guest, or a duo without", bool(stream["guests"]) is (stream["liveStreamType"] != "solo")
    yield "the answer of no guest, or a guest without", bool(stream["guests"]) is (stream["guestStatus"] is not None)
    end = planned and goal and _time(planned) + timedelta(minutes=goal)
    yield "another planned end than the goal", (stream["plannedEndDate"] and _time(stream["plannedEndDate"])) == end
    yield "not broadcasted by its creator", stream["broadcasters"][0]["user"] == stream["creator"]


def _ban(ban: Data) -> Iterator[tuple[str, bool]]:
    yield "a ban of another user", ban["targetUser"]["_id"] == ban["targetUserId"]
    yield "a ban that ended before it was made", ban["expiresAt"] is None or ban["expiresAt"] > ban["createdAt"]


def _page(page: Data) -> Iterator[tuple[str, bool]]:
    at, items = page["pagination"], page["list"]
    before = (at["currentPage"] - 1) * at["itemsPerPage"]
    yield "another number of items", len(items) == max(0, min(at["itemsPerPage"], at["totalItems"] - before))
    yield "another number of pages", at["totalPages"] == ceil(at["totalItems"] / at["itemsPerPage"])
    yield "a next page that is not there", at["hasNextPage"] is (at["currentPage"] < at["totalPages"])
    yield "a previous page that is not there", at["hasPrevPage"] is (at["currentPage"] > 1)


def _feedback(summary: Data) -> Iterator[tuple[str, bool]]:
    counts = [each["count"] for each in summary["ratings"]]
    yield "another number than that of all ratings", summary["count"] == sum(counts)
    yield "an average without ratings, or ratings without", (summary["average"] is None) is (summary["count"] == 0)
    yield "more comments than feedback", len(summary["comments"]) <= summary["count"]


def _report(report: Data) -> Iterator[tuple[str, bool]]:
    yield "decided and open, or neither", (report["decidedAt"] is None) is (report["status"] == "open")
    yield "decided before it was made", report["decidedAt"] is None or report["decidedAt"] >= report["createdAt"]


def _reminder(reminder: Data) -> Iterator[tuple[str, bool]]:
    early = bool(reminder["minute"])
    yield "another mode than the minutes", reminder["mode"] == ("BEFORE_START" if early else "ON_START")
    yield "a time without minutes, or minutes without", (reminder["scheduledFor"] is not None) is early


def _check(check: Data) -> Iterator[tuple[str, bool]]:
    yield "banned without a ban", check["isBanned"] is (check["ban"] is not None)


CHECKS: list[tuple[set[str], Callable[[Data], Iterator[tuple[str, bool]]]]] = [
    ({"createdAt", "updatedAt"}, _dated),
    ({"createdAt", "deletedAt", "deletedBy"}, _deletable),
    ({"channelName", "status"}, _stream),
    ({"targetUser", "targetUserId", "expiresAt"}, _ban),
    ({"list", "pagination"}, _page),
    ({"mode", "minute", "scheduledFor"}, _reminder),
    ({"isBanned", "ban"}, _check),
    ({"decidedAt", "status"}, _report),
    ({"average", "ratings", "count", "comments"}, _feedback),
]


def _time(written: str) -> datetime:
    return datetime.fromisoformat(written)


def _status(*expected: str) -> Callable[[Data], bool]:
    return lambda data: data["status"] in expected


def _of_each(holds: Callable[[Data], bool]) -> Callable[[Data], bool]:
    return lambda page: bool(page["list"]) and all(map(holds, page["list"]))


def _is_deleted(data: Data) -> bool:
    return bool(data["deletedAt"] and data["deletedBy"])


# By operation: what its success must show, because that is what it does.
OUTCOMES: dict[str, Callable[[Data], bool]] = {
    "acceptLiveStreamByIdGuestV1": lambda stream: stream["guestStatus"] == "accepted",
    "cancelLiveStreamByIdV1": _status("cancelled_by_host", "cancelled_by_guest"),
    "checkLiveStreamBanByTargetuseridV1": lambda check: check["isBanned"],
    "createLiveStreamBanByIdAppealV1": _status("pending"),
    "createLiveStreamByIdFeedbackV1": lambda feedback: 1 <= feedback["rating"] <= 5,
    "createLiveStreamBanV1": lambda ban: ban["deletedAt"] is None,
    "createLiveStreamByIdReminderV1": _status("SCHEDULED"),
    "createLiveStreamReportsByStreamidV1": _status("open"),
    "createLiveStreamV1": _status("scheduled"),
    "declineLiveStreamByIdGuestV1": lambda stream: stream["guestStatus"] == "declined",
    "deleteLiveStreamBanByIdAppealV1": _status("withdrawn"),
    "deleteLiveStreamBanByIdV1": _is_deleted,
    "deleteLiveStreamByIdReminderV1": _status("CANCELLED"),
    "deleteLiveStreamByIdV1": _is_deleted,
    "deleteLiveStreamByIdThumbnailV1": lambda stream: "default" in stream["thumbnailUrl"],
    "endLiveStreamByIdV1": _status("ended"),
    "getLiveStreamByIdFeedbackV1": lambda summary: bool(summary["comments"]),
    "getLiveStreamMyActiveStreamV1": _status("active"),
    "getLiveStreamUserByUseridActiveStreamV1": _status("active"),
    "getLiveStreamUserByUseridPastStreamsV1": _of_each(_status("ended")),
    "joinLiveStreamAsGuestV1": lambda joined: joined["role"] == "guest",
    "listLiveStreamBanV1": _of_each(lambda ban: ban["deletedAt"] is None),
    "listLiveStreamDeletedV1": _of_each(_is_deleted),
    "listLiveStreamMyBroadcastedStreamsV1": _of_each(_status("ended")),
    "listLiveStreamMyPastStreamsV1": _of_each(_status("ended")),
    "listLiveStreamMyWatchedStreamsV1": _of_each(lambda stream: stream["role"] == "audience"),
    "listLiveStreamWhatsLiveNowV1": _of_each(_status("active")),
    "restoreLiveStreamByIdV1": lambda stream: stream["deletedAt"] is None,
    "setLiveStreamByIdThumbnailV1": lambda stream: "default" not in stream["thumbnailUrl"],
    "startLiveStreamByIdV1": _status("active"),
    "updateNotificationsByIdReadV1": lambda notification: notification["read"],
    "updateNotificationsByIdReadV2": lambda notification: notification["read"],
}
