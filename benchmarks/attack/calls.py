"""Single HTTP calls over asyncio, each on a new connection, with a time limit."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

LONGEST_ANSWER = 5.0  # seconds; the service answers every call within this time
ENVELOPE = ["isSuccess", "statusCode", "data", "errors", "timestamp"]


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` is 0 when no complete response came in time, or the connection was lost.

    `head` is the status line with the headers, in lower case.
    """

    status: int
    seconds: float
    body: bytes = b""
    head: bytes = b""

    @property
    def is_envelope(self) -> bool:
        with suppress(ValueError, TypeError):
            return list(json.loads(self.body)) == ENVELOPE
        return False

    def is_answer(self, *statuses: int) -> bool:
        """Whether it has one of these statuses and came in time. A 503 must also be in the envelope."""
        in_form = self.status != 503 or self.is_envelope
        return self.status in statuses and self.seconds <= LONGEST_ANSWER and in_form


def encoded(method: str, target: str, *headers: str, token: str = "", body: bytes = b"") -> bytes:
    """One request as bytes. `body` is JSON unless `headers` name another type."""
    lines = [f"{method} {target} HTTP/1.1", *headers, "Connection: close"]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.append("Host: 127.0.0.1")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
        if not any(header.lower().startswith("content-type:") for header in headers):
            lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def call(port: int, request: bytes, *, within: float = LONGEST_ANSWER) -> Reply:
    """Send one request. Does not raise when the server fails: the status of the reply is then 0."""
    began = perf_counter()
    try:
        async with asyncio.timeout(within):
            status, body, head = await _exchanged(port, request)
    except (OSError, TimeoutError, EOFError, ValueError):
        return Reply(0, perf_counter() - began)
    return Reply(status, perf_counter() - began, body, head)


async def _exchanged(port: int, request: bytes) -> tuple[int, bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_048_576)
    try:
        # A server may refuse a body before it has read it.
        with suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        _, named, rest = head.partition(b"content-length:")
        length = int(rest.partition(b"\r\n")[0]) if named else None
        return status, await (reader.read() if length is None else reader.readexactly(length)), head
    finally:
        writer.transport.abort()
