"""Whether this process lives, and whether it can do its work: for load balancers and operators."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from common.api import error_answer, success_answer
from common.refusals import Unavailable


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing about the database, so that its loss does not restart every server."""
    return success_answer({"status": "alive"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """The database answers and knows every migration."""
    problem = unreadiness()
    if problem is None:
        return success_answer({"status": "ready"})
    return error_answer(request.META, 503, Unavailable.code, [problem])


def unreadiness() -> str | None:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        connection.close()
        return "the database does not answer"
    return f"{len(missing)} migrations are not applied; run manage.py migrate" if missing else None
