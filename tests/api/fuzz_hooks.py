"""What schemathesis cannot read in a schema, told to it in the process that `test_fuzz` starts.

Positive data is made valid where a rule needs the clock or the database: a start in the future, an id of something
that exists, a guest who fits the type. Negative data is left as it comes.
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

WORLD: dict[str, Any] = json.loads(Path(os.environ["FUZZED_WORLD"]).read_text(encoding="utf-8"))
STREAMS = f"{WORLD['url']}/api/v1/live-stream"
TOKEN: str | None = WORLD["token"]
# A leap year, so that no day of another year is missing in it.
FUTURE = "2040"

made: set[str] = set()
with_picture: set[str] = set()
turns = count()
told = Path(WORLD["told"]).open("a", encoding="utf-8")  # noqa: SIM115 - as long as the process


def name_of(case: Any) -> str:
    return case.operation.definition.raw["operationId"]


def is_valid(case: Any, location: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive and not case.meta.is_negative_at(location)


def has_valid_object(case: Any) -> bool:
    return is_valid(case, ParameterLocation.BODY) and isinstance(case.body, dict)


# --- who asks -------------------------------------------------------------------------------------

if TOKEN:

    @schemathesis.auth(refresh_interval=None)
    class Token:
        def get(self, case: Any, context: Any) -> str:
            # Logging out ends the session that asks for it, which must not be the one of the whole run.
            if name_of(case) == "logoutV1" and WORLD["leaving"]:
                return WORLD["leaving"].pop()["access"]
            assert TOKEN is not None
            return TOKEN

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {data}"


# --- what is asked --------------------------------------------------------------------------------


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if has_valid_object(case):
        make_body_true(case)
    if is_valid(case, ParameterLocation.PATH):
        make_path_true(case)
    if is_valid(case, ParameterLocation.QUERY):
        for parameter, known in (("after", WORLD["streams"]), ("creatorId", WORLD["users"])):
            if parameter in case.query:
                case.query[parameter] = in_turn(known)


def make_path_true(case: Any) -> None:
    path = case.path_parameters
    if "userId" in path:
        path["userId"] = in_turn(WORLD["users"])
    if "id" in path and path["id"] not in made:
        path["id"] = stream_for(case)


def make_body_true(case: Any) -> None:
    body = case.body
    if isinstance(start := body.get("plannedStartDate"), str):
        body["plannedStartDate"] = FUTURE + start[4:]
    if isinstance(price := body.get("price"), float):
        # Decimals cannot be told to a validator that counts in binary: 0.1 is no multiple of 0.01 there.
        body["price"] = round(price, 2)
    if "thumbnail" in body:
        body["thumbnail"] = Binary(bytes.fromhex(WORLD["picture"]))
        with_picture.add(case.id)
    match name_of(case):
        case "createLiveStreamV1" if body.get("liveStreamType", "solo") == "solo":
            body.pop("guests", None)
        case "createLiveStreamV1":
            body["guests"] = [WORLD["guest"]]
        case "updateLiveStreamByIdV1" if "guests" in body:
            # What a solo stream and a duo have in common is that their title may change.
            body.pop("guests")
            body.setdefault("title", "Evening talk")
        case "loginV1" if WORLD["credentials"] and next(turns) % 2:
            body |= WORLD["credentials"]
        case "refreshTokensV1" | "revokeTokenV1" if WORLD["leaving"]:
            body["refreshToken"] = WORLD["leaving"].pop()["refresh"]


def in_turn(known: list[str]) -> str:
    return known[next(turns) % len(known)]


def stream_for(case: Any) -> str:
    """A stream that was there before; or, for who owns streams, often one in the state that the operation needs."""
    if not WORLD["owns"] or next(turns) % 4 == 0:
        return in_turn(WORLD["streams"])
    asked: dict[str, Any] = {"title": "Evening talk"}
    # An edit that names its guest is one of a duo.
    if next(turns) % 2 and name_of(case) == "updateLiveStreamByIdV1" and has_valid_object(case):
        asked |= {"liveStreamType": "duoself", "guests": [WORLD["guest"]]}
        case.body["guests"] = [WORLD["guest"]]
    stream: str = ask("POST", "create", asked)["id"]
    if name_of(case) in {"startLiveStreamByIdV1", "endLiveStreamByIdV1"}:
        if active := ask("GET", "my-active-stream"):
            ask("POST", f"{active['id']}/end")
        if name_of(case) == "endLiveStreamByIdV1":
            ask("POST", f"{stream}/start")
    return stream


def ask(method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(
        method, f"{STREAMS}/{path}", json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    )
    answer.raise_for_status()
    return answer.json()["data"]


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Schemathesis takes each body with a file that a hook has touched for negative data; these are not."""
    return not (case.id in with_picture and isinstance(failure, AcceptedNegativeData))


# --- what was answered ----------------------------------------------------------------------------


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    told.write(json.dumps([name_of(case), response.status_code]) + "\n")
    told.flush()
    if response.status_code == 201:
        made.add(response.json()["data"]["id"])
