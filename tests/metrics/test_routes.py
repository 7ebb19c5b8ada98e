"""The label `route`: a template for each address, the same for whatever clients send, and room for all of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from prometheus_client.mmap_dict import mmap_key

from common.metrics.files import SIZES
from common.server.measuring import REQUESTS, SECONDS, template_of
from tests.metrics.scraping import measured_server, scraped, total

LONGEST_METHOD, METHODS, STATUSES = "DELETE", 2, 6  # of one route, on average more than there are
NUMBERS = 24  # bytes of an entry beside its key and its padding


def routes(resolver: Any, before: str = "") -> Iterator[str]:
    for each in resolver.url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, route)
        else:
            assert isinstance(each, URLPattern)
            yield route


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("api/v1/live-stream/<str:id>/cancel", "/api/v1/live-stream/{id}/cancel"),
        ("admin/bans/livestreamban/<path:object_id>/change/", "/admin/bans/livestreamban/{object_id}/change/"),
        ("admin/(?P<url>.*)$", "/admin/{url}"),
        ("^api/.*$", "/api/.*"),
        ("", "/"),
        ("/media/<name>", "/media/{name}"),
        ("unmatched", "unmatched"),
    ],
)
def test_a_route_becomes_a_template(route: str, template: str) -> None:
    assert template_of(route) == template


def size_of(name: str, sample: str, labels: dict[str, str], about: str) -> int:
    key = mmap_key(name, sample, list(labels), list(labels.values()), about)
    return len(key) + 8 + NUMBERS


def test_the_reserved_files_have_room_for_all_routes() -> None:
    found = {template_of(route) for route in routes(get_resolver())}
    assert len(found) > 150
    counters = histograms = 0
    for route in found:
        labels = {"route": route, "method": LONGEST_METHOD}
        name = f"{settings.METRICS_PREFIX}_{REQUESTS.name}"
        counters += METHODS * STATUSES * size_of(name, name, labels | {"status": "200"}, REQUESTS.about)
        name = f"{settings.METRICS_PREFIX}_{SECONDS.name}"
        entry = size_of(name, f"{name}_bucket", labels | {"le": "0.0025"}, SECONDS.about)
        histograms += METHODS * (len(SECONDS.buckets) + 2) * entry
    assert counters < SIZES["counter"]
    assert histograms < SIZES["histogram"]


@pytest.mark.django_db(transaction=True)
def test_addresses_and_methods_that_clients_invent_make_no_series() -> None:
    with measured_server(workers=1) as (server, port):
        before = len(scraped(port))
        for number in range(30):
            assert server.call("GET", f"/nothing/{number}").status == 404
            assert server.call("GET", f"/api/v1/nothing/{number}").status == 404
            assert server.call("GET", f"/api/v1/live-stream/{number:024x}").status == 401
            assert server.call("GET", f"/media/{number}.webp").status == 404
            assert server.call("GET", f"/static/{number}.css").status == 404
            assert server.call(f"METHOD{number}", "/api/v1/live-stream/upcoming").status in {401, 405}
        samples = scraped(port)
        assert len(samples) - before < 150
        assert total(samples, "http_requests_total", route="/api/v1/live-stream/{id}", status="401") == 30
        assert total(samples, "http_requests_total", route="/media/{name}", status="404") == 30
        assert total(samples, "http_requests_total", route="/static/{path}", status="404") == 30
        assert total(samples, "http_requests_total", method="other") == 30
        assert not [sample for sample in samples if "METHOD" in str(sample) or "nothing" in str(sample)]
