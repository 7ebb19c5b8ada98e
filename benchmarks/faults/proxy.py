"""nginx in front of two servers."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.attack.proxy import NGINX
from benchmarks.faults.pooler import await_port

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 7m;
    upstream service {{
        {servers}
        keepalive 32;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host 127.0.0.1;
            proxy_request_buffering on;
            proxy_connect_timeout 3s;
            proxy_read_timeout 40s;
        }}
    }}
}}
"""


@contextmanager
def nginx_before(upstreams: Sequence[int], port: int, folder: Path) -> Iterator[None]:
    """Run nginx on `port` as a proxy of all `upstreams`."""
    folder.mkdir()
    configuration = folder / "nginx.conf"
    servers = "\n        ".join(f"server 127.0.0.1:{upstream} max_fails=1 fail_timeout=1s;" for upstream in upstreams)
    configuration.write_text(CONFIGURATION.format(folder=folder, servers=servers, port=port))
    process = subprocess.Popen([str(NGINX), "-c", str(configuration), "-p", str(folder)])
    try:
        await_port(port)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)
