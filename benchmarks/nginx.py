"""nginx in front of the service, if it is installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stacks import await_port
from benchmarks.world import ROOT

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
EXAMPLE = ROOT / "deploy" / "nginx" / "kumanda.conf"
STOPPING = 60  # seconds

# The parts of nginx.conf that packages of nginx have around what is in conf.d.
_AROUND = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


def example(upstreams: Sequence[int], changes: Mapping[str, str]) -> str:
    """The example for the servers on the ports `upstreams`, of which it has at most two.

    `changes` are regular expressions, with what they are replaced by. Raises ValueError if one does not match once.
    """
    ports = iter(upstreams)
    text, count = re.subn(
        r"(?m)^    server 10\.0\.0\.\d+:8000 (.*\n)",
        lambda found: f"    server 127.0.0.1:{port} {found[1]}" if (port := next(ports, None)) else "",
        EXAMPLE.read_text(encoding="utf-8"),
    )
    if count < len(upstreams):
        raise ValueError(f"{EXAMPLE.name} has {count} servers, not {len(upstreams)}")
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, lambda _, new=replacement: new, text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"{EXAMPLE.name} has {pattern} {count} times, not once")
    return text


@contextmanager
def running_nginx(folder: Path, http: str, port: int) -> Iterator[None]:
    """Run nginx until the block ends. `http` is the content of its http block, and listens on `port`.

    The folder gets its logs and temporary files.
    """
    # As root, nginx would work as another user, who may not enter the folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(_AROUND.format(user=user, folder=folder, http=http))
    process = subprocess.Popen([str(NGINX), "-c", str(configuration), "-p", str(folder)])
    try:
        await_port(port)
        yield
    finally:
        process.terminate()
        process.wait(timeout=STOPPING)
