"""Whether this process lives, and whether it can do its work: for load balancers and operators."""

from collections.abc import Callable
from functools import wraps

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse

from common.api import HTTP_CODES, error_answer, success_answer
from common.refusals import Unavailable

type View = Callable[[HttpRequest], HttpResponse]


def _only_read(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request)
        return error_answer(request.META, 405, HTTP_CODES[405], headers={"Allow": "GET, HEAD"})

    return guarded


@_only_read
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing about the database, so that its loss does not restart every server."""
    return success_answer({"status": "alive"})


@_only_read
def ready(request: HttpRequest) -> HttpResponse:
    """The database answers and knows every migration."""
    problem = unreadiness()
    if problem is None:
        return success_answer({"status": "ready"})
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
