"""The HTTP server that shows metrics to Prometheus, on a port of its own, in threads beside the work of its process."""

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socket import AF_INET6
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from common.bearer import has_token
from common.metrics.addresses import Address

logger = logging.getLogger(__name__)

PATH = "/metrics"
CLIENT_SECONDS = 10  # that a client may take to send its request, or to take the answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_port = False  # a second process with the same address must fail

    def server_bind(self) -> None:
        """Without the name of this host, for which HTTPServer asks a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a scrape failed", exc_info=sys.exception())


class _Server6(_Server):
    address_family = AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not logged."""


class Exporter:
    """Shows what `registry` collects to clients that send `token`, or to all if it is empty. One scrape at a time."""

    def __init__(self, registry: CollectorRegistry, *, token: str) -> None:
        self._show: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)
        self._token = token
        self._lock = threading.Lock()
        self._server: WSGIServer | None = None

    def start(self, address: Address) -> None:
        """Begin to serve. If the address is taken, that is logged: the service is worth more than its metrics."""
        kind = _Server6 if ":" in address.host else _Server
        try:
            self._server = make_server(address.host, address.port, self._answer, kind, _Handler)
        except OSError as error:
            logger.error("metrics are not served on %s: %s", address, error)  # noqa: TRY400 - says all
            return
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        refused = self._refusal(environ)
        if refused is None:
            try:
                with self._lock:
                    return self._show(environ, start_response)
            except Exception:
                # Python's server would print a traceback beside the lines of the log, without masks.
                logger.exception("metrics could not be collected")
                refused = HTTPStatus.INTERNAL_SERVER_ERROR
        start_response(f"{refused.value} {refused.phrase}", [("Content-Length", "0")])
        return [b""]

    def _refusal(self, environ: dict[str, Any]) -> HTTPStatus | None:
        if environ["PATH_INFO"] != PATH:
            return HTTPStatus.NOT_FOUND
        if environ["REQUEST_METHOD"] != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED
        if self._token and not has_token(environ, self._token):
            return HTTPStatus.UNAUTHORIZED
        return None
