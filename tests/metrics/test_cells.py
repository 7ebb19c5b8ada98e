"""Requests that several threads count at the same time, while the files of their values grow."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from prometheus_client.multiprocess import MultiProcessCollector

THREADS, REQUESTS, ROUTES = 4, 3_000, 150
PROGRAM = f"""
import threading
import django
django.setup()
from common.metrics import files
files.SIZES |= {{"counter": 4096, "histogram": 4096}}  # which are soon too small
from common.metrics.in_server import enable_in_folder
enable_in_folder("my")
from common.server import measuring

def count(thread):
    for number in range({REQUESTS}):
        environ = {{"REQUEST_METHOD": "GET", measuring.ROUTE: f"things/<str:id>/{{number % {ROUTES}}}"}}
        measuring.begin(environ)
        # The times of all statuses are one histogram.
        measuring.record(environ, 200 + thread % 2, database_calls=2)
        measuring.record(environ, 500)  # the second answer to a request counts nothing

threads = [threading.Thread(target=count, args=(number,)) for number in range({THREADS})]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


def test_no_count_is_lost_between_threads(tmp_path: Path) -> None:
    variables = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=settings.BASE_DIR, env=variables, check=True)

    found: dict[str, dict[tuple[str, ...], float]] = {}
    for metric in MultiProcessCollector(None, path=str(tmp_path)).collect():  # type: ignore[no-untyped-call]
        for sample in metric.samples:
            labels = sample.labels
            key = tuple(labels[name] for name in ("route", "status", "le") if name in labels)
            found.setdefault(sample.name, {})[key] = sample.value

    each = THREADS * REQUESTS / ROUTES
    routes = [f"/things/{{id}}/{number}" for number in range(ROUTES)]
    assert found["my_http_requests_total"] == {
        (route, status): each / 2 for route in routes for status in ("200", "201")
    }
    assert found["my_http_request_seconds_count"] == {(route,): each for route in routes}
    assert found["my_http_request_database_calls_total"] == {(route,): 2 * each for route in routes}
    buckets = found["my_http_request_seconds_bucket"]
    assert all(buckets[route, "+Inf"] == each for route in routes)
    assert all(value > 0 for value in found["my_http_request_seconds_sum"].values())
