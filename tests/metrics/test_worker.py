"""What a worker shows of its jobs, notifications and deliveries."""

import pytest

from tests.metrics.scraping import busy_service, total

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_server_and_a_worker_show_what_they_have_done() -> None:
    with busy_service() as (server, worker, people):
        pass
    assert total(worker, "notifications_total", kind="live", outcome="notified") == people
    assert total(worker, "notifications_total", outcome="missed") == 0
    assert total(worker, "delivery_attempts_total", channel="webhook", outcome="delivered") == 1
    assert total(worker, "delivery_attempts_total", channel="webhook") == 1
    notified = {"task": "reminders.tasks.notify_chunks", "outcome": "succeeded"}
    assert total(worker, "job_runs_total", **notified) == 1
    assert total(worker, "job_seconds_count", task="reminders.tasks.notify_chunks") == 1
    assert total(worker, "job_runs_total", outcome="failed") == 0
    assert total(worker, "changes_total", action="deliver", entry_point="task") == 1
    assert total(worker, "build_info") == 1
    # The values of the database are shown by servers only.
    assert total(worker, "readings_ok") == 0
    assert total(server, "worker_heartbeat_age_seconds") < 60
    assert total(server, "live_streams") == 1

    assert total(server, "logins_total", outcome="right") == 1
    assert total(server, "logins_total", outcome="wrong_credentials") == 1
    assert total(server, "changes_total", action="ban_user", entry_point="api") == 1
    route = "/api/v1/live-stream/{id}/start"
    assert total(server, "http_requests_total", method="POST", route=route, status="200") == 1
    assert total(server, "http_request_database_calls_total", route=route) > 3
    assert total(server, "replica_is_read", database="replica") == 0
