"""The nginx example of deploy/nginx, with other addresses and certificates, in front of real servers."""

import http.client
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.nginx import NGINX, example, running_nginx
from tests.patience import PATIENCE
from tests.servers import free_port

OPENSSL = shutil.which("openssl")
needs_nginx = pytest.mark.skipif(
    not (NGINX and OPENSSL), reason="nginx or openssl is missing. Debian has the packages nginx-light and openssl."
)

NAME = "api.example.com"
# Settings of the service behind this proxy.
BEHIND = {"SECURE": "true", "TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": f"{NAME},127.0.0.1"}


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

    `changes` are those of `benchmarks.nginx.example`.
    """
    certificate, key = _certificate(folder)
    port, plain_port = free_port(), free_port()
    own = {
        r"listen 80;": f"listen 127.0.0.1:{plain_port};",
        r"listen 443 ": f"listen 127.0.0.1:{port} ",
        r"/etc/ssl/api\.example\.com\.pem": str(certificate),
        r"/etc/ssl/api\.example\.com\.key": str(key),
    }
    with running_nginx(folder, example(upstreams, own | dict(changes or {})), port):
        yield Proxy(port, plain_port, certificate)


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
