"""The RSGI application: it reads requests in the event loop, and Django answers them in threads."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from io import BytesIO
from typing import Any, Protocol

from django.conf import settings
from django.http import FileResponse, HttpResponse
from django.utils.translation import override
from granian.rsgi import ProtocolClosed, ProtocolError  # type: ignore[attr-defined]  # exported without a promise

from common import access_log, api, tracing
from common.entry_points import EntryPoint, called_through
from common.languages import preferred_language
from common.metrics.in_server import keep_sampling
from common.middleware import request_id_of, with_common_headers
from common.postgres.bounded import tally
from common.refusals import Unavailable
from common.secret_keys import running
from common.server import draining, measuring
from common.server.bodies import BodyReader, ClientGone, Incoming, Receiving, drop, linger
from common.server.files import StoredFiles
from common.server.measuring import HEALTH, READINESS
from common.server.requests import Scope, body_length, environ_of, own_environ, refuse_oversized
from common.server.threads import RequestThreads, begin_wait
from common.storage import presence

logger = logging.getLogger(__name__)

SEND_TIMEOUT = 30.0  # seconds for each part of a streamed answer
READINESS_SECONDS = 1.8
FILES = "/media/"


class HTTPProtocol(Receiving, Protocol):
    """The part of Granian's `HTTPProtocol` that this application uses."""

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None: ...
    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> "Transport": ...


class Transport(Protocol):
    """A body that is sent in parts."""

    def send_bytes(self, data: bytes) -> Awaitable[None]: ...


class Application:
    """Answers `HEALTH` and files itself; everything else is answered by `wsgi` in one of `threads` threads.

    `at_once` is for `RequestThreads`. `first_paths` are those of `warm_up`.
    """

    def __init__(
        self, wsgi: Callable[..., Any], *, threads: int, at_once: int, first_paths: Sequence[str] = ()
    ) -> None:
        self._wsgi = wsgi
        self._first_paths = first_paths
        self._threads = RequestThreads(threads, at_once=at_once)
        self._bodies = BodyReader()
        # A bucket is served by others. An earlier folder may have pictures of what was deleted since.
        self._files = StoredFiles(settings.MEDIA_ROOT) if settings.SERVES_MEDIA else None
        self._probe = RequestThreads(1, at_once=1)
        measuring.watch(self._threads)

    def warm_up(self) -> None:
        """Answer a request of this process itself at each of the first paths.

        This imports the addresses with all views, opens a connection to the database and compiles its first queries:
        some tenths of a second of CPU time, on a busy machine seconds. The first calls would all wait for it, and many
        of them for longer than a call may. A database that does not answer is waited for once.

        It runs in a thread as other requests do: the connection of the first thread may be one outside the pool.
        """
        with ThreadPoolExecutor(1) as thread:
            for path in self._first_paths:
                status, _headers, _body = thread.submit(_answered, self._wsgi, own_environ(path)).result()
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    return

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Start each request at once, not in the next iteration of the loop.
        loop.set_task_factory(_eager_task)
        presence.keep_noting()
        running.keep_noting("serve")
        keep_sampling(loop)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        environ = environ_of(scope)
        measuring.begin(environ)
        access_log.begin(environ, request_id_of(environ))
        incoming = Incoming(protocol, body_length(environ))
        try:
            if scope.method in ("GET", "HEAD"):
                # Without a thread, so that it answers even while all threads wait for the database.
                if scope.path == HEALTH:
                    environ[measuring.ROUTE] = HEALTH
                    await self._send(incoming, protocol, environ, api.success_answer({"status": "alive"}))
                    return
                if scope.path.startswith(FILES):
                    await self._send_file(incoming, protocol, environ, scope.path.removeprefix(FILES))
                    return
            refuse_oversized(environ)
            if scope.path == READINESS and scope.method in ("GET", "HEAD"):
                await self._answer_readiness(environ, incoming, protocol)
            else:
                await self._answer(environ, incoming, protocol)
        except ClientGone:
            measuring.record(environ, measuring.CLIENT_GONE)
            access_log.write(environ, measuring.CLIENT_GONE)
        except Exception as error:
            await self._send(incoming, protocol, environ, _refusal(environ, error))

    async def _answer_readiness(self, environ: dict[str, Any], incoming: Incoming, protocol: HTTPProtocol) -> None:
        """In a thread of its own and in limited time: a busy server is ready, one with a silent database is not.

        Raises Unavailable.
        """
        environ[measuring.ROUTE] = READINESS
        await drop(incoming)  # not within these seconds
        answer: list[Any] = []
        try:
            async with asyncio.timeout(READINESS_SECONDS):
                await self._probe.run(lambda: answer.extend(_answered(self._wsgi, dict(environ))))
        except TimeoutError as error:
            raise Unavailable from error
        status, headers, content = answer
        await _finish(incoming, environ, status, headers, lambda named: protocol.response_bytes(status, named, content))

    async def _answer(self, environ: dict[str, Any], incoming: Incoming, protocol: HTTPProtocol) -> None:
        body = b""
        if not incoming.is_complete:
            is_form = environ.get("CONTENT_TYPE", "").lower().startswith("multipart/form-data")
            limit = settings.UPLOAD_BODY_LIMIT if is_form else settings.LARGE_JSON_BODY_LIMIT
            body = await self._bodies.read(incoming, limit=limit)
            # Django treats a body without a length as empty.
            environ["CONTENT_LENGTH"] = str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["wsgi.input"] = BytesIO(body)
        try:
            await self._threads.run(_answer_in_span, self._wsgi, environ, protocol, asyncio.get_running_loop())
        finally:
            self._bodies.release(body)

    async def _send(
        self,
        incoming: Incoming,
        protocol: HTTPProtocol,
        environ: dict[str, Any],
        response: HttpResponse,
        file: str = "",
    ) -> None:
        """Answer with `response`, and with the content of `file` if one is named, whether the body was read or not."""
        status = response.status_code
        with_common_headers(response, request_id_of(environ))

        def send(named: list[tuple[str, str]]) -> None:
            if file:
                protocol.response_file(status, named, file)
            elif status == HTTPStatus.NOT_MODIFIED:
                protocol.response_empty(status, named)
            else:
                protocol.response_bytes(status, named, response.content)

        await _finish(incoming, environ, status, response.items(), send)

    async def _send_file(self, incoming: Incoming, protocol: HTTPProtocol, environ: dict[str, Any], name: str) -> None:
        environ[measuring.ROUTE] = f"{FILES}<name>"
        found = None if self._files is None else self._files.find(name)
        if found is None:
            await self._send(incoming, protocol, environ, api.error_answer(environ, 404, api.HTTP_CODES[404]))
        elif found.is_known(environ):
            headers = {name: value for name, value in found.headers.items() if name != "Content-Length"}
            await self._send(incoming, protocol, environ, HttpResponse(status=304, headers=headers))
        else:
            await self._send(incoming, protocol, environ, HttpResponse(headers=found.headers), found.path)


async def _finish(
    incoming: Incoming,
    environ: dict[str, Any],
    status: int,
    headers: Iterable[tuple[str, str]],
    send: Callable[[list[tuple[str, str]]], None],
) -> None:
    """Let `send` answer a request whose body may not have been read."""
    await drop(incoming)
    measuring.record(environ, status)
    send(_closing(headers, is_last=not incoming.is_complete))
    access_log.write(environ, status, headers)
    await linger(incoming)


def _closing(headers: Iterable[tuple[str, str]], *, is_last: bool = False) -> list[tuple[str, str]]:
    """The headers, with `Connection: close` if this is the last answer on its connection."""
    if is_last or draining.closes_connections():
        return [*headers, ("Connection", "close")]
    return list(headers)


def _eager_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """`asyncio.eager_task_factory`, which does not take the argument `eager_start` that uvloop gives it."""
    return asyncio.Task(coroutine, loop=loop, **options | {"eager_start": True})


def _answer_in_span(wsgi: Callable[..., Any], environ: dict[str, Any], *args: Any) -> None:
    with tracing.in_request(environ):
        _answer_by(wsgi, environ, *args)


def _answer_by(
    wsgi: Callable[..., Any], environ: dict[str, Any], protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop
) -> None:
    """Runs in a thread, and answers from there."""
    status = 0
    headers: list[tuple[str, str]] = []

    def start_response(line: str, named: list[tuple[str, str]], exc_info: Any = None) -> None:
        nonlocal status, headers
        status, headers = int(line[:3]), named

    tally.calls = 0
    response = wsgi(environ, start_response)
    try:
        # Files are static ones, which are small: sending them in parts would keep the thread while a slow client reads.
        if getattr(response, "streaming", False) and not isinstance(response, FileResponse):
            measuring.record(environ, status, database_calls=tally.calls)
            _stream(response, protocol.response_stream(status, _closing(headers)), loop)
            access_log.write(environ, status, headers)
            return
        content = b"".join(response)
    finally:
        response.close()
    measuring.record(environ, status, database_calls=tally.calls)
    protocol.response_bytes(status, _closing(headers), content)
    access_log.write(environ, status, headers)


def _answered(wsgi: Callable[..., Any], environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of the answer to a request without a body."""
    started: list[Any] = []
    response = wsgi(environ | {"wsgi.input": BytesIO()}, lambda *given: started.extend(given))
    try:
        return int(started[0][:3]), started[1], b"".join(response)
    finally:
        response.close()


def _stream(parts: Iterable[bytes], transport: Transport, loop: asyncio.AbstractEventLoop) -> None:
    """Send each part before the next one is made, so that memory does not grow with the body.

    Ends early when the client has gone or accepts nothing for `SEND_TIMEOUT`. The headers are sent already, so an
    error in the middle can only end the body.
    """

    async def send(part: bytes) -> None:
        await transport.send_bytes(part)

    try:
        for part in filter(None, parts):
            sending = asyncio.run_coroutine_threadsafe(send(part), loop)
            try:
                begin_wait(is_long=True)  # for a client that may read slowly
                sending.result(SEND_TIMEOUT)
            finally:
                sending.cancel()  # after a timeout it would keep the connection open; else it is done
    except (ProtocolClosed, ProtocolError, TimeoutError):
        logger.info("a client left before the end of its answer")
    except Exception:
        logger.exception("an answer ended before its end")


def _refusal(environ: dict[str, Any], error: Exception) -> HttpResponse:
    with called_through(EntryPoint.API, request_id_of(environ), environ), override(preferred_language(environ)):
        return api.answer_to(error, environ)
