"""Two hosts behind the proxy are restarted one after the other while they are used: no call fails."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings

from tests.conftest import make_user
from tests.load import PLENTY, load, mixed_calls
from tests.nginx import BEHIND, Proxy, needs_nginx, running_proxy
from tests.servers import free_port, serving

pytestmark = [needs_nginx, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
RATE = 80
# In production 15 seconds, and 10 for idle connections of the proxy. In the same relation, so that the test is shorter.
DRAIN = {"DRAIN_SECONDS": "6", **PLENTY}
IDLE = {"keepalive_timeout 10s;": "keepalive_timeout 4s;"}


def test_hosts_that_are_restarted_one_after_the_other_fail_no_call(tmp_path: Path) -> None:
    sent = mixed_calls(make_user("creator"), make_user("viewer"))
    with ExitStack() as running:
        ports = [free_port(), free_port()]
        servers = [running.enter_context(serving(port, settings.BASE_DIR, BEHIND | DRAIN)) for port in ports]
        proxy: Proxy = running.enter_context(running_proxy(tmp_path, ports, IDLE))
        with load(proxy.connect, sent, rate=RATE) as made:
            time.sleep(2)
            for server in servers:
                server.stop()
                running.enter_context(serving(server.port, settings.BASE_DIR, BEHIND | DRAIN))
                time.sleep(2)
            # Both were restarted, and serve again.
            before = made.answers[200]
            time.sleep(2)

    assert set(made.answers) == {200}, (made.answers, (tmp_path / "error.log").read_text()[-2_000:])
    assert made.answers[200] > before + RATE
    assert made.answers[200] > 15 * RATE
