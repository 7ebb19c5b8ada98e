"""Whether this process lives, and whether it can do its work: for load balancers and operators."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from common.api import HTTP_CODES, error_answer, success_answer
from common.refusals import Unavailable

FACTS_WITHIN = 300  # milliseconds, for each statement

type View = Callable[[HttpRequest], HttpResponse]


def _only_read(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request)
        return error_answer(request.META, 405, HTTP_CODES[405], headers={"Allow": "GET, HEAD"})

    return csrf_exempt(guarded)  # it changes nothing, and its 405 is no matter of forms


@_only_read
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing about the database, so that its loss does not restart every server."""
    return success_answer({"status": "alive"})


@_only_read
def ready(request: HttpRequest) -> HttpResponse:
    """The database answers and knows every migration. What `_facts` adds is for those who watch."""
    problem = unreadiness()
    if problem is None:
        return success_answer({"status": "ready", **_facts()})
    return error_answer(request.META, 503, Unavailable.code, [problem])


def unreadiness() -> str | None:
    try:
        if connection.connection is not None and not connection.is_usable():
            connection.close()
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        connection.close()
        return "the database does not answer"
    return f"{len(missing)} migrations are not applied; run manage.py migrate" if missing else None


def _facts() -> dict[str, Any]:
    """What the functions of `settings.READINESS_FACTS` say; None where a locked table or a busy disk holds them up."""
    now = timezone.now()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {FACTS_WITHIN}")
            return {name: import_string(path)(now) for name, path in settings.READINESS_FACTS.items()}
    except (DatabaseError, InterfaceError):
        return dict.fromkeys(settings.READINESS_FACTS)
