"""The nginx example of deploy/nginx in front of a real server."""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from accounts.models import User
from common.fields import new_object_id
from tests.conftest import make_user, token_of
from tests.nginx import BEHIND, Proxy, needs_nginx, running_proxy
from tests.patience import PATIENCE
from tests.servers import running_server

pytestmark = needs_nginx


@pytest.fixture
def proxy(transactional_db: None, tmp_path: Path) -> Iterator[Proxy]:
    make_user("creator")
    limits = {"RATE_LIMIT_ANONYMOUS": "60/60"}
    with running_server(workers=1, **BEHIND | limits) as server, running_proxy(tmp_path, [server.port]) as running:
        yield running


def test_the_example_serves_tls_and_redirects_plain_http(proxy: Proxy) -> None:
    token = token_of(User.objects.get(username="creator"))
    status, headers = proxy.call("GET", "/api/v1/users/me", Authorization=f"Bearer {token}", X_Request_ID="chosen")
    assert status == 200
    # The proxy chooses the id.
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])
    # The service knows that the client came over TLS.
    status, headers = proxy.call("GET", "/admin/login/?next=/admin/")
    assert status == 200
    assert "strict-transport-security" in headers

    connected = http.client.HTTPConnection("127.0.0.1", proxy.plain_port, timeout=PATIENCE)
    connected.request("GET", "/api/docs/", headers={"Host": "api.example.com"})
    answer = connected.getresponse()
    assert (answer.status, answer.getheader("Location")) == (301, "https://api.example.com/api/docs/")
    connected.close()


def test_the_example_passes_bodies_on_and_refuses_too_large_ones(proxy: Proxy) -> None:
    login = "/api/v1/auth/login"
    json = {"Content_Type": "application/json"}
    status, headers = proxy.call("POST", login, b'{"username": "nobody", "password": "guess"}', **json)
    assert (status, headers["x-error-code"]) == (401, "wrong_credentials")
    # The service itself refuses what is a little too large, and nginx what is much larger.
    for _ in range(5):
        status, headers = proxy.call("POST", login, b" " * 1_500_000, **json)
        assert (status, "x-error-code" in headers) == (413, False)
    form = {"Content_Type": "multipart/form-data; boundary=x"}
    thumbnail = f"/api/v1/live-stream/{new_object_id()}/thumbnail"
    for method, path in (("POST", "/api/v1/live-stream/create"), ("PUT", thumbnail), ("POST", "/admin/login/")):
        for _ in range(5):
            status, headers = proxy.call(method, path, b" " * 6_900_000, **form)
            assert (status, headers["x-error-code"]) == (413, "payload_too_large")
        status, headers = proxy.call(method, path, b" " * 8_000_000, **form)
        assert (status, "x-error-code" in headers) == (413, False)


def test_the_logs_of_the_proxy_have_no_secret_of_an_address(proxy: Proxy) -> None:
    for path in ("/calendar/s3cret.ics", "/unsubscribe/s3cret", "/calendar/s3cret", "//calendar/s3cret.ics"):
        assert proxy.call("GET", path)[0] == 404
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.plain_port, timeout=PATIENCE)) as plain:
        plain.request("GET", "/calendar/s3cret.ics", headers={"Host": "api.example.com"})
        assert plain.getresponse().status == 301
    assert proxy.call("GET", "/healthz")[0] == 200

    logged = [(proxy.folder / name).read_text() for name in ("access.log", "error.log")]
    assert "GET /healthz" in logged[0]
    assert "s3cret" not in "".join(logged)


def test_clients_are_counted_apart_whatever_they_write_into_x_forwarded_for(proxy: Proxy) -> None:
    """60 calls of one network pass, and a forged header makes no other network of it."""
    upcoming = "/api/v1/live-stream/upcoming"
    forging = [
        proxy.call("GET", upcoming, address="127.0.0.2", X_Forwarded_For=f"192.0.2.{number}")[0] for number in range(90)
    ]
    assert forging[0] == 200
    assert forging[-1] == 429
    assert proxy.call("GET", upcoming, address="127.0.0.3")[0] == 200
