"""Every operation × every documented status and code: the response occurs and is as documented."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from tests.api.furnishing import furnish, join_early
from tests.api.operations import Operation, World, assert_documented, assert_succeeded, operations, world_for
from tests.api.recordings import answer_of, assert_recorded, assert_request_recorded, request_of
from tests.api.replacing import Replacing
from tests.api.scenarios import SCENARIOS
from tests.conftest import client_of, make_user
from tests.envelope import ERRORS, assert_refused
from tests.kept import KEPT

PROBLEM = "application/problem+json"
COMMITTED = {"service_unavailable"}  # a lost connection ends the transaction around a test


def cases(*, committed: bool) -> list[Any]:
    """Each response in the envelope in both languages, and each code once as problem+json, for the first operation."""
    found, as_problem = [], set()
    for operation in operations():
        for status, code in operation.answers():
            kinds = [("application/json", language) for language, _ in django_settings.LANGUAGES]
            if code not in as_problem:
                as_problem.add(code)
                kinds.append((PROBLEM, "en"))
            for accept, language in kinds if (code in COMMITTED) is committed else ():
                name = f"{operation}-{status}-{code or 'success'}-{accept}-{language}"
                found.append(pytest.param(operation, status, code, accept, language, id=name))
    return found


def test_every_documented_code_has_a_scenario_and_every_scenario_is_documented() -> None:
    documented = {code for operation in operations() for _status, code in operation.answers()}

    assert documented == set(SCENARIOS)


def test_every_operation_documents_the_codes_that_all_operations_share() -> None:
    for operation in operations():
        statuses = {status for status, _ in operation.answers()}
        expected = {400, 408, 413, 414, 415, 429, 431, 500, 503}
        expected |= {401} if operation.takes_token else set()
        expected |= {404} if operation.variables else set()
        assert expected <= statuses, operation


type Stopped = tuple[World, datetime]


def stopped_world(operation: Operation) -> Stopped:
    """The world of the recorded examples, and the time at which it was made."""
    now = timezone.now().replace(second=0, microsecond=0)  # calendars have whole seconds, statistics whole minutes
    with pytest.MonkeyPatch.context() as patch:
        stop_clock(now, patch)
        creator = make_user("ayse.yilmaz", name="Ayşe", surname="Yılmaz", email="ayse@example.com")
        world = world_for(operation, client_of, creator, make_user("can.ozturk", name="Can", surname="Öztürk"))
        join_early(now)
    return world, now


@pytest.fixture
def recorded_world(
    request: pytest.FixtureRequest,
    operation: Operation,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Stopped]:
    with KEPT.copy(request.node, django_db_blocker, partial(stopped_world, operation)) as copy:
        yield copy


@pytest.mark.parametrize(("operation", "status", "code", "accept", "language"), cases(committed=False))
def test_answers_as_documented_and_recorded(
    operation: Operation,
    status: int,
    code: str,
    accept: str,
    language: str,
    recorded_world: Stopped,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert_answered(operation, status, code, accept, language, recorded_world, monkeypatch)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("operation", "status", "code", "accept", "language"), cases(committed=True))
def test_answers_without_a_database_as_documented_and_recorded(
    operation: Operation, status: int, code: str, accept: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_answered(operation, status, code, accept, language, stopped_world(operation), monkeypatch)


def assert_answered(
    operation: Operation,
    status: int,
    code: str,
    accept: str,
    language: str,
    made: Stopped,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, now = made
    stop_clock(now, monkeypatch)
    world.language = language
    if status >= 400:
        world.accept = accept
    else:
        furnish(world, operation, now)

    response = SCENARIOS[code](world, operation, monkeypatch)

    if status == 304:
        assert response.status_code == 304
    elif status < 400:
        assert_succeeded(response, operation, status)
    elif accept == PROBLEM:
        assert_problem(response, status, code)
    else:
        assert_refused(response, status, code)
    assert_documented(response, operation)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])
    assert "secret" not in response.content.decode()
    if status >= 400 and accept != PROBLEM:
        reasons = response.json()["errors"][1:]
        assert bool(reasons) is (status != 500), "people learn why, and nothing about a crash"
    if status != 304 and accept != PROBLEM:
        replaced = Replacing(now)
        assert_recorded(operation, status, code, language, answer_of(response, replaced))
        if status < 300:
            assert_request_recorded(operation, request_of(operation, world.sent, replaced))


def stop_clock(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services are given the same time in a whole test, so that the distances between times are always the same."""
    monkeypatch.setattr(timezone, "now", lambda: now)


def assert_problem(response: Any, status: int, code: str) -> None:
    """The members of RFC 9457 and the additional ones."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == PROBLEM
    assert response.headers["X-Error-Code"] == code
    problem = response.json()
    assert list(problem) == ["type", "title", "status", "detail", "code", "errors", "requestId"]
    assert problem["type"] == f"urn:kumanda:error:{code}"
    assert problem["title"] == ERRORS[status]
    assert problem["status"] == status
    assert problem["detail"] == ("; ".join(problem["errors"]) or ERRORS[status])
    assert problem["code"] == code
    assert problem["requestId"] == response.headers["X-Request-ID"]
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
    if status in {429, 503}:
        assert int(response.headers["Retry-After"]) > 0


# --- the invalid part is named -----------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [
        pytest.param(operation, parameter["name"], id=f"{operation}-{parameter['name']}")
        for operation in operations()
        for parameter in operation.query
    ],
)
def test_a_wrong_query_parameter_is_named(operation: Operation, parameter: str, world: World) -> None:
    # NUL is invalid in every type: number, id, time, choice and text, as PostgreSQL cannot store it.
    path, _, query = world.path(operation).partition("?")
    required = [pair for pair in query.split("&") if pair.partition("=")[0] not in ("", parameter)]
    response = world.call(operation, path=f"{path}?{'&'.join([*required, f'{parameter}=%00'])}")

    assert_refused(response, 400, "validation_failed")
    assert [reason.partition(":")[0] for reason in response.json()["errors"][1:]] == [parameter]


@pytest.mark.parametrize(
    ("operation", "variable", "malformed"),
    [
        pytest.param(operation, variable, malformed, id=f"{operation}-{variable}-{malformed}")
        for operation in operations()
        for variable in operation.ids
        for malformed in ("1", "0" * 23, "0" * 25, "A" * 24, "g" * 24, "٠" * 24, "0" * 24 + "%0A", "%00" * 24)
    ],
)
def test_a_malformed_id_is_named(operation: Operation, variable: str, malformed: str, world: World) -> None:
    response = world.call(operation, path=world.path(operation, **{variable: malformed}))

    assert_refused(response, 400, "validation_failed", f"{variable}: must be 24 lower-case hexadecimal characters")


@pytest.mark.parametrize("operation", [each for each in operations() if each.has_body], ids=str)
@pytest.mark.parametrize("body", ["[]", "5", "null", '"text"'])
def test_a_body_that_is_not_an_object_is_refused(operation: Operation, body: str, world: World) -> None:
    response = world.call(operation, raw=body.encode())

    assert_refused(response, 400, "validation_failed", "body: must be a JSON object")


@pytest.mark.parametrize(
    "operation", [each for each in operations() if each.takes_token and not each.needs_token], ids=str
)
def test_an_optional_token_may_be_left_out(operation: Operation, world: World) -> None:
    assert_succeeded(world.call(operation, authorization=""), operation)


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_success_is_in_the_envelope_even_if_problem_json_is_accepted(operation: Operation, world: World) -> None:
    world.accept = PROBLEM

    response = world.call(operation)

    assert_succeeded(response, operation, response.status_code)
    assert response.status_code < 300
