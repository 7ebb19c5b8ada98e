"""A server that speaks S3 (moto, as a process), and a gate before it that hangs, slows down, breaks off or answers."""

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from secrets import token_hex
from socket import SHUT_RDWR, SO_RCVBUF, SOL_SOCKET, create_connection, socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import boto3
from botocore.config import Config

from config.media import Bucket, storages
from tests import leaks
from tests.servers import free_port, wait_for_port

# As docs/storage.md has it: everybody may read objects.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET/*"},
    ],
}
KEY, SECRET = "access-key-of-tests", leaks.plant("secret key of the bucket", "secret-key-of-tests")


class Gate(ThreadingTCPServer):
    """Passes connections on to a port. `mode` says what it does instead:

    `hang`: it reads and never answers. `cut`: it breaks off after `most` bytes of a request. `slow`: it reads `rate`
    bytes a second. An `answer` is sent to whoever sends a PUT.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        self.behind = port
        self.mode = ""
        self.most = 0
        self.rate = 0
        self.answer = b""
        self.requests = 0  # and pieces of their bodies
        self.puts = 0
        super().__init__(("127.0.0.1", 0), _Passing)

    def server_bind(self) -> None:
        # Connections inherit it: otherwise the kernel takes megabytes from the client before they are read.
        self.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 65_536)
        super().server_bind()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Passing(BaseRequestHandler):
    server: Gate
    request: socket

    def handle(self) -> None:
        gate = self.server
        with suppress(OSError), create_connection(("127.0.0.1", gate.behind)) as behind:
            threading.Thread(target=_pass_back, args=(behind, self.request), daemon=True).start()
            passed = 0
            while piece := self.request.recv(65_536):
                gate.requests += 1
                gate.puts += piece.startswith(b"PUT")
                if gate.answer and piece.startswith(b"PUT"):
                    self.request.sendall(gate.answer)
                    return
                if gate.mode == "hang":
                    continue
                if gate.mode == "cut":
                    piece = piece[: max(0, gate.most - passed)]
                if gate.mode == "slow":
                    time.sleep(len(piece) / gate.rate)
                passed += len(piece)
                behind.sendall(piece)
                if gate.mode == "cut" and passed >= gate.most:
                    return


def _pass_back(behind: socket, client: socket) -> None:
    with suppress(OSError):
        while piece := behind.recv(65_536):
            client.sendall(piece)
        client.shutdown(SHUT_RDWR)


@dataclass
class ObjectServer:
    port: int
    gate: Gate
    process: "subprocess.Popen[bytes]"
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = client_of(f"http://127.0.0.1:{self.port}")

    def new_bucket(self, prefix: str = "") -> "TestBucket":
        name = f"pictures-{token_hex(6)}"
        self.client.create_bucket(Bucket=name)
        self.client.put_bucket_policy(Bucket=name, Policy=json.dumps(POLICY).replace("BUCKET", name))
        return TestBucket(self, name, prefix)

    def check_keys(self, *, really: bool) -> None:
        """Whether the server refuses keys that it does not know; by default it accepts all."""
        url = f"http://127.0.0.1:{self.port}/moto-api/reset-auth"
        request = urllib.request.Request(url, b"0" if really else b"inf", {"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=10):
            pass


def client_of(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(s3={"addressing_style": "path"}),
    )


@dataclass(frozen=True)
class TestBucket:
    """A bucket of its own, with what a process needs to use it."""

    __test__ = False
    server: ObjectServer
    name: str
    prefix: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MEDIA_STORAGE_KIND": "s3",
            "MEDIA_STORAGE_BUCKET": self.name,
            "MEDIA_STORAGE_ENDPOINT_URL": f"http://127.0.0.1:{self.server.gate.port}",
            "MEDIA_STORAGE_ACCESS_KEY": KEY,
            "MEDIA_STORAGE_SECRET_KEY": SECRET,
            "MEDIA_STORAGE_PREFIX": self.prefix,
            "MEDIA_STORAGE_ADDRESSING": "path",
            "MEDIA_URL": self.url,
        }

    @property
    def url(self) -> str:
        below = f"{self.prefix}/" if self.prefix else ""
        return f"http://127.0.0.1:{self.server.port}/{self.name}/{below}"

    def use(self, settings: Any, **changed: str) -> None:
        """Let this process store pictures here. `changed` are fields of `Bucket`."""
        environment = self.environment
        chosen = {name: environment.get(f"MEDIA_STORAGE_{name.upper()}", "") for name in Bucket._fields}
        settings.STORAGES = storages("s3", Bucket(**chosen | changed), media_url=self.url, is_media_url_set=True)
        settings.MEDIA_URL = self.url

    def objects(self) -> dict[str, Any]:
        """The objects by their keys."""
        found = self.server.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        return {entry["Key"]: entry for entry in found}

    def fetched(self, name: str) -> tuple[int, bytes]:
        """The answer to somebody who has no key."""
        try:
            with urllib.request.urlopen(self.url + name, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, b""


@contextmanager
def running_object_server() -> Iterator[ObjectServer]:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for_port(port)
            with Gate(port) as gate:
                threading.Thread(target=gate.serve_forever, daemon=True).start()
                yield ObjectServer(port, gate, process)
                gate.shutdown()
        finally:
            process.kill()
