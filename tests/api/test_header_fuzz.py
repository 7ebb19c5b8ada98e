"""Hostile headers and query values for every operation: never a 5xx, and always the envelope."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import tokens
from accounts.models import User
from common.fields import new_object_id
from common.server.handler import LenientHandler
from edges.services import Cursor
from tests.api.operations import BODIES, Operation, operations
from tests.api.wsgi import connections_kept_open, send
from tests.bans.people import permitted
from tests.conftest import session_of
from tests.streams import make_stream

APPLICATION = LenientHandler()
ENVELOPE = ["isSuccess", "statusCode", "data", "errors", "timestamp"]
PROBLEM = ["type", "title", "status", "detail", "code", "errors", "requestId"]

# WSGI passes headers as Latin-1.
NAMES = (
    "CONTENT_TYPE", "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_X_LANGUAGE", "HTTP_AUTHORIZATION", "HTTP_X_REQUEST_ID",
    "HTTP_HOST", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_COOKIE", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_CONTENT_ENCODING",
    "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_CONNECTION", "HTTP_UPGRADE", "HTTP_TE",
)  # fmt: skip
VALUES = (
    "", " ", ";", ",", "*/*;q=x", "a/b;charset=nonsense", "a/b; x*=nonsense''%00", 'multipart/form-data; boundary="',
    "multipart/form-data; boundary=" + "x" * 300, "application/json; charset=utf-16", "x" * 10_001, "é\xff\x00",
    "Bearer", "Bearer \x00", "Bearer é", "Bearer " + "x" * 20_000, "Bearer a.b.c", "Basic eDp5", "bearer eyJ.eyJ.x",
    "::1", "[", "localhost:x", "tr;q=9" * 500, 'W/"', "bytes=9-1", "gzip", "chunked", "100-continue", "-1",
)  # fmt: skip
HOSTILE = st.one_of(
    st.sampled_from(VALUES), st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200)
)

# Percent-encoded: numbers beyond each integer type, non-numbers, NUL, a lone surrogate, overlong UTF-8.
QUERY_VALUES = (
    "2147483648", "9223372036854775808", "-1", "1e400", "1" * 5000, "%00", "%ED%A0%80", "%C0%80", "%FF", "%25", "",
    "AAAA", "null", "%D9%A1", "0x10", "2040-13-41T99:99:99Z", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+23:59",
    new_object_id().upper(),
)  # fmt: skip


@dataclass
class Asked:
    """Calls of operations with hostile headers and queries."""

    token: str
    ids: dict[str, str]

    def answer(self, operation: Operation, query: str = "", **headers: str) -> None:
        """Raises AssertionError for a 5xx and for a response that is not in the envelope."""
        body = json.dumps(BODIES.get(str(operation), {})).encode() if operation.has_body else b""
        required = [each["name"] for each in operation.query if each.get("required")]
        path = operation.path.format(**dict.fromkeys(operation.variables, "0" * 24) | self.ids)
        query = query or "&".join(f"{name}={self.ids.get(name, '')}" for name in required)
        sent = {"HTTP_AUTHORIZATION": f"Bearer {self.token}"} | headers
        status, received, content = send(APPLICATION, operation.method, path, query, body, **sent)
        kind = received.get("Content-Type", "")
        assert status < 500, (operation, query, headers, content)
        if "json" in kind:
            assert list(json.loads(content)) in (ENVELOPE, PROBLEM)
        else:
            assert (status, kind.partition(";")[0]) in {(200, "text/calendar"), (304, "")}, (status, kind)


@pytest.fixture
def asked(creator: User) -> Iterator[Asked]:
    """Calls as a service account, which may call every operation."""
    stream = make_stream(creator)
    session = session_of(permitted("edge", "enforce"))
    with connections_kept_open():
        yield Asked(
            str(tokens.AccessToken.of(session, now=timezone.now())),
            {"id": stream.pk, "liveStreamId": stream.pk, "userId": creator.pk, "targetUserId": creator.pk},
        )


@pytest.mark.parametrize("name", NAMES)
def test_no_operation_fails_with_a_hostile_header(name: str, asked: Asked) -> None:
    # Each value for every third operation, to save time.
    for offset, operation in enumerate(operations()):
        for value in VALUES[offset % 3 :: 3]:
            asked.answer(operation, **{name: value})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operation=st.sampled_from(operations()), headers=st.dictionaries(st.sampled_from(NAMES), HOSTILE, max_size=6))
def test_no_operation_fails_with_hostile_headers_together(
    operation: Operation, headers: dict[str, str], asked: Asked
) -> None:
    asked.answer(operation, **headers)


@pytest.mark.parametrize("operation", [each for each in operations() if each.query], ids=str)
def test_no_query_parameter_fails_with_a_hostile_value(operation: Operation, asked: Asked) -> None:
    for parameter in operation.query:
        for value in QUERY_VALUES:
            asked.answer(operation, f"{parameter['name']}={value}")


@pytest.mark.parametrize("position", [2**63, 2**64 - 1])
def test_a_cursor_beyond_bigint_is_refused(position: int, asked: Asked) -> None:
    (operation,) = (each for each in operations() if str(each) == "getLiveStreamByIdRevocationsV1")

    asked.answer(operation, f"since={Cursor(asked.ids['id'], position)}")
    assert Cursor.parsed(str(Cursor(asked.ids["id"], position))) is None
