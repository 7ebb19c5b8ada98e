"""Every operation × every status and code that the document names: really answered, and as documented."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import quote

import jwt
import pytest
from django.conf import settings as django_settings
from django.urls import resolve
from django.utils import timezone

from accounts import services, tokens
from accounts.models import User
from bans.services import lift_ban
from common.fields import new_object_id
from livestreams.models import LiveStream, Status
from tests import servers
from tests.api.operations import Operation, World, assert_documented, operations, world_for
from tests.bans.people import lapsed_ban, make_ban, permitted
from tests.conftest import Api, make_user
from tests.envelope import ERRORS, assert_refused, data_of
from tests.servers import free_port
from tests.streams import make_stream

type Scenario = Callable[[World, Operation, pytest.MonkeyPatch], Any]

PROBLEM = "application/problem+json"

# --- what leads to each code ----------------------------------------------------------------------


def invalid(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    if operation.variables:
        return world.call(operation, path=world.path(operation, **dict.fromkeys(operation.variables, "UPPER")))
    if operation.query:
        return world.call(operation, path=f"{operation.path}?limit=101")
    return world.call(operation, body={})


def broken_json(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, raw=b'{"title": ')


def without_token(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, authorization="")


def garbage_as_token(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, authorization="Bearer garbage")


def token_of_yesterday(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    token = tokens.AccessToken.of(world.session(), now=timezone.now() - timedelta(days=1))
    return world.call(operation, authorization=f"Bearer {token}")


def token_after_logout(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    token = tokens.AccessToken.of(world.session(), now=timezone.now())
    services.log_out(world.caller, now=timezone.now())
    return world.call(operation, authorization=f"Bearer {token}")


def wrong_password(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, body={"username": world.creator.username, "password": "guess"})


def eleventh_wrong_password(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    for _attempt in range(services.FAILURES_ALLOWED):
        wrong_password(world, operation, patch)
    return world.call(operation)


def access_token_as_refresh_token(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    access = tokens.AccessToken.of(world.session(), now=timezone.now())
    return world.call(operation, body={"refreshToken": str(access)})


def refresh_token_again(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    body = {"refreshToken": world.refresh_token()}
    data_of(world.call(operation, body=body))
    return world.call(operation, body=body)


def as_a_stranger(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, by=world.stranger)


def banned(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    make_ban(world.viewer, world.stream)
    return world.call(operation, by=world.viewer)


def with_unknown(*names: str) -> Scenario:
    def scenario(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
        world.ids |= dict.fromkeys(names, new_object_id())
        return world.call(operation)

    return scenario


def id_with_a_slash(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    slashed = dict.fromkeys(operation.variables, quote("a/b", safe=""))
    return world.call(operation, path=world.path(operation, **slashed))


def on(world: World, stream: LiveStream) -> None:
    world.ids |= {"id": stream.pk, "liveStreamId": stream.pk}


def on_a_stream_that_is(status: Status) -> Scenario:
    def scenario(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
        on(world, make_stream(world.creator, status))
        return world.call(operation)

    return scenario


def twice(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    assert world.call(operation).status_code < 300
    return world.call(operation)


def once_it_is_lifted(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    lift_ban(world.ids["id"], by=world.creator, now=timezone.now())
    return world.call(operation)


def once_it_has_lapsed(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["id"] = lapsed_ban(world.viewer, make_stream(world.creator)).pk
    return world.call(operation)


def without_an_appeal(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["id"] = make_ban(world.viewer, make_stream(world.creator)).pk
    return world.call(operation)


def banning_oneself(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["targetUserId"] = world.creator.pk
    return world.call(operation)


def a_moderator_banning_the_creator(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["targetUserId"] = world.creator.pk
    return world.call(operation, by=permitted("moderator", "moderate"))


def banning_the_guest(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    on(world, make_stream(world.creator, guest=world.viewer))
    return world.call(operation)


def banning_staff(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    world.ids["targetUserId"] = make_user("clerk", is_staff=True).pk
    return world.call(operation)


def while_another_is_active(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    make_stream(world.creator, Status.ACTIVE)
    return world.call(operation)


def ten_megabytes(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, raw=b'"' + b"x" * 10_000_000 + b'"')


def text(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, raw=b"title=Evening", content_type="text/plain")


def crash(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    view: Any = resolve(world.path(operation).partition("?")[0]).func

    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError("SELECT secret FROM shelf")

    patch.setattr(view.cls, view.actions[operation.method.lower()], fail)
    return world.call(operation)


def lost_database(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    """PostgreSQL ends the connection of this process between two requests, as a restart of it does."""
    token = tokens.AccessToken.of(world.session(), now=timezone.now())
    body = world.body(operation)

    def call() -> Any:
        authorization = f"Bearer {token}" if operation.takes_token else ""
        return world.call(operation, body=body, authorization=authorization)

    with servers.lost_database():
        refused = call()
    assert call().status_code < 300, "the next request connects anew"
    return refused


def lost_identity_provider(world: World, operation: Operation, patch: pytest.MonkeyPatch) -> Any:
    issuer = f"http://127.0.0.1:{free_port()}"
    patch.setattr(django_settings, "IDENTITY_ISSUER", issuer)
    patch.setattr(django_settings, "IDENTITY_JWKS_URL", f"{issuer}/jwks")
    token = jwt.encode({"iss": issuer, "sub": "ada"}, "k" * 32, headers={"kid": "first"})
    return world.call(operation, authorization=f"Bearer {token}")


SCENARIOS: dict[str, Scenario] = {
    "": lambda world, operation, _: world.call(operation),
    "already_appealed": twice,
    "already_banned": twice,
    "already_live": while_another_is_active,
    "appeal_already_decided": twice,
    "appeal_not_found": without_an_appeal,
    "authentication_required": without_token,
    "ban_already_lifted": once_it_is_lifted,
    "ban_does_not_hold": once_it_has_lapsed,
    "ban_lapsed": once_it_has_lapsed,
    "ban_not_found": with_unknown("id"),
    "banned": banned,
    "batch_already_undone": twice,
    "batch_not_found": with_unknown("batchId"),
    "cannot_ban_creator": a_moderator_banning_the_creator,
    "cannot_ban_guest": banning_the_guest,
    "cannot_ban_oneself": banning_oneself,
    "cannot_ban_staff": banning_staff,
    "identity_provider_unavailable": lost_identity_provider,
    "internal_error": crash,
    "malformed_request": broken_json,
    "not_a_service_account": as_a_stranger,
    "not_concerned_by_ban": as_a_stranger,
    "not_creator_or_moderator": as_a_stranger,
    "not_found": id_with_a_slash,
    "not_the_banned_person": as_a_stranger,
    "not_the_creator": as_a_stranger,
    "not_the_creator_or_guest": as_a_stranger,
    "payload_too_large": ten_megabytes,
    "refresh_token_invalid": access_token_as_refresh_token,
    "refresh_token_reused": refresh_token_again,
    "service_unavailable": lost_database,
    "session_ended": token_after_logout,
    "stream_is_over": on_a_stream_that_is(Status.ENDED),
    "stream_not_active": on_a_stream_that_is(Status.SCHEDULED),
    "stream_not_cancellable": on_a_stream_that_is(Status.ACTIVE),
    "stream_not_deletable": on_a_stream_that_is(Status.ACTIVE),
    "stream_not_editable": on_a_stream_that_is(Status.CANCELLED_BY_HOST),
    "stream_not_endable": on_a_stream_that_is(Status.SCHEDULED),
    "stream_not_found": with_unknown("id", "liveStreamId"),
    "stream_not_startable": on_a_stream_that_is(Status.ENDED),
    "token_expired": token_of_yesterday,
    "token_invalid": garbage_as_token,
    "too_many_failed_logins": eleventh_wrong_password,
    "unsupported_media_type": text,
    "user_not_found": with_unknown("userId", "targetUserId"),
    "validation_failed": invalid,
    "wrong_credentials": wrong_password,
}
# A lost connection takes the transaction around a test with it.
REALLY_COMMITTED = pytest.mark.django_db(transaction=True)


def cases() -> list[Any]:
    return [
        pytest.param(
            operation,
            status,
            code,
            id=f"{operation}-{status}-{code or 'success'}",
            marks=[REALLY_COMMITTED] if code == "service_unavailable" else [],
        )
        for operation in operations()
        for status, code in operation.answers()
    ]


def test_every_documented_code_has_a_scenario_and_every_scenario_is_documented() -> None:
    documented = {code for operation in operations() for _status, code in operation.answers()}

    assert documented == set(SCENARIOS)


def test_every_operation_documents_what_can_happen_to_each() -> None:
    for operation in operations():
        statuses = {status for status, _ in operation.answers()}
        expected = {413, 500, 503}
        expected |= {401} if operation.takes_token else set()
        expected |= {400, 404} if operation.variables else {400} if operation.query else set()
        expected |= {400, 415} if operation.has_body else set()
        assert expected <= statuses, operation


@pytest.mark.parametrize("accept", ["application/json", PROBLEM])
@pytest.mark.parametrize(("operation", "status", "code"), cases())
def test_answers(
    operation: Operation,
    status: int,
    code: str,
    accept: str,
    api: Api,
    creator: User,
    stranger: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_for(operation, api, creator, stranger)
    if code:
        world.accept = accept

    response = SCENARIOS[code](world, operation, monkeypatch)

    if not code:
        data_of(response, status)
    elif accept == PROBLEM:
        assert_problem(response, status, code)
    else:
        assert_refused(response, status, code)
    assert_documented(response, operation)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])
    assert "secret" not in response.content.decode()
    if code and accept != PROBLEM:
        reasons = response.json()["errors"][1:]
        assert bool(reasons) is (status != 500), "people learn why, and nothing about a crash"


def assert_problem(response: Any, status: int, code: str) -> None:
    """RFC 9457: the standard's members, and ours beside them."""
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


# --- each part that can be wrong, named -----------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [
        pytest.param(operation, parameter["name"], id=f"{operation}-{parameter['name']}")
        for operation in operations()
        for parameter in operation.query
    ],
)
def test_a_wrong_query_parameter_is_named(
    operation: Operation, parameter: str, api: Api, creator: User, stranger: User
) -> None:
    world = world_for(operation, api, creator, stranger)

    # NUL is wrong everywhere: no number, no id, no time, no choice, and no text that PostgreSQL could store.
    response = world.call(operation, path=f"{world.path(operation).partition('?')[0]}?{parameter}=%00")

    assert_refused(response, 400, "validation_failed")
    assert [reason.partition(":")[0] for reason in response.json()["errors"][1:]] == [parameter]


@pytest.mark.parametrize(
    ("operation", "variable", "malformed"),
    [
        pytest.param(operation, variable, malformed, id=f"{operation}-{variable}-{malformed}")
        for operation in operations()
        for variable in operation.variables
        for malformed in ("1", "0" * 23, "0" * 25, "A" * 24, "g" * 24, "٠" * 24, "0" * 24 + "%0A", "%00" * 24)
    ],
)
def test_a_malformed_id_is_named(
    operation: Operation, variable: str, malformed: str, api: Api, creator: User, stranger: User
) -> None:
    world = world_for(operation, api, creator, stranger)

    response = world.call(operation, path=world.path(operation, **{variable: malformed}))

    assert_refused(response, 400, "validation_failed", f"{variable}: must be 24 lower-case hexadecimal characters")


@pytest.mark.parametrize("operation", [each for each in operations() if each.has_body], ids=str)
@pytest.mark.parametrize("body", ["[]", "5", "null", '"text"'])
def test_a_body_that_is_no_object_is_refused(
    operation: Operation, body: str, api: Api, creator: User, stranger: User
) -> None:
    world = world_for(operation, api, creator, stranger)

    response = world.call(operation, raw=body.encode())

    assert_refused(response, 400, "validation_failed", "body: must be a JSON object")


@pytest.mark.parametrize(
    "operation", [each for each in operations() if {} in each.declared.get("security", [])], ids=str
)
def test_an_optional_token_may_be_left_out(operation: Operation, api: Api, creator: User, stranger: User) -> None:
    world = world_for(operation, api, creator, stranger)

    data_of(world.call(operation, authorization=""))


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_success_stays_in_the_envelope_for_who_asks_for_problems(
    operation: Operation, api: Api, creator: User, stranger: User
) -> None:
    world = world_for(operation, api, creator, stranger)
    world.accept = PROBLEM

    response = world.call(operation)

    data_of(response, response.status_code)
    assert response.status_code < 300
