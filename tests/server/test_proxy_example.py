"""The nginx example of docs/operations.md, with other ports and certificates, in front of a real server."""

import http.client
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from common.fields import new_object_id
from tests.conftest import make_user, token_of
from tests.patience import PATIENCE
from tests.servers import free_port, running_server, wait_for_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(not (NGINX and OPENSSL), reason="needs nginx and openssl")

# The parts of nginx.conf that packages of nginx have around the example.
AROUND = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {example}
}}
"""


def example() -> str:
    page = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()
    (found,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    return str(found)


def replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Proxy:
    def __init__(self, port: int, plain_port: int, certificate: Path) -> None:
        self.port, self.plain_port, self.folder = port, plain_port, certificate.parent
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._tls.check_hostname = False

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str]]:
        connected = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=self._tls)
        named = {"Host": "api.example.com"} | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connected.request(method, path, body, named)
            answer = connected.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connected.close()


@pytest.fixture
def proxy(transactional_db: None, tmp_path: Path) -> Iterator[Proxy]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=api.example.com", "-days", "1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    make_user("creator")
    environment = {"SECURE": "true", "TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": "api.example.com,127.0.0.1"}
    with running_server(workers=1, **environment) as server:
        port, plain_port = free_port(), free_port()
        text = replaced(
            example(),
            {
                "127.0.0.1:8000": f"127.0.0.1:{server.port}",
                "listen 80;": f"listen 127.0.0.1:{plain_port};",
                "listen 443 ": f"listen 127.0.0.1:{port} ",
                "/etc/ssl/api.example.com.pem": str(certificate),
                "/etc/ssl/api.example.com.key": str(key),
            },
        )
        # As root, nginx works as another user, who may not enter the folder of the test.
        user = "user root root;" if os.geteuid() == 0 else ""
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(AROUND.format(folder=tmp_path, example=text, user=user))
        process = subprocess.Popen([str(NGINX), "-c", str(configuration), "-p", str(tmp_path)])
        try:
            wait_for_port(port)
            yield Proxy(port, plain_port, certificate)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


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
