"""Scrapes: what Prometheus gets from a port of metrics."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from accounts.models import User
from tests.conftest import PASSWORD, make_user, token_of
from tests.patience import wait_until
from tests.reminders.processes import let_wait, posting_to, running_workers
from tests.reminders.receiver import answering, receiving
from tests.servers import Server, free_port, running_server
from tests.streams import make_stream, stream_url

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


class Scrapes(NamedTuple):
    server: list[Sample]
    worker: list[Sample]
    people: int


@contextmanager
def busy_service() -> Iterator[Scrapes]:
    """Scrapes of a server and a worker that have done something of each kind. For a test that commits."""
    creator, viewer = make_user("creator"), make_user("viewer")
    User.objects.filter(pk=creator.pk).update(password=PBKDF2PasswordHasher().encode(PASSWORD, "salt"))
    stream, people = make_stream(creator), 50
    let_wait(people, stream)
    port, token = free_port(), token_of(creator)
    # There is no replica there.
    with (
        receiving(answering(204)) as gateway,
        measured_server(workers=2, DATABASE_REPLICA_URL="postgresql://nobody@127.0.0.1:1/none") as (server, of_server),
        running_workers(environment=posting_to(gateway) | {"METRICS_WORKER_ADDRESS": str(port)}),
    ):
        _call(server, 200, "POST", stream_url(stream, "start"), token=token)
        ban = {"targetUserId": viewer.pk, "liveStreamId": stream.pk}
        _call(server, 201, "POST", "/api/v1/live-stream-ban", token=token, body=ban)
        _call(server, 200, "GET", "/api/v1/live-stream/upcoming", token=token)
        name = {"username": "creator", "password": PASSWORD}
        _call(server, 200, "POST", "/api/v1/auth/login", body=name)
        _call(server, 401, "POST", "/api/v1/auth/login", body=name | {"password": "wrong"})
        wait_until(lambda: total(scraped(port), "delivery_attempts_total", channel="webhook", outcome="delivered") == 1)
        # Server processes sample their gauges once a second.
        wait_until(lambda: total(scraped(of_server), "database_pool_connections", state="idle") > 0)
        wait_until(lambda: "kumanda_replica_is_read" in names(scraped(of_server)))
        yield Scrapes(_complete(of_server), scraped(port), people)


def _call(server: Server, status: int, *args: Any, **options: Any) -> None:
    """Send a call again while it is refused: a busy machine of tests may be too slow for it."""

    def answered() -> int:
        found = server.call(*args, **options).status
        return 0 if found == 503 else found

    assert wait_until(answered) == status


def _complete(port: int) -> list[Sample]:
    """A scrape for which all parts could be read from the database in time."""

    def complete() -> list[Sample]:
        found = scraped(port)
        return found if total(found, "readings_ok") == len(settings.METRICS_READINGS) else []

    return wait_until(complete)
