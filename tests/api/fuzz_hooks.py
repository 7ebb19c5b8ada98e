"""Schemathesis hooks for what a schema cannot express, loaded in the process that `test_fuzz` starts.

Positive data is made valid where a rule depends on the clock or the database: a start in the future, an id that exists,
a guest who fits the type. Negative data is not changed.
"""

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import requests
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.transport.serialization import Binary

from common.texts import broken_rule, folded, normalized_lines

WORLD: dict[str, Any] = json.loads(Path(os.environ["FUZZED_WORLD"]).read_text(encoding="utf-8"))
STREAMS = "/api/v1/live-stream"
BANS = "/api/v1/live-stream-ban"
NOTIFICATIONS = ("/api/v1/notifications", "/api/v2/notifications")
TOKEN: str | None = WORLD["token"]
# A leap year, so that 29 February is valid.
FUTURE = "2040"
TEXTS = ("title", "interest", "motivation", "reason", "text", "comment")

made: set[str] = set()
with_picture: set[str] = set()
calls = count()
statuses = Path(WORLD["statuses"]).open("a", encoding="utf-8")  # noqa: SIM115 - open until the process ends


def name_of(case: Any) -> str:
    return case.operation.definition.raw["operationId"]


def is_valid(case: Any, location: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive and not case.meta.is_negative_at(location)


def has_valid_object(case: Any) -> bool:
    return is_valid(case, ParameterLocation.BODY) and isinstance(case.body, dict)


# --- authentication -------------------------------------------------------------------------------------

if TOKEN:

    @schemathesis.auth(refresh_interval=None)
    class Token:
        def get(self, case: Any, context: Any) -> str:
            # A logout ends its session, so it gets a session of its own.
            if name_of(case) == "logoutAuthV1" and WORLD["leaving"]:
                return WORLD["leaving"].pop()["access"]
            assert TOKEN is not None
            return TOKEN

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {data}"


# --- requests --------------------------------------------------------------------------------


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Leave out headers: a made-up tag is of no object, and a key that was sent belongs to one request.

    `test_if_match`, `test_idempotency` and `test_header_fuzz` test them with every operation.
    """
    for methods in raw_schema["paths"].values():
        for declared in methods.values():
            # All headers are shared parameters. What is not valid in the others is ignored.
            declared["parameters"] = [one for one in declared["parameters"] if "$ref" not in one]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if name_of(case) == "deleteLiveStreamMyCalendarV1" and TOKEN:
        ask("POST", f"{STREAMS}/my-calendar")
    if has_valid_object(case):
        make_body_valid(case)
    if is_valid(case, ParameterLocation.PATH):
        make_path_valid(case)
    if is_valid(case, ParameterLocation.QUERY):
        make_query_valid(case)


def make_path_valid(case: Any) -> None:
    path = case.path_parameters
    for name in ("userId", "targetUserId"):
        if name in path:
            path[name] = one_of(WORLD["users"])
    if "username" in path:
        path["username"] = one_of(WORLD["usernames"])
    if "channelName" in path:
        path["channelName"] = one_of(WORLD["channels"])
    if "streamId" in path:
        path["streamId"] = one_of(WORLD["awaited"])  # one cannot report a stream of one's own
    if "batchId" in path:
        path["batchId"] = batch_for(case)
    if "id" in path and path["id"] not in made:
        path["id"] = id_for(case)


def id_for(case: Any) -> str:
    if name_of(case) == "deleteNotificationsDeviceTokenByIdV1" and TOKEN:
        device: str = ask("POST", "/api/v1/notifications/device-token", {"token": "fuzzed", "platform": "web"})["id"]
        return device
    if case.path.startswith(NOTIFICATIONS):
        return one_of(WORLD["notices"])
    if name_of(case) == "createLiveStreamByIdFeedbackV1":
        return one_of(WORLD["seen"])
    if name_of(case) == "leaveLiveStreamByIdV1":
        joined: str = WORLD["watched"]
        return joined
    return (ban_for if case.path.startswith(BANS) else stream_for)(case)


def listed_for(case: Any) -> list[str]:
    """Ids of items of the list."""
    if case.path.startswith(NOTIFICATIONS):
        known = WORLD["notices"]
    elif name_of(case) == "listLiveStreamRemindersV1":
        known = WORLD["reminders"]
    elif name_of(case) in {"listLiveStreamWhatsLiveNowV1", "listLiveStreamMyWatchedStreamsV1"}:
        known = [WORLD["watched"]]
    elif name_of(case) == "listUsersSearchV1":
        known = WORLD["users"]
    else:
        known = WORLD["bans"] if case.path.startswith(BANS) else WORLD["streams"]
    return known


def make_query_valid(case: Any) -> None:
    query, name = case.query, name_of(case)
    if name in {"listLiveStreamBanAppealsV1", "listLiveStreamReportsMyReportsV1"}:
        query.pop("after", None)  # there are none of everybody who calls
    for parameter, known in (
        ("after", listed_for(case)),
        ("creatorId", WORLD["users"]),
        ("targetUserId", WORLD["users"]),
        ("liveStreamId", WORLD["streams"]),
    ):
        if parameter in query:
            query[parameter] = one_of(known)
    if not folded(query.get("search", "all")):
        query["search"] = "a"
    if name == "getLiveStreamByIdViewersV1" and "after" in query:
        case.path_parameters["id"], query["after"] = WORLD["watched"], WORLD["watching"]
    if name == "getLiveStreamByIdRevocationsV1" and "since" in query:
        # From the beginning there are revocations, so the call does not wait for one.
        case.path_parameters["id"], query["since"] = WORLD["restricted"], WORLD["cursor"]


def make_body_valid(case: Any) -> None:
    make_values_valid(case)
    (name_what_is_banned if case.path.startswith(BANS) else name_what_exists)(case)


def make_values_valid(case: Any) -> None:
    body = case.body
    for name in ("plannedStartDate", "expiresAt"):
        if isinstance(moment := body.get(name), str):
            body[name] = FUTURE + moment[4:]
    if isinstance(price := body.get("price"), float):
        # The validator computes with binary floats, in which 0.1 is not a multiple of 0.01.
        body["price"] = round(price, 2)
    for name in TEXTS:
        if isinstance(text := body.get(name), str):
            body[name] = valid_text(text)
    if "thumbnail" in body:
        body["thumbnail"] = Binary(bytes.fromhex(WORLD["picture"]))
        with_picture.add(case.id)


def valid_text(text: str) -> str:
    """Replace texts that a pattern cannot exclude: marks alone, open isolates, and texts that grow in NFC."""
    fits = broken_rule(normalized_lines(text), many_lines=True) is None or not text.strip()
    return text if fits and len(normalized_lines(text)) <= len(text) else "a text"


def name_what_exists(case: Any) -> None:
    body = case.body
    match name_of(case):
        case "createLiveStreamV1" if body.get("liveStreamType", "solo") == "solo":
            body.pop("guests", None)
        case "createLiveStreamV1":
            body["guests"] = [WORLD["guest"]]
        case "updateLiveStreamByIdV1" if "guests" in body:
            # The title of both a solo stream and a duo may change.
            body.pop("guests")
            body.setdefault("title", "Evening talk")
        case "joinLiveStreamV1" | "joinLiveStreamAsCreatorV1":
            body["liveStreamId"] = active_stream() if WORLD["owns"] and next(calls) % 4 else one_of(WORLD["streams"])
        case "joinLiveStreamAsGuestV1":
            body["liveStreamId"] = WORLD["guested"] if next(calls) % 4 else one_of(WORLD["streams"])
        case "updateNotificationsChannelsV1":
            # The other channels are not configured.
            case.body = {"inbox": True}
        case "loginAuthV1" if WORLD["credentials"] and next(calls) % 2:
            body |= WORLD["credentials"]
        case "refreshAuthV1" | "revokeAuthTokenV1" if WORLD["leaving"]:
            body["refreshToken"] = WORLD["leaving"].pop()["refresh"]


def name_what_is_banned(case: Any) -> None:
    body = case.body
    if "expiresAt" in body:
        body.pop("durationSeconds", None)
    match name_of(case):
        case "createLiveStreamBanV1":
            body |= {"liveStreamId": stream_for(case), "targetUserId": one_of(WORLD["crowd"])}
        case "createLiveStreamBanBulkV1":
            body["liveStreamId"] = stream_for(case)
            body["targets"] = [*body["targets"][:5], one_of(WORLD["crowd"])]
        case "updateLiveStreamBanByIdV1":
            # An empty change is refused. The schema cannot express that one of three optional keys is required.
            body.setdefault("reason", "spam")


def one_of(known: list[str]) -> str:
    return known[next(calls) % len(known)]


def stream_for(case: Any) -> str:
    """An existing stream, or, if the caller owns streams, often a new one in the state that the operation needs."""
    about_a_reminder = name_of(case) in {
        "createLiveStreamByIdReminderV1",
        "getLiveStreamByIdReminderV1",
        "deleteLiveStreamByIdReminderV1",
    }
    if not WORLD["owns"] or next(calls) % 4 == 0:
        return one_of(WORLD["awaited" if about_a_reminder else "streams"])
    asked: dict[str, Any] = {"title": "Evening talk"}
    if name_of(case) in {"acceptLiveStreamByIdGuestV1", "declineLiveStreamByIdGuestV1"}:
        invited = asked | {"liveStreamType": "duoself", "guests": [WORLD["me"]]}
        named: str = ask("POST", f"{STREAMS}/create", invited, token=WORLD["host"])["id"]
        return named
    if about_a_reminder or name_of(case) == "getLiveStreamByIdCalendarIcsV1":
        # So far ahead that no lead time has passed.
        asked |= {"plannedStartDate": f"{FUTURE}-01-01T20:00:00Z"}
    # An edit with a guest needs a duo.
    if next(calls) % 2 and name_of(case) == "updateLiveStreamByIdV1" and has_valid_object(case):
        asked |= {"liveStreamType": "duoself", "guests": [WORLD["guest"]]}
        case.body["guests"] = [WORLD["guest"]]
    stream: str = ask("POST", f"{STREAMS}/create", asked)["id"]
    if about_a_reminder and name_of(case) != "createLiveStreamByIdReminderV1":
        ask("POST", f"{STREAMS}/{stream}/reminder", {"minute": 15})
    if name_of(case) in {"startLiveStreamByIdV1", "endLiveStreamByIdV1"}:
        if active := ask("GET", f"{STREAMS}/my-active-stream"):
            ask("POST", f"{STREAMS}/{active['id']}/end")
        if name_of(case) == "endLiveStreamByIdV1":
            ask("POST", f"{STREAMS}/{stream}/start")
    if name_of(case) == "restoreLiveStreamByIdV1":
        ask("DELETE", f"{STREAMS}/{stream}")
    return stream


def active_stream() -> str:
    active = ask("GET", f"{STREAMS}/my-active-stream")
    if active is None:
        created = ask("POST", f"{STREAMS}/create", {"title": "Evening talk"})
        active = ask("POST", f"{STREAMS}/{created['id']}/start")
    stream: str = active["id"]
    return stream


def ban_for(case: Any) -> str:
    """An existing ban, or a new one that the caller may change or appeal against."""
    if not WORLD["owns"] or next(calls) % 4 == 0:
        return one_of(WORLD["bans"])
    appealing = name_of(case) in {
        "createLiveStreamBanByIdAppealV1",
        "getLiveStreamBanByIdAppealV1",
        "deleteLiveStreamBanByIdAppealV1",
    }
    host, target = (WORLD["host"], WORLD["me"]) if appealing else (TOKEN, one_of(WORLD["crowd"]))
    stream = ask("POST", f"{STREAMS}/create", {"title": "Evening talk"}, token=host)["id"]
    ban: str = ask("POST", BANS, {"targetUserId": target, "liveStreamId": stream}, token=host)["_id"]
    if appealing and name_of(case) != "createLiveStreamBanByIdAppealV1":
        ask("POST", f"{BANS}/{ban}/appeal", {"text": "It was not me."})
    return ban


def batch_for(case: Any) -> str:
    known: str = WORLD["batch"]
    if not WORLD["owns"] or next(calls) % 4 == 0:
        return known
    stream = ask("POST", f"{STREAMS}/create", {"title": "Evening talk"})["id"]
    batch: str = ask("POST", f"{BANS}/bulk", {"liveStreamId": stream, "targets": WORLD["crowd"]})["batchId"]
    return batch


def ask(method: str, path: str, body: Any = None, *, token: str | None = TOKEN) -> Any:
    answer = requests.request(
        method, WORLD["url"] + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    answer.raise_for_status()
    return answer.json()["data"]


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Drop reports of accepted negative data for bodies that are valid.

    Schemathesis takes each body with a file that a hook has changed for negative data. A form may have empty fields,
    because browsers send all fields. The length of a text counts in NFC, which may be shorter than the text as sent.
    """
    is_fine = case.id in with_picture or is_form_with_an_empty_field(case) or has_text_that_nfc_shortens(case)
    return not (is_fine and isinstance(failure, AcceptedNegativeData))


def has_text_that_nfc_shortens(case: Any) -> bool:
    sent = [case.body.get(name) for name in TEXTS] if isinstance(case.body, dict) else []
    return any(isinstance(text, str) and len(normalized_lines(text)) < len(text) for text in sent)


def is_form_with_an_empty_field(case: Any) -> bool:
    is_form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    return is_form and any(value == "" for value in case.body.values())


# --- responses ----------------------------------------------------------------------------


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    statuses.write(json.dumps([name_of(case), response.status_code]) + "\n")
    statuses.flush()
    if response.status_code == 201:
        data = response.json()["data"]
        if found := data.get("id") or data.get("_id"):  # the address of a calendar has none
            made.add(found)
