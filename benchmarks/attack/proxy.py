"""nginx in front of the attacked service, configured so that bodies reach it as they arrive."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.nginx import running_nginx
from benchmarks.stacks import free_ports

# deploy/nginx buffers requests. That is off here, because the attack tests unbuffered bodies.
CONFIGURATION = """
    client_max_body_size 7m;
    upstream service {{ server 127.0.0.1:{upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        access_log off;
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
    }}
"""


@contextmanager
def nginx_before(upstream: int) -> Iterator[int]:
    """Run nginx as a proxy of `upstream`. Yields its port."""
    (port,) = free_ports(1)
    http = CONFIGURATION.format(upstream=upstream, port=port)
    with tempfile.TemporaryDirectory(prefix="kumanda-attack-nginx-") as folder, running_nginx(Path(folder), http, port):
        yield port
