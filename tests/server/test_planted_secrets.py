"""Secrets in every place where a client, a job or an operator can put one: no log of a server or worker has them."""

import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from livestreams import services as streams
from reminders.channels.email import unsubscribe_address
from reminders.services import create_calendar_address
from tests.conftest import make_user, token_of
from tests.patience import PATIENCE
from tests.reminders.asking import remind
from tests.reminders.processes import running_workers
from tests.reminders.receiver import answering, receiving
from tests.server.logs import LogFile, Logged
from tests.servers import Server, database_url, free_port, lost_database, running_server
from tests.streams import make_stream

PLACES: dict[str, str] = {}


def planted(place: str) -> str:
    """A new secret for a place. Its name says where it was when it is found in a log."""
    PLACES[place] = f"S3cret-{token_hex(8)}"
    return PLACES[place]


def leaked(log: str) -> list[str]:
    """The places whose secrets a log has, as they are or in another form."""
    return [
        place
        for place, secret in PLACES.items()
        if any(form in log for form in (secret, secret.lower(), quote(secret), json.dumps(secret)[1:-1], secret[7:]))
    ]


def _webhook_secret() -> str:
    PLACES["webhook secret"] = base64.b64encode(token_hex(16).encode()).decode()
    return f"whsec_{PLACES['webhook secret']}"


def environment() -> dict[str, str]:
    """Every setting that has a secret. The database trusts its machine, so that any password is right."""
    user, _, rest = database_url().removeprefix("postgresql://").partition("@")
    return {
        "DJANGO_SETTINGS_MODULE": "tests.server.leaking_settings",
        "LOG_LEVEL": "DEBUG",
        "SECRET_KEY": planted("SECRET_KEY") * 3,
        "JWT_SIGNING_KEY": planted("JWT_SIGNING_KEY") * 2,
        "OPERATIONS_TOKEN": planted("OPERATIONS_TOKEN") * 2,
        "DATABASE_URL": f"postgresql://{user.partition(':')[0]}:{planted('password of the database')}@{rest}",
        "MEDIA_STORAGE_KIND": "s3",
        "MEDIA_STORAGE_BUCKET": "pictures",
        "MEDIA_STORAGE_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "MEDIA_STORAGE_ACCESS_KEY": planted("access key of the bucket"),
        "MEDIA_STORAGE_SECRET_KEY": planted("secret key of the bucket"),
        "MEDIA_URL": "https://media.example.com/",
        "NOTIFICATION_CHANNELS": "webhook,email",
        "WEBHOOK_SECRETS": _webhook_secret(),
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "EMAIL_URL": f"smtp://mailer:{planted('password of the mail server')}@127.0.0.1:{free_port()}",
        "DEFAULT_FROM_EMAIL": "no-reply@example.com",
    }


@pytest.fixture(autouse=True)
def _nothing_planted(transactional_db: None) -> None:
    PLACES.clear()


def sent(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    connected = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connected.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connected.getresponse().status
    finally:
        connected.close()


def part(name: str, value: str, more: str = "") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


LOGIN = "/api/v1/auth/login"
UPCOMING = "/api/v1/live-stream/upcoming"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=x"
HEADERS = (
    "Authorization", "Cookie", "X_Api_Key", "User_Agent", "Referer", "Origin", "Accept", "Accept_Language", "Forwarded",
    "Idempotency_Key", "If_None_Match", "If_Match", "X_Forwarded_For", "X_Forwarded_Host", "traceparent", "From",
)  # fmt: skip


def requests_with_secrets(viewer: User) -> Iterator[tuple[Any, ...]]:
    """Method, path, body and headers of requests, each with a secret in one place."""
    for header in HEADERS:
        value = planted(f"header {header}")
        value = {"Authorization": f"Bearer {value}", "Cookie": f"sessionid={value}; a=b"}.get(header, value)
        yield "GET", UPCOMING, b"", {header: value}
    yield "GET", UPCOMING, b"", {"Authorization": f"Basic {planted('password of basic authentication')}"}
    for path in (
        "/nothing/{}",
        "/api/v1/{}",
        "/api/v1/live-stream/{}",
        "/admin/{}",
        "/static/{}.css",
        "/media/{}.webp",
    ):
        yield "GET", path.format(planted(f"path {path}")), b"", {}
    yield "GET", f"/calendar/{planted('calendar')}.ics", b"", {}
    yield "GET", f"/c%61lendar/{planted('calendar, encoded')}.ics?x", b"", {}
    yield "GET", f"/unsubscribe/{planted('unsubscribing')}", b"", {}
    yield (
        "POST",
        f"/unsubscribe/{planted('unsubscribing at once')}",
        b"List-Unsubscribe=One-Click",
        {"Content_Type": FORM},
    )
    for path in (UPCOMING, LOGIN, "/admin/login/", "/nothing", "/healthz"):
        yield "GET", f"{path}?token={planted(f'query of {path}')}&next=1", b"", {}
    yield planted("method"), UPCOMING, b"", {}
    yield (
        "POST",
        LOGIN,
        json.dumps({"username": "viewer", "password": planted("password")}).encode(),
        {"Content_Type": JSON},
    )
    name = planted("name of a user")
    yield "POST", LOGIN, json.dumps({"username": name, "password": "x" * 9}).encode(), {"Content_Type": JSON}
    yield "POST", LOGIN, json.dumps({planted("key of JSON"): 1}).encode(), {"Content_Type": JSON}
    yield "POST", LOGIN, json.dumps({"a": [{"b": planted("nested in JSON")}]}).encode(), {"Content_Type": JSON}
    yield "POST", LOGIN, f'{{"password": "{planted("malformed JSON")}"'.encode(), {"Content_Type": JSON}
    yield "POST", LOGIN, f"password: {planted('text')}".encode(), {"Content_Type": "text/plain"}
    yield "POST", LOGIN, b"{}", {"Content_Type": f"text/{planted('type of the body')}"}
    yield (
        "POST",
        "/api/v1/auth/refresh",
        json.dumps({"refreshToken": planted("refresh")}).encode(),
        {"Content_Type": JSON},
    )
    yield "POST", "/admin/login/", f"username=a&password={planted('field')}".encode(), {"Content_Type": FORM}
    yield "POST", "/admin/login/", part("password", planted("part")) + b"--x--", {"Content_Type": PARTS}
    file = part("photo", planted("content of a file"), f'; filename="{planted("name of a file")}.png"') + b"--x--"
    yield "POST", "/api/v1/live-stream", file, {"Content_Type": PARTS, "Authorization": f"Bearer {token_of(viewer)}"}


def test_no_log_of_a_server_has_what_a_client_sent(tmp_path: Path) -> None:
    viewer = make_user("viewer", email="s3cret-viewer@example.com")
    log = LogFile(tmp_path / "log")
    chosen = environment() | {"WEBHOOK_URL": f"https://127.0.0.1/{planted('address of the webhook')}"}
    place = chosen.pop("DATABASE_URL")
    PLACES["mail address"] = "s3cret-viewer"
    PLACES["token"] = token = token_of(viewer)
    PLACES["calendar address"] = create_calendar_address(by=viewer, now=timezone.now()).secret
    PLACES["address to unsubscribe"] = unsubscribe_address(viewer.pk).rpartition("/")[2]
    with running_server(workers=1, log=str(log.path), database=place, **chosen) as server:
        requests = list(requests_with_secrets(viewer))
        requests.append(("GET", f"/calendar/{PLACES['calendar address']}.ics", b"", {}))
        requests.append(("GET", f"/unsubscribe/{PLACES['address to unsubscribe']}", b"", {}))
        requests.append(("GET", "/api/v1/users/me", b"", {"Authorization": f"Bearer {token}"}))
        for method, path, body, headers in requests:
            for leak in ("", "inside", "outside"):
                sent(server, method, path, body, **headers, **({"X_Leak": leak} if leak else {}))
        with lost_database():
            for method, path, body, headers in requests:
                sent(server, method, path, body, **headers)
        connection.close()  # the server has closed that of the test too
        log.wait_for("the database does not answer")
        failures = len(log.lines("a request failed"))
        answers = len(log.lines("request"))
    assert failures > len(requests), "they were made to fail"
    assert answers > 3 * len(requests)
    assert leaked(log.text) == []


def test_no_log_of_a_worker_has_secrets_of_the_installation_or_of_users(
    creator: User, capfd: pytest.CaptureFixture[str]
) -> None:
    logged = Logged(capfd)
    viewer = make_user("viewer", email="s3cret-mail-of-viewer@example.com")
    PLACES["mail address"] = "s3cret-mail-of-viewer"
    stream = make_stream(creator)
    remind(viewer, stream, minute=None)
    with receiving(answering(503)) as gateway:
        secret = planted("address of the webhook")
        address = gateway.url.replace("http://", f"http://{planted('user of the webhook')}@") + f"?token={secret}"
        with running_workers(environment=environment() | {"WEBHOOK_URL": address}):
            streams.start_stream(stream.pk, by=creator, now=timezone.now())
            failed = logged.wait_for("a delivery failed", count=2)
    assert {line["channel"] for line in failed} == {"webhook", "email"}
    assert leaked(logged.text) == []
