"""Unknown keys in every body and query are refused and named, and the call changes nothing."""

import json
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import lift_ban
from common.models import AuditEntry
from common.serializers import IdField, InputSerializer, StrictInteger, StrictList, StrictString
from common.views import _kept_query
from edges.serializers import JoinSerializer
from livestreams.models import Status
from reminders.models import Reminder
from tests.api.operations import Operation, World, operations
from tests.bans.people import make_ban
from tests.conftest import Api
from tests.envelope import assert_refused, data_of
from tests.streams import STREAMS, make_stream

BANS = "/api/v1/live-stream-ban"
CALENDARS = {"getLiveStreamByIdCalendarIcsV1", "getLiveStreamUserByUseridCalendarIcsV1"}
FAR = "qqqxyz"  # not similar to any key of any operation

ALL = operations()
WITH_QUERY = [one for one in ALL if one.query]
IGNORING = [one for one in ALL if str(one) in CALENDARS]
WITHOUT_QUERY = [one for one in ALL if not one.query and str(one) not in CALENDARS]
WITH_BODY = [one for one in ALL if one.has_body and not one.takes_form]
WITHOUT_BODY = [one for one in ALL if not one.has_body]


def changes() -> int:
    """The number of audit rows, except for the logins before calls."""
    return AuditEntry.objects.exclude(action="log_in").count()


def with_query(world: World, operation: Operation, query: str) -> Any:
    """The valid call with `query` appended."""
    path = world.path(operation)
    return world.call(operation, path=f"{path}{'&' if '?' in path else '?'}{query}")


def near_misses(name: str) -> list[str]:
    plural = [name[:-1] + "_" + name[-1] + "s"] if len(name) > 1 else []  # one letter more is not near to one letter
    return [name.upper() + "_", name + "[]", *plural]


# --- queries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", WITH_QUERY + WITHOUT_QUERY, ids=str)
def test_an_unknown_query_parameter_is_refused(operation: Operation, world: World) -> None:
    before = changes()

    for query, name in ((f"{FAR}=1", FAR), (FAR, FAR), (f"{FAR}=1&{FAR}=2", FAR), ("%00=1", "\\x00"), ("=1", '""')):
        assert_refused(with_query(world, operation, query), 400, "validation_failed", f"{name}: unknown")
    assert changes() == before


@pytest.mark.parametrize("operation", WITH_QUERY, ids=str)
def test_the_refusal_of_a_misspelt_query_parameter_names_the_right_one(operation: Operation, world: World) -> None:
    for parameter in operation.query:
        for wrong in near_misses(name := parameter["name"]):
            reason = f"{wrong}: unknown; did you mean {name}?"
            assert_refused(with_query(world, operation, f"{wrong}=1"), 400, "validation_failed", reason)


@pytest.mark.parametrize("operation", WITH_QUERY, ids=str)
def test_a_parameter_of_one_value_must_not_be_repeated(operation: Operation, world: World) -> None:
    for parameter in operation.query:
        if parameter["schema"].get("type") == "array":
            continue
        name = parameter["name"]
        path = world.path(operation).partition("?")[0]
        answer = world.call(operation, path=f"{path}?{name}=1&{name}=1")
        assert_refused(answer, 400, "validation_failed", f"{name}: must not be repeated")


@pytest.mark.parametrize("operation", IGNORING, ids=str)
def test_calendars_ignore_unknown_query_parameters(operation: Operation, world: World) -> None:
    assert with_query(world, operation, "t=1764223200&fbclid=x").status_code == 200


@pytest.mark.parametrize("query", ["staus=active", "status[]=active", "Status=active", "statuses=active"])
def test_a_misspelt_filter_does_not_return_all_rows(query: str, api: Api, viewer: User) -> None:
    wrong = query.partition("=")[0]

    reason = f"{wrong}: unknown; did you mean status?"
    assert_refused(api(viewer).get(f"{STREAMS}?{query}"), 400, "validation_failed", reason)


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
def test_an_unknown_key_of_a_body_is_refused(operation: Operation, world: World) -> None:
    body = world.body(operation)
    assert body is not None
    before = changes()

    for name, shown in ((FAR, FAR), ("", '""'), ("a\0b", "a\\x00b"), ("x" * 50, "x" * 40 + "…")):
        for value in (b"1", b"null", b"[]", b'{"a": 1}'):
            raw = json.dumps(body | {name: 0}).encode().removesuffix(b"0}") + value + b"}"
            answer = world.call(operation, raw=raw)
            assert_refused(answer, 400, "validation_failed", f"{shown}: unknown")
    assert changes() == before


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
def test_the_refusal_of_a_misspelt_body_key_names_the_right_one(operation: Operation, world: World) -> None:
    body = world.body(operation)
    assert body is not None
    before = changes()

    # Misspell a key of the valid body: the change must not happen.
    for name, value in body.items():
        for wrong in near_misses(name):
            reason = f"{wrong}: unknown; did you mean {name}?"
            assert_refused(world.call(operation, body=body | {wrong: value}), 400, "validation_failed", reason)
    assert changes() == before


@pytest.mark.parametrize("operation", WITHOUT_BODY, ids=str)
def test_a_body_for_an_operation_without_one_is_refused_unless_it_is_empty(operation: Operation, world: World) -> None:
    before = changes()

    refused = [world.call(operation, body={"reason": "x"}), world.call(operation, raw=b'["reason"]')]
    as_text = world.call(operation, raw=b"reason=x", content_type="application/x-www-form-urlencoded")

    assert_refused(refused[0], 400, "validation_failed", "reason: unknown")
    assert_refused(refused[1], 400, "validation_failed", "body: must be a JSON object")
    assert_refused(as_text, 415, "unsupported_media_type")
    assert changes() == before
    assert world.call(operation, raw=b"{}").status_code < 400


@pytest.mark.parametrize("empty", [b"", b"{}", b"null", b"[]", b'""'])
@pytest.mark.parametrize("action", ["start", "cancel"])
def test_apps_may_send_an_empty_body_of_any_form(action: str, empty: bytes, api: Api, creator: User) -> None:
    stream = make_stream(creator)

    answer = api(creator).post(f"{STREAMS}/{stream.pk}/{action}", empty, content_type="application/json")

    assert data_of(answer)["status"] == {"start": "active", "cancel": "cancelled_by_host"}[action]


def test_a_misspelt_dry_run_bans_nobody(api: Api, creator: User, viewer: User) -> None:
    body = {"liveStreamId": make_stream(creator).pk, "targets": [viewer.pk]}

    refused = api(creator).post(f"{BANS}/bulk", body | {"dryrun": True}, format="json")

    assert_refused(refused, 400, "validation_failed", "dryrun: unknown; did you mean dryRun?")
    assert not LiveStreamBan.all_objects.exists()


def test_a_misspelt_duration_bans_nobody_permanently(api: Api, creator: User, viewer: User) -> None:
    body = {"liveStreamId": make_stream(creator).pk, "targetUserId": viewer.pk}

    refused = api(creator).post(BANS, body | {"durationSecond": 60}, format="json")

    assert_refused(refused, 400, "validation_failed", "durationSecond: unknown; did you mean durationSeconds?")
    assert not LiveStreamBan.all_objects.exists()


def test_a_misspelt_lead_time_sets_no_reminder(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator)

    refused = api(viewer).post(f"{STREAMS}/{stream.pk}/reminder", {"minutes": 15}, format="json")

    assert_refused(refused, 400, "validation_failed", "minutes: unknown; did you mean minute?")
    assert not Reminder.objects.exists()


def test_a_missing_permission_is_refused_before_a_misspelt_key(api: Api, creator: User, stranger: User) -> None:
    ban = make_ban(stranger, make_stream(creator))

    refused = api(stranger).patch(f"{BANS}/{ban.pk}", {"resaon": "x"}, format="json")

    assert_refused(refused, 403, "not_creator_or_moderator")


def test_join_accepts_the_keys_of_existing_apps(api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, Status.ACTIVE)
    device: dict[str, Any] = dict.fromkeys(JoinSerializer.ignored_keys, "x") | {"role": 7, "country": None}

    joined = api(viewer).post(f"{STREAMS}/join", {"liveStreamId": stream.pk} | device, format="json")
    refused = api(viewer).post(f"{STREAMS}/join", {"livestreamId": stream.pk} | device, format="json")

    assert len(device) == 7
    assert data_of(joined)["role"] == "audience"
    reason = "livestreamId: unknown; did you mean liveStreamId?"
    assert_refused(refused, 400, "validation_failed", reason)


def test_keys_that_only_join_ignores_are_refused_elsewhere(api: Api, creator: User) -> None:
    refused = api(creator).post(f"{STREAMS}/create", {"title": "Talk", "deviceType": "ios"}, format="json")

    assert_refused(refused, 400, "validation_failed", "deviceType: unknown")


# --- keys of older apps ---------------------------------------------------------------------------


type Ignoring = Callable[..., None]


@pytest.fixture
def ignoring(settings: Any) -> Iterator[Ignoring]:
    """Set IGNORED_KEYS and clear the cache of parsed queries."""

    def set_keys(*names: str) -> None:
        settings.IGNORED_KEYS = frozenset(names)
        _kept_query.cache_clear()

    yield set_keys
    _kept_query.cache_clear()


@pytest.mark.parametrize("operation", WITH_QUERY + WITHOUT_QUERY, ids=str)
def test_keys_of_older_apps_are_ignored_everywhere(operation: Operation, world: World, ignoring: Ignoring) -> None:
    ignoring(FAR)
    path = world.path(operation)

    answer = world.call(
        operation,
        path=f"{path}{'&' if '?' in path else '?'}{FAR}=1",
        body=(world.body(operation) or {}) | {FAR: 1},
    )

    assert answer.status_code < 300, answer.content


def test_a_near_miss_of_a_known_key_is_refused_even_if_it_is_in_ignored_keys(
    api: Api, creator: User, viewer: User, ignoring: Ignoring
) -> None:
    ignoring("dryrun", "staus", "platform")
    body = {"liveStreamId": make_stream(creator).pk, "targets": [viewer.pk], "platform": "ios", "dryrun": True}

    refused = api(creator).post(f"{BANS}/bulk", body, format="json")

    assert_refused(refused, 400, "validation_failed", "dryrun: unknown; did you mean dryRun?")
    assert not LiveStreamBan.all_objects.exists()
    reason = "staus: unknown; did you mean status?"
    assert_refused(api(viewer).get(f"{STREAMS}?platform=ios&staus=active"), 400, "validation_failed", reason)
    assert data_of(api(viewer).get(f"{STREAMS}?platform=ios"))["pagination"]["totalItems"] == 1


# --- many, and long -------------------------------------------------------------------------------


class Sample(InputSerializer):
    minute = StrictInteger(min_value=1, max_value=9, required=False)
    text = StrictString(max_length=10, required=False)
    ids = StrictList(child=IdField(), max_length=2, required=False)


def test_two_hundred_thousand_unknown_keys_cost_little_and_are_reported_in_twenty_lines() -> None:
    flood = dict.fromkeys((f"minute{number}" for number in range(200_000)), 1)

    began = time.process_time()
    with pytest.raises(Exception, match="did you mean minute") as refused:
        Sample.validated(flood)
    spent = time.process_time() - began

    lines = [str(line) for line in refused.value.detail]  # type: ignore[attr-defined]
    assert len(lines) == 20
    assert lines[0] == "minute0: unknown; did you mean minute?"
    assert lines[-1] == "and 199981 more"
    assert spent < 2, f"{spent:.2f} s of CPU; comparing each key with the known ones would take ten"


def test_a_long_key_is_truncated_in_the_response(api: Api, creator: User) -> None:
    body = json.dumps({"title": "Talk", "x" * 60_000: 1})

    refused = api(creator).post(f"{STREAMS}/create", body, content_type="application/json")

    assert_refused(refused, 400, "validation_failed", f"{'x' * 40}…: unknown")


def test_direction_marks_and_control_characters_in_a_key_are_escaped(api: Api, creator: User) -> None:
    refused = api(creator).post(f"{STREAMS}/create", {"title": "Talk", "\u202ea\x1b[1m": 1}, format="json")

    assert_refused(refused, 400, "validation_failed", "\\u202ea\\x1b[1m: unknown")


def test_unknown_keys_are_reported_in_turkish(api: Api, creator: User) -> None:
    answers = [
        api(creator).post(f"{STREAMS}/create", {"titel": "Talk"}, format="json", HTTP_X_LANGUAGE=language)
        for language in ("en", "tr")
    ]

    for answer in answers:
        assert_refused(answer, 400, "validation_failed")
    assert answers[0].json()["errors"][1] == "titel: unknown; did you mean title?"
    assert answers[1].json()["errors"][1].startswith("titel: ")


# --- imports --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_an_import_accepts_the_keys_of_an_export_and_refuses_unknown_ones(
    kind: str, creator: User, viewer: User, tmp_path: Path
) -> None:
    stream = make_stream(creator)
    lift_ban(make_ban(viewer, stream, reason="spam").pk, by=creator, now=timezone.now())
    make_ban(viewer, stream, reason="spam")
    file = tmp_path / f"bans.{kind}"
    call_command("export_bans", format=kind, output=str(file), stdout=StringIO())
    lift_ban(LiveStreamBan.objects.get().pk, by=creator, now=timezone.now())

    file.write_text(file.read_text(encoding="utf-8").replace("expiresAt", "expiresat"), encoding="utf-8")
    errors = StringIO()
    if kind == "ndjson":  # an empty cell of a CSV file is not a value
        with pytest.raises(CommandError):
            call_command("import_bans", str(file), stdout=StringIO(), stderr=errors)
        assert errors.getvalue().startswith("line 1: expiresat: unknown; did you mean expiresAt?\n")
        assert not LiveStreamBan.objects.exists()

    file.write_text(file.read_text(encoding="utf-8").replace("expiresat", "expiresAt"), encoding="utf-8")
    call_command("import_bans", str(file), stdout=StringIO(), stderr=StringIO())
    assert LiveStreamBan.objects.get().reason == "spam"
