"""Behind a proxy: an answer that comes before the body has been read must not break the connection between the two."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.utils import timezone

from accounts import tokens
from tests.conftest import make_user, session_of
from tests.servers import Server, free_port, running_server, wait_for_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx, from the Debian package nginx-light")

# As docs/operations.md advises, but for one line: with request buffering, nginx would hide from us what is tested here.
CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 7m;
    upstream service {{ server 127.0.0.1:{upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
    }}
}}
"""


@contextmanager
def nginx_before(server: Server, folder: Path) -> Iterator[Server]:
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, upstream=server.port, port=port))
    process = subprocess.Popen([str(NGINX), "-c", str(configuration), "-p", str(folder)])
    try:
        wait_for_port(port)
        yield Server(port)
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.django_db(transaction=True)
def test_refused_calls_with_large_bodies_do_not_become_502_nor_harm_others(tmp_path: Path) -> None:
    creator = make_user("creator")
    token = str(tokens.AccessToken.of(session_of(creator), now=timezone.now()))

    def refused(proxy: Server, size: int) -> int:
        body = {"title": "x" * size}
        return proxy.call("POST", "/api/v1/live-stream/create", token="made-up", body=body).status

    def ordinary(proxy: Server) -> int:
        return proxy.call("GET", "/api/v1/users/me", token=token).status

    with running_server(workers=2) as server, nginx_before(server, tmp_path) as proxy:
        with ThreadPoolExecutor(16) as pool:
            bad = [pool.submit(refused, proxy, size) for size in [60_000, 100_000] * 100]
            good = [pool.submit(ordinary, proxy) for _ in range(500)]
            too_large = proxy.call("POST", "/api/v1/auth/login", body={"username": "x" * 1_500_000})

        assert Counter(each.result() for each in bad) == {401: 100, 413: 100}
        assert Counter(each.result() for each in good) == {200: 500}
        assert too_large.status == 413
