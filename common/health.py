"""Liveness and readiness of a server process, for load balancers and operators."""

import logging
import threading
from collections.abc import Callable
from functools import cache, wraps
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, ProgrammingError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt

from common.api import HTTP_CODES, error_answer, success_answer
from common.bearer import has_token
from common.hooks import READINESS_FACTS
from common.languages import preferred_language
from common.postgres.faults import close_after
from common.postgres.pool import NoConnectionFree
from common.refusals import Unavailable
from common.server import draining

logger = logging.getLogger(__name__)

FACTS_TIMEOUT = 300  # milliseconds, for each statement

type View = Callable[[HttpRequest], HttpResponse]
type MigrationName = tuple[str, str]  # app and name


def _only_read(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request)
        return error_answer(request.META, 405, HTTP_CODES[405], headers={"Allow": "GET, HEAD"})

    return csrf_exempt(guarded)  # other methods get a 405 instead of a CSRF failure


@_only_read
def alive(request: HttpRequest) -> HttpResponse:
    """Liveness. The database is not checked, so that its outage does not make an orchestrator restart all servers."""
    return success_answer({"status": "alive"})


@_only_read
def ready(request: HttpRequest) -> HttpResponse:
    """Readiness: the process is not stopping, and the database answers and has all migrations.

    The reason and the facts are for operators only.
    """
    operator = has_token(request.META, settings.OPERATIONS_TOKEN)
    problem = "the server is stopping" if draining.is_stopping() else _probe.problem()
    if problem is None:
        return success_answer({"status": "ready", **(_facts() if operator else {})})
    with override(preferred_language(request.META)):
        reason = problem if operator else str(Unavailable.message)
        return error_answer(request.META, 503, Unavailable.code, [reason])


class _Probe:
    """Caches the result of `unreadiness` for a short time, so that frequent calls cost few queries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._problem: str | None = None
        self._valid_until = float("-inf")

    def problem(self) -> str | None:
        with self._lock:
            if monotonic() >= self._valid_until:
                self._check()
            return self._problem

    def _check(self) -> None:
        problem = unreadiness()
        if problem != self._problem:
            logger.warning("readiness: %s", problem or "ready again")
        self._problem = problem
        kept = settings.UNREADY_KEPT_SECONDS if problem else settings.READY_KEPT_SECONDS
        self._valid_until = monotonic() + kept


_probe = _Probe()


def unreadiness() -> str | None:
    """Why this process is not ready, or None. Queries the database."""
    try:
        if connection.connection is not None and not connection.is_usable():
            connection.close()
        missing = _known_migrations().keys() - _applied_migrations()
    except (DatabaseError, InterfaceError) as error:
        if isinstance(error.__cause__, NoConnectionFree):
            return "all connections to the database are in use"
        close_after(error, connection)
        return "the database does not answer"
    return f"{len(missing)} migrations are not applied; run manage.py migrate" if missing else None


@cache
def _known_migrations() -> dict[MigrationName, list[MigrationName]]:
    """The migrations of the installed code, each with those that it replaces. Reading them takes some 50 ms."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return {name: list(loader.get_migration(*name).replaces) for name in loader.graph.nodes}


def _applied_migrations() -> set[MigrationName]:
    try:
        with transaction.atomic():
            recorded = set(MigrationRecorder(connection).migration_qs.values_list("app", "name"))
    except ProgrammingError:  # the table is not there: an empty database
        return set()
    # A squashed migration counts as applied where all that it replaces are.
    squashed = {name for name, replaced in _known_migrations().items() if replaced and recorded.issuperset(replaced)}
    return recorded | squashed


def _facts() -> dict[str, Any]:
    """The results of the functions in `settings.READINESS_FACTS`; all are None when a statement fails or times out."""
    now = timezone.now()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {FACTS_TIMEOUT}")
            return {name: fact(now) for name, fact in READINESS_FACTS.functions().items()}
    except (DatabaseError, InterfaceError):
        return dict.fromkeys(settings.READINESS_FACTS)
