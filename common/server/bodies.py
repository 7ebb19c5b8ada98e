"""Reading request bodies with limits on time, on size, and on the memory of all bodies together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol

from granian.rsgi import ProtocolClosed, ProtocolError  # type: ignore[attr-defined]  # exported without saying so

from common.api import PayloadTooLarge, RequestTimeout
from common.server.threads import ServerBusy

# How long a body may take to arrive. Each `SLOWEST_RATE` bytes that arrive grant one second more, because a picture
# of 5 MB over a slow mobile network is a legitimate request.
BODY_SECONDS = 10
SLOWEST_RATE = 16_384
# How much of a body that is too large, or that nobody wants, is read and dropped.
DROPPED_BYTES = 1_048_576
# A body up to this size is read in one step, and is never refused for lack of memory.
SMALL_BODY = 65_536
# How much is read after the answer to a request whose body is larger still, and for how long.
LINGER_BYTES = 16 * 1_048_576
LINGER_SECONDS = 5
# The memory of all bodies of one process together.
BUFFERED_BYTES = 64 * 1_048_576


class ClientGone(Exception):
    """The client has closed its connection before its body was complete, so no answer is needed."""


class Receiving(Protocol):
    """The part of Granian's `HTTPProtocol` that hands over the body."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Incoming:
    """The body of one request. `length` is its announced size in bytes, 0 for none and None for a chunked one."""

    def __init__(self, protocol: Receiving, length: int | None) -> None:
        self.length = length
        self.size = 0  # what has arrived
        self.is_complete = length == 0
        self.is_slow = False  # it was waited for long enough
        self._protocol = protocol
        self._pieces: AsyncIterator[bytes] | None = None

    async def whole(self) -> bytes:
        """The body in one step. Raises ProtocolClosed when the client goes away."""
        body = await self._protocol()
        self.size, self.is_complete = len(body), True
        return body

    async def pieces(self) -> AsyncIterator[bytes]:
        """What has not arrived yet. It can be left and called again."""
        if self._pieces is None:
            self._pieces = self._protocol.__aiter__()
        # Not `async for`, which begins with `__aiter__`: Granian allows that once.
        with suppress(StopAsyncIteration):
            while True:
                piece = await self._pieces.__anext__()
                self.size += len(piece)
                yield piece
        # Granian ends the iteration when the client goes away, too.
        self.is_complete = self.length is None or self.size >= self.length


class BodyReader:
    """Reads the bodies of one process. It is used by one event loop, so nothing here needs a lock."""

    def __init__(self) -> None:
        self.buffered = 0

    async def read(self, incoming: Incoming, *, limit: int) -> bytes:
        """The body, of at most `limit` bytes.

        The caller passes it to `release` when it is done with it. Raises RequestTimeout, PayloadTooLarge, ServerBusy,
        and ClientGone when the client goes away before its body is complete.
        """
        length = incoming.length
        if length is not None and length > limit + DROPPED_BYTES:
            raise PayloadTooLarge(limit)
        try:
            async with asyncio.timeout(BODY_SECONDS) as deadline:
                if length is not None and length <= min(limit, SMALL_BODY):
                    body = await incoming.whole()
                else:
                    body = await self._read_in_pieces(incoming, deadline, limit)
        except TimeoutError as error:
            incoming.is_slow = True
            raise RequestTimeout from error
        except ProtocolClosed as error:
            raise ClientGone from error
        self.buffered += len(body)
        return body

    def release(self, body: bytes) -> None:
        self.buffered -= len(body)

    async def _read_in_pieces(self, incoming: Incoming, deadline: asyncio.Timeout, limit: int) -> bytes:
        latest = asyncio.get_running_loop().time() + BODY_SECONDS
        pieces: list[bytes] = []
        refusal: Exception | None = None
        held = 0
        try:
            async for piece in incoming.pieces():
                deadline.reschedule(latest + incoming.size / SLOWEST_RATE)
                if incoming.size > limit:
                    refusal = PayloadTooLarge(limit)
                elif incoming.size > SMALL_BODY and self.buffered + len(piece) > BUFFERED_BYTES:
                    refusal = ServerBusy()
                if refusal is None:
                    pieces.append(piece)
                    held += len(piece)
                    self.buffered += len(piece)
                elif incoming.size > limit + DROPPED_BYTES:
                    break
        finally:
            self.buffered -= held
        if refusal is not None:
            raise refusal
        if not incoming.is_complete:
            # For a chunked body this is not detected here; the parsers of JSON and forms detect a missing end.
            raise ClientGone
        return b"".join(pieces)


async def drop(incoming: Incoming) -> None:
    """Before an answer: read the rest of a body that nobody wants, unless it is large or slow.

    A connection whose request was not read to its end must be closed, and closing it resets it while the client still
    sends. A proxy takes that for a broken server: it answers with 502, and avoids the server for other clients too.
    """
    if incoming.length is None or incoming.length <= DROPPED_BYTES:
        await _read_on(incoming, DROPPED_BYTES, BODY_SECONDS)


async def linger(incoming: Incoming) -> None:
    """After an answer with `Connection: close`: read what the client still sends, so that it gets the answer."""
    await _read_on(incoming, LINGER_BYTES, LINGER_SECONDS)


async def _read_on(incoming: Incoming, most: int, seconds: float) -> None:
    """Read until `most` bytes of this body have arrived in all."""
    if incoming.is_complete or incoming.is_slow or incoming.size > most:
        return
    try:
        async with asyncio.timeout(seconds):
            async for _piece in incoming.pieces():
                if incoming.size > most:
                    return
    except TimeoutError:
        incoming.is_slow = True
    except (ProtocolClosed, ProtocolError):
        pass  # the client has gone
