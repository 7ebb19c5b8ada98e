"""nginx in front of two servers, as deploy/nginx configures it, without TLS."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.nginx import example, running_nginx

KEEPALIVE = "1s"  # shorter than DRAIN_SECONDS here, as the example demands


@contextmanager
def nginx_before(upstreams: Sequence[int], port: int, folder: Path) -> Iterator[None]:
    """Run nginx on `port` as a proxy of all `upstreams`, with as many connections as the driver needs."""
    changes = {
        r"keepalive_timeout \w+;": f"keepalive_timeout {KEEPALIVE};",
        r"(?s)(?<=\n)server \{\n    listen 80;.*?\n\}\n": "",
        r"listen 443 .*;": f"listen 127.0.0.1:{port}; access_log off;",
        r"(?:    ssl_.*\n)+": "",
        r"limit_conn clients \d+;": "limit_conn clients 2000;",
    }
    folder.mkdir()
    with running_nginx(folder, example(upstreams, changes), port):
        yield
