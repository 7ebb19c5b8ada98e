"""Behind a proxy: an answer before the body has been read must not break the connection of proxy and server."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.attack.proxy import NGINX, nginx_before
from tests.conftest import make_user, token_of
from tests.servers import Server, running_server

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx, from the Debian package nginx-light")


@pytest.mark.django_db(transaction=True)
def test_refused_calls_with_large_bodies_do_not_become_502_nor_harm_others() -> None:
    creator = make_user("creator")
    token = token_of(creator)

    def refused(proxy: Server, size: int) -> int:
        body = {"title": "x" * size}
        return proxy.call("POST", "/api/v1/live-stream/create", token="made-up", body=body).status

    def ordinary(proxy: Server) -> int:
        return proxy.call("GET", "/api/v1/users/me", token=token).status

    with running_server(workers=2) as server, nginx_before(server.port) as port:
        proxy = Server(port)
        with ThreadPoolExecutor(16) as pool:
            bad = [pool.submit(refused, proxy, size) for size in [60_000, 100_000] * 100]
            good = [pool.submit(ordinary, proxy) for _ in range(500)]
            too_large = proxy.call("POST", "/api/v1/auth/login", body={"username": "x" * 1_500_000})

        assert Counter(each.result() for each in bad) == {401: 100, 413: 100}
        assert Counter(each.result() for each in good) == {200: 500}
        assert too_large.status == 413
