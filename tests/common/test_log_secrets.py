"""What a log line never shows: secrets of the installation, what looks like a secret, what the client has sent."""

import io
import json
import logging
import os
import threading
from io import BytesIO
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction

from common.entry_points import EntryPoint, called_through
from common.log_secrets import Masks, secrets_of, sent_values
from common.log_stream import LogStreamHandler
from common.logging import log_uncaught
from tests.conftest import make_user

PLANTED = "s3cret-Pläntéd'\"\\value"


class Log:
    """A logger with the formatter of the settings."""

    def __init__(self) -> None:
        chosen = settings.LOGGING["formatters"]["json"]
        made = chosen["()"](**{name: value for name, value in chosen.items() if name != "()"})
        self._stream = io.StringIO()
        self.handler = LogStreamHandler(self._stream)
        self.handler.setFormatter(made)
        self.logger = logging.getLogger("tests.log")
        self.logger.handlers, self.logger.propagate = [self.handler], False

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def line(self) -> dict[str, Any]:
        lines = self.text.splitlines()
        assert len(lines) == 1, lines
        found: dict[str, Any] = json.loads(lines[0])
        return found


@pytest.fixture
def log() -> Log:
    return Log()


def raised[E: Exception](error: E) -> E:
    """The same error, with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


# --- what looks like a secret ---------------------------------------------------------------------

LOOKS_SECRET = {
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl": "the token {} has expired",
    "0pAqueT0ken/+=": "Authorization: Bearer {}",
    "c2VjcmV0OnNlY3JldA==": "sent Basic {} to it",
    "whsec_c2VjcmV0c2VjcmV0c2VjcmV0": "signed with {}",
    "pa55word": "cannot connect to postgresql://kumanda:{}@db:5432/kumanda",
    "t0k3n": "GET https://hooks.example.com/x?key={}&y=1 failed",
    "hunter22": "{{'username': 'ayse', 'password': '{}'}}",
    "hunter23": '{{"refreshToken": "{}"}}',
    "hunter24": "password={}&next=1",
    "hunter25": "Set-Cookie: sessionid={}; Path=/",
    "a.yilmaz+x@mail.example.com": "550 no such user <{}>",
    "c4lendar": "Not Found: /calendar/{}.ics",
    "uns8bscribe": "/unsubscribe/{}?x",
}


@pytest.mark.parametrize("secret", LOOKS_SECRET)
def test_what_looks_like_a_secret_is_masked_in_messages_arguments_and_exceptions(log: Log, secret: str) -> None:
    text = LOOKS_SECRET[secret].format(secret)
    assert secret in text
    log.logger.error("%s", text)
    log.logger.error(text)
    log.logger.error("failed", exc_info=raised(ValueError(text)))
    log.logger.error("failed with %s", ValueError(text))
    log.logger.error("failed", extra={"reason": text})
    assert secret not in log.text
    assert len(log.text.splitlines()) == 5


def test_ordinary_lines_are_as_they_were(log: Log) -> None:
    for text in (
        "audit seal 412:9f2c0a1b over ids 88120 to 88954",
        "GET /api/v1/live-stream/673ac9e2c93fe18d3fdd23f1/calendar.ics",
        "the clocks of this machine and of the database differ by 31.2 s",
        "neither photos/673ac9e2c93fe18d.webp nor photos/673ac9e2.webp",
        "not reloaded: a new server process is not ready: the database has not every migration",
        "is this a question? yes: 1=1",
    ):
        log.logger.error(text)
        assert json.loads(log.text.splitlines()[-1])["event"] == text


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "long", ["a" * 500_000, "a." * 250_000, "a@" * 250_000, "x?a=" * 100_000, "password='" * 50_000]
)
def test_a_long_text_is_masked_in_linear_time(log: Log, long: str) -> None:
    """In quadratic time each would take hours."""
    log.logger.error("%s", long)
    assert log.line["event"]


# --- the secrets of the installation --------------------------------------------------------------

ENVIRONMENT = {
    "SECRET_KEY": "the-secret-key",
    "SECRET_KEY_FALLBACKS": "older-key-1,older-key-2",
    "DATABASE_URL": "postgresql://kumanda:p%40ssw0rd@db/kumanda?sslpassword=pemp4ss",
    "EMAIL_URL": "smtp+tls://user:mailp4ss@mail.example.com:587",
    "WEBHOOK_URL": "https://hooks.example.com/services/T0001/XYZ",
    "WEBHOOK_SECRETS": "whsec_AAAA,whsec_BBBB",
    "MEDIA_STORAGE_SECRET_KEY": "s3-secret-key",
    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=abcdef",
    "JOIN_TOKEN_SECONDS": "1234567",
    "IDENTITY_JWKS_URL": "https://id.example.com/keys",
}
SECRETS = [
    "the-secret-key",
    "older-key-1",
    "older-key-2",
    "p%40ssw0rd",
    "p@ssw0rd",
    "pemp4ss",
    "mailp4ss",
    "/services/T0001/XYZ",
    "whsec_AAAA",
    "s3-secret-key",
    "api-key=abcdef",
]


def test_secrets_of_the_installation_are_found_by_the_names_of_their_settings() -> None:
    found = secrets_of(ENVIRONMENT)
    assert set(SECRETS) <= found
    assert found.isdisjoint({"1234567", "https://id.example.com/keys", "/keys"})


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_of_the_installation_are_masked_wherever_they_are(secret: str) -> None:
    masks = Masks(["/calendar/"], secrets_of(ENVIRONMENT))
    for written in (secret, quote(secret, safe=""), json.dumps(secret), repr(secret)):
        assert masks.masked(f"x{written}y") != f"x{written}y"
        assert secret not in masks.masked(f"x{written}y")


def test_the_masks_of_this_process_have_its_secrets(log: Log) -> None:
    for secret in (settings.SECRET_KEY, settings.JWT_SIGNING_KEY):
        assert secret in os.environ.values()
        log.logger.error("x%sy", secret)
        assert secret not in log.text


# --- what the client has sent ---------------------------------------------------------------------


def meta_with(**sent: str) -> dict[str, Any]:
    """The environ of a request with `sent` in one place."""
    body = sent.pop("body", "").encode()
    return {"wsgi.input": BytesIO(body), "PATH_INFO": "/", "QUERY_STRING": ""} | sent


PLACES = {
    "header": {"HTTP_X_API_KEY": PLANTED},
    "authorization": {"HTTP_AUTHORIZATION": f"Bearer {PLANTED}"},
    "cookie": {"HTTP_COOKIE": f"a=b; sessionid={quote(PLANTED)}"},
    "path": {"PATH_INFO": f"/api/v1/{PLANTED}/x"},
    "query": {"QUERY_STRING": f"limit=1&q={quote(PLANTED)}"},
    "content type": {"CONTENT_TYPE": f"text/plain; charset={PLANTED}"},
    "JSON": {"body": json.dumps({"user": {"names": [PLANTED]}})},
    "key of JSON": {"body": json.dumps({PLANTED: 1})},
    "malformed JSON": {"body": json.dumps({"password": PLANTED})[:-1]},
    "form": {"body": f"username=a&password={quote(PLANTED)}"},
    "part of a form": {"body": f'--x\r\nContent-Disposition: form-data; name="p"\r\n\r\n{PLANTED}\r\n--x--'},
    "text": {"body": PLANTED},
}


@pytest.mark.parametrize("place", PLACES)
def test_what_the_client_has_sent_is_masked_in_arguments_and_exceptions(log: Log, place: str) -> None:
    meta = meta_with(**PLACES[place])
    chained = raised(KeyError(PLANTED))
    chained.__cause__ = raised(ValueError(f"bad: {PLANTED!r}"))
    chained.add_note(f"while reading {PLANTED}")
    group = ExceptionGroup("many", [raised(ValueError(f"two\nlines of {PLANTED}"))])
    with called_through(EntryPoint.API, "request-1", meta):
        log.logger.error("bad: %s", PLANTED)
        log.logger.error("bad: %(value)s", {"value": PLANTED})
        log.logger.error("bad: %s", [PLANTED])
        log.logger.error("bad: %s", ValueError(PLANTED))
        log.logger.error("bad", exc_info=chained)
        log.logger.error("bad", exc_info=group)
    lines = [json.loads(line) for line in log.text.splitlines()]
    for text in (log.text, *map(repr, lines), *(str(line.get("exception")) for line in lines)):
        for part in ("s3cret", "Pläntéd", "Pl\\u00e4nt"):
            assert part not in text
    assert [line["request_id"] for line in lines] == ["request-1"] * 6
    assert "KeyError: " in lines[4]["exception"]
    assert "raise error" in lines[4]["exception"], "lines of code are there"


def test_a_message_of_a_library_is_masked_and_ours_stays_what_it_is(log: Log) -> None:
    record = logging.LogRecord("lib", logging.ERROR, "/x/site-packages/lib.py", 1, f"bad {PLANTED}", (), None)
    with called_through(EntryPoint.API, "", meta_with(body=json.dumps([PLANTED, "a request failed"]))):
        log.logger.handle(record)
        log.logger.error("a request failed")
    first, second = map(json.loads, log.text.splitlines())
    assert first["event"] == "bad [sent]"
    assert second["event"] == "a request failed"


def test_ids_and_short_values_are_no_secrets() -> None:
    sent = sent_values(meta_with(body='{"id": "673ac9e2c93fe18d3fdd23f1", "n": "short", "t": "long title"}'))
    assert "long title" in sent
    assert sent.isdisjoint({"673ac9e2c93fe18d3fdd23f1", "short"})


def test_local_variables_are_not_logged(log: Log) -> None:
    def fail() -> None:
        hidden = PLANTED + "!"
        raise ValueError(len(hidden))

    try:
        fail()
    except ValueError:
        log.logger.exception("failed")
    assert "s3cret" not in log.text
    assert "in fail" in log.line["exception"]


# --- errors of the database -----------------------------------------------------------------------


@pytest.mark.django_db
def test_an_error_of_the_database_has_neither_rows_nor_values(log: Log) -> None:
    # In variables, because tracebacks have lines of code.
    name, value = "viewer", "s3cret\nvalue"
    make_user(name, email="viewer.secret@example.com")
    with pytest.raises(IntegrityError) as twice, transaction.atomic():
        make_user(name)
    with (
        pytest.raises(IntegrityError) as missing,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE accounts_user SET name = NULL")
    with pytest.raises(DataError) as malformed, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT %s::text::int", [value])
    for error in (twice.value, missing.value, malformed.value):
        log.logger.error("a request failed", exc_info=error)
        log.logger.error("a request failed: %s", error)
        log.logger.error("a group failed", exc_info=ExceptionGroup("jobs", [error]))
    assert "viewer" not in log.text
    assert "s3cret" not in log.text
    assert "argon2" not in log.text
    assert "md5$" not in log.text
    assert "DETAIL" not in log.text
    assert "SQLSTATE 23505, table accounts_user, constraint " in log.text
    assert "SQLSTATE 23502, table accounts_user" in log.text
    assert "SQLSTATE 22P02" in log.text


def test_an_error_of_the_driver_is_shown(log: Log) -> None:
    log.logger.error("gone: %s", psycopg.OperationalError("the connection is closed"))
    assert log.line["event"] == "gone: the connection is closed"


# --- where nothing is expected --------------------------------------------------------------------


def test_a_line_that_cannot_be_formatted_is_not_shown(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    # Directly: the handler of pytest raises.
    log.handler.handle(logging.LogRecord("tests.log", logging.ERROR, "x.py", 1, "%d", (PLANTED,), None))
    captured = capsys.readouterr()
    assert "s3cret" not in log.text + captured.out + captured.err
    assert log.line["event"] == "a log line could not be formatted"


def test_an_error_that_ends_a_thread_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr(threading, "excepthook", None)
    log_uncaught()

    def fail() -> None:
        raise ValueError(PLANTED)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [record.getMessage() for record in caplog.records] == ["a thread ends by an error"]
    assert capsys.readouterr().err == ""
