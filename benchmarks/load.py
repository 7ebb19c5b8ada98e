"""The load generator: a process of its own that keeps a few connections busy and times each answer.

It sends requests that were encoded before and parses as little of a response as it can, so that most CPU time is left
to the servers. `python -m benchmarks.load` takes a job on stdin and prints a result, both in JSON.
"""

import gc
import json
import selectors
import socket
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from time import perf_counter

TIMEOUT = 10  # seconds without any answer


@dataclass(frozen=True, slots=True)
class Asked:
    """One request with its access token. `body` is JSON, or empty."""

    method: str
    path: str
    token: str
    body: str = ""

    def encoded(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {self.token}"]
        if self.body:
            lines.append("Content-Type: application/json")
        if self.method == "POST":
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", self.body]).encode()


@dataclass(frozen=True, slots=True)
class Answered:
    """`rate` in responses a second, `p50` and `p99` in milliseconds, `statuses` by HTTP status."""

    count: int
    rate: float
    p50: float
    p99: float
    statuses: dict[str, int]


def measured(port: int, requests: list[Asked], *, seconds: float, connections: int, once: bool) -> Answered:
    """Send `requests` one after the other for so many seconds. With `once`, stop when each has been sent once."""
    job = {
        "port": port,
        "requests": [asdict(request) for request in requests],
        "seconds": seconds,
        "connections": connections,
        "once": once,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed:\n{done.stderr}")
    return Answered(**json.loads(done.stdout))


class Connection:
    """One keep-alive connection with at most one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.sent_at = 0.0

    def ask(self, request: bytes) -> None:
        self.answer = b""
        self.sent_at = perf_counter()
        self.socket.sendall(request)

    def read(self) -> bytes | None:
        """The status from the status line once the whole response has arrived, else None."""
        part = self.socket.recv(262_144)
        if not part:
            raise ConnectionError(f"the server closed the connection after {self.answer!r}")
        self.answer += part
        head_end = self.answer.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        head = self.answer[:head_end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            raise ConnectionError(f"a response has no Content-Length: {head!r}")
        length = int(head[at + 15 :].split(b"\r", 1)[0])
        return head[9:12] if len(self.answer) - head_end - 4 >= length else None


def run(port: int, requests: Iterator[bytes], seconds: float, connections: int) -> Answered:
    gc.disable()
    selector = selectors.DefaultSelector()
    statuses: Counter[bytes] = Counter()
    times: list[float] = []
    asking = 0
    began = perf_counter()
    for connection in [Connection(port) for _ in range(connections)]:
        if (request := next(requests, None)) is not None:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask(request)
            asking += 1
    until = began + seconds
    while asking:
        ready = selector.select(TIMEOUT)
        if not ready:
            raise TimeoutError(f"no answer within {TIMEOUT} seconds")
        for key, _ in ready:
            connection = key.data
            status = connection.read()
            if status is None:
                continue
            now = perf_counter()
            times.append(now - connection.sent_at)
            statuses[status] += 1
            request = next(requests, None) if now < until else None
            if request is None:
                asking -= 1
            else:
                connection.ask(request)
    took = perf_counter() - began
    hundredths = statistics.quantiles(times, n=100)
    return Answered(
        count=len(times),
        rate=len(times) / took,
        p50=hundredths[49] * 1000,
        p99=hundredths[98] * 1000,
        statuses={status.decode(): count for status, count in statuses.items()},
    )


def main() -> None:
    job = json.load(sys.stdin)
    requests = [Asked(**request).encoded() for request in job["requests"]]
    queue = iter(requests) if job["once"] else cycle(requests)
    json.dump(asdict(run(job["port"], queue, job["seconds"], job["connections"])), sys.stdout)


if __name__ == "__main__":
    main()
