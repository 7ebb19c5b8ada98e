"""The nginx example of deploy/nginx, with other addresses and certificates, in front of real servers."""

import http.client
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from tests.patience import PATIENCE
from tests.servers import free_port, wait_for_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
OPENSSL = shutil.which("openssl")
needs_nginx = pytest.mark.skipif(not (NGINX and OPENSSL), reason="needs nginx and openssl")

EXAMPLE = Path(settings.BASE_DIR) / "deploy" / "nginx" / "kumanda.conf"
NAME = "api.example.com"
# Settings of the service behind this proxy.
BEHIND = {"SECURE": "true", "TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": f"{NAME},127.0.0.1"}
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


class Proxy:
    def __init__(self, port: int, plain_port: int, certificate: Path) -> None:
        self.port, self.plain_port, self.folder = port, plain_port, certificate.parent
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._tls.check_hostname = False

    def connect(self, address: str = "127.0.0.1") -> http.client.HTTPSConnection:
        """A connection whose client has this address of the loopback interface."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=PATIENCE, context=self._tls, source_address=(address, 0)
        )

    def call(
        self, method: str, path: str, body: bytes | None = None, *, address: str = "127.0.0.1", **headers: str
    ) -> tuple[int, dict[str, str]]:
        connected = self.connect(address)
        named = {"Host": NAME} | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connected.request(method, path, body, named)
            answer = connected.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connected.close()


@contextmanager
def running_proxy(folder: Path, upstreams: Sequence[int], changes: Mapping[str, str] | None = None) -> Iterator[Proxy]:
    """nginx with the example in front of the servers on the ports `upstreams`, one or two.

    `changes` are texts that the example has once, with what they are replaced by.
    """
    certificate, key = _certificate(folder)
    port, plain_port = free_port(), free_port()
    text = re.sub(r"(?m)^    server 10\.0\.0\.1(\d):8000 (.*)$", lambda found: _upstream(found, upstreams), _example())
    text = _replaced(
        text,
        {
            "listen 80;": f"listen 127.0.0.1:{plain_port};",
            "listen 443 ": f"listen 127.0.0.1:{port} ",
            "/etc/ssl/api.example.com.pem": str(certificate),
            "/etc/ssl/api.example.com.key": str(key),
        }
        | dict(changes or {}),
    )
    # As root, nginx works as another user, who may not enter the folder of the test.
    user = "user root root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, example=text, user=user))
    process = subprocess.Popen([str(NGINX), "-c", str(configuration), "-p", str(folder)])
    try:
        wait_for_port(port)
        yield Proxy(port, plain_port, certificate)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _example() -> str:
    text = EXAMPLE.read_text()
    assert len(re.findall(r"(?m)^    server 10\.0\.0\.1[12]:8000 ", text)) == 2
    return text


def _upstream(found: "re.Match[str]", upstreams: Sequence[int]) -> str:
    number = int(found[1]) - 1
    return f"    server 127.0.0.1:{upstreams[number]} {found[2]}" if number < len(upstreams) else ""


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={NAME}", "-days", "1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
