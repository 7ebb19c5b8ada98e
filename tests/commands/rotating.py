"""Two hosts behind a proxy, whose keys are rotated while clients call: nobody may be refused."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from tests.patience import wait_until
from tests.servers import Answer, Server, running_server

CLIENTS = 2

type Call = Callable[["Hosts"], Answer]


class Hosts:
    """The servers that a proxy would call. Each call goes to one of them by chance."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, tuple[Server, AbstractContextManager[Server]]] = {}
        self._calls: Counter[int] = Counter()  # by port, under way
        self._lock = threading.Lock()
        self._chance = random.Random(52)

    def restart(self, name: str, environment: dict[str, str]) -> None:
        """Start the host with this environment, and stop the one of that name when its calls have been answered."""
        starting = running_server(workers=1, **environment)
        server = self._stack.enter_context(starting)
        with self._lock:
            before = self._running.get(name)
            self._running[name] = server, starting
        if before is not None:
            old, running = before
            wait_until(lambda: self._calls[old.port] == 0)
            running.__exit__(None, None, None)

    def call(self, method: str, path: str, **options: Any) -> Answer:
        with self._lock:
            server = self._chance.choice(sorted(self._running.items()))[1][0]
            self._calls[server.port] += 1
        try:
            return server.call(method, path, **options)
        finally:
            with self._lock:
                self._calls[server.port] -= 1


class Clients:
    """What was answered, by the name of the call, and what was refused."""

    def __init__(self, hosts: Hosts, calls: dict[str, Call]) -> None:
        self.calls = calls
        self.answered: Counter[str] = Counter()
        self.refused: list[tuple[str, int, bytes]] = []
        self._hosts = hosts
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def call_until_the_end(self) -> None:
        while not self._ended.is_set():
            for name, call in list(self.calls.items()):
                answer = call(self._hosts)
                with self._lock:
                    self.answered[name] += 1
                    if answer.status not in (200, 201):
                        self.refused.append((name, answer.status, answer.body[:300]))

    def wait_for_some(self, each: int = 3) -> None:
        """Return when each call was answered some more times, so that both hosts were likely asked."""
        before = Counter(self.answered)
        wait_until(lambda: all(self.answered[name] - before[name] >= each for name in self.calls))

    def end(self) -> None:
        self._ended.set()


@contextmanager
def calling(hosts: Hosts, calls: dict[str, Call]) -> Iterator[Clients]:
    clients = Clients(hosts, calls)
    threads = [threading.Thread(target=clients.call_until_the_end) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        clients.end()
        for thread in threads:
            thread.join()


class RefreshingClient:
    """One app that refreshes its tokens in each call."""

    def __init__(self, refresh_token: str) -> None:
        self._token = refresh_token
        self._lock = threading.Lock()

    def __call__(self, hosts: Hosts) -> Answer:
        with self._lock:
            answer = hosts.call("POST", "/api/v1/auth/refresh", body={"refreshToken": self._token})
            if answer.status == 200:
                pair = answer.json()["data"]
                self._token = pair["refreshToken"]
                return hosts.call("GET", "/api/v1/users/me", token=pair["accessToken"])
            return answer


def one_at_a_time(call: Call) -> Call:
    """Two at once with one Idempotency-Key are refused, whatever the keys of the service are."""
    lock = threading.Lock()

    def locked(hosts: Hosts) -> Answer:
        with lock:
            return call(hosts)

    return locked
