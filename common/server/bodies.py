"""Reading request bodies with limits on time, on size, and on the memory of all bodies together."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # exported without saying so

from common.api import PayloadTooLarge, RequestTimeout
from common.server.threads import ServerBusy

# How long a body may take to arrive. Each `SLOWEST_RATE` bytes that arrive grant one second more, because a picture
# of 5 MB over a slow mobile network is a legitimate request.
BODY_SECONDS = 10
SLOWEST_RATE = 16_384
# How much of a body that is too large is read and dropped: a proxy whose upload is aborted answers with 502.
DROPPED_BYTES = 1_048_576
# A body up to this size is read in one step, and is never refused for lack of memory.
SMALL_BODY = 65_536
# The memory of all bodies of one process together.
BUFFERED_BYTES = 64 * 1_048_576


class ClientGone(Exception):
    """The client has closed its connection before its body was complete, so no answer is needed."""


class Receiving(Protocol):
    """The part of Granian's `HTTPProtocol` that hands over the body."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class BodyReader:
    """Reads the bodies of one process. It is used by one event loop, so nothing here needs a lock."""

    def __init__(self) -> None:
        self.buffered = 0

    async def read(self, protocol: Receiving, *, length: int | None, limit: int) -> bytes:
        """The body. `length` is its announced size in bytes, None for a chunked one; `limit` its largest size.

        The caller passes it to `release` when it is done with it. Raises RequestTimeout, PayloadTooLarge, ServerBusy,
        and ClientGone when the client goes away before its body is complete.
        """
        if length is not None and length > limit + DROPPED_BYTES:
            raise PayloadTooLarge(limit)
        try:
            async with asyncio.timeout(BODY_SECONDS) as deadline:
                if length is not None and length <= min(limit, SMALL_BODY):
                    body = await protocol()
                else:
                    body = await self._read_in_pieces(protocol, deadline, length, limit)
        except TimeoutError as error:
            raise RequestTimeout from error
        except ProtocolClosed as error:
            raise ClientGone from error
        self.buffered += len(body)
        return body

    def release(self, body: bytes) -> None:
        self.buffered -= len(body)

    async def _read_in_pieces(
        self, protocol: Receiving, deadline: asyncio.Timeout, length: int | None, limit: int
    ) -> bytes:
        latest = asyncio.get_running_loop().time() + BODY_SECONDS
        pieces: list[bytes] = []
        refusal: Exception | None = None
        size = held = 0
        try:
            async for piece in protocol:
                size += len(piece)
                deadline.reschedule(latest + size / SLOWEST_RATE)
                if size > limit:
                    refusal = PayloadTooLarge(limit)
                elif size > SMALL_BODY and self.buffered + len(piece) > BUFFERED_BYTES:
                    refusal = ServerBusy()
                if refusal is None:
                    pieces.append(piece)
                    held += len(piece)
                    self.buffered += len(piece)
                elif size > limit + DROPPED_BYTES:
                    break
        finally:
            self.buffered -= held
        if refusal is not None:
            raise refusal
        if length is not None and size < length:
            # Granian ends the iteration when the client goes away. For a chunked body this is not detected here; the
            # parsers of JSON and forms detect a missing end.
            raise ClientGone
        return b"".join(pieces)
