"""Scrapes: what Prometheus gets from a port of metrics."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.servers import Server, free_port, running_server

PREFIX = "kumanda_"


def scraped(port: int, token: str = "") -> list[Sample]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read().decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def total(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum of the values of the metric `name`, without its prefix, over the series that have these labels."""
    wanted = labels.items()
    return sum(one.value for one in samples if one.name == PREFIX + name and wanted <= one.labels.items())


def names(samples: list[Sample]) -> dict[str, set[str]]:
    """The names of the labels of each metric."""
    found: dict[str, set[str]] = {}
    for sample in samples:
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


@contextmanager
def measured_server(*, workers: int = 2, **environment: str) -> Iterator[tuple[Server, int]]:
    """A server, and the port of its metrics."""
    port = free_port()
    with running_server(workers=workers, METRICS_SERVE_ADDRESS=str(port), **environment) as server:
        yield server, port
