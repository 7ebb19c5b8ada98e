"""nginx in front of two servers, as deploy/nginx configures it, without TLS."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.attack.proxy import NGINX
from benchmarks.faults.pooler import await_port
from benchmarks.world import ROOT

EXAMPLE = ROOT / "deploy" / "nginx" / "kumanda.conf"
# The parts of nginx.conf that packages of nginx have around the example.
AROUND = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {example}
}}
"""
KEEPALIVE = "1s"  # shorter than DRAIN_SECONDS here, as the example demands


def configuration(upstreams: Sequence[int], port: int) -> str:
    """The example for these servers, without TLS, and with as many connections as the driver needs from one address.

    Raises ValueError when the example lacks what is changed.
    """
    text = EXAMPLE.read_text(encoding="utf-8")
    numbers = iter(upstreams)
    changes = (
        (r"(?m)^    server 10\.0\.0\.\d+:8000", lambda _: f"    server 127.0.0.1:{next(numbers)}", len(upstreams)),
        (r"keepalive_timeout \w+;", lambda _: f"keepalive_timeout {KEEPALIVE};", 1),
        (r"(?m)^server \{\n    listen 80;.*?^\}\n", lambda _: "", 1),
        (r"listen 443 .*?;", lambda _: f"listen 127.0.0.1:{port};", 1),
        (r"(?m)^    ssl_.*\n", lambda _: "", None),
        (r"limit_conn clients \d+;", lambda _: "limit_conn clients 2000;", 1),
    )
    for pattern, replaced, expected in changes:
        text, count = re.subn(pattern, replaced, text, flags=re.DOTALL if "listen 80" in pattern else 0)
        if expected is not None and count != expected:
            raise ValueError(f"{EXAMPLE.name} has {pattern} {count} times, not {expected}")
    return text


@contextmanager
def nginx_before(upstreams: Sequence[int], port: int, folder: Path) -> Iterator[None]:
    """Run nginx on `port` as a proxy of all `upstreams`."""
    folder.mkdir()
    # As root, nginx would work as another user, who may not enter the folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(AROUND.format(folder=folder, example=configuration(upstreams, port), user=user))
    process = subprocess.Popen([str(NGINX), "-c", str(path), "-p", str(folder)])
    try:
        await_port(port)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)
