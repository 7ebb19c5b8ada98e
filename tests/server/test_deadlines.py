"""A call ends in time whatever it waits for: all its waits have one deadline."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.backends import waiting_locks
from tests.conftest import make_user, token_of
from tests.patience import wait_until
from tests.poolers import environment_behind, needs_pgbouncer, pgbouncer
from tests.server.test_waits import LONGEST_ANSWER, Timed, locked_table
from tests.servers import Server, running_server
from tests.streams import make_stream, stream_url

# A change of a stream needs them in this order, each in a statement of its own.
TABLES = ("accounts_session", "livestreams_livestream", "common_auditentry")
EACH = 1.3  # seconds for which the call waits for each but the last
# So that no other limit ends the waits.
PATIENT = {"DATABASE_STATEMENT_SECONDS": "60", "DATABASE_LOCK_SECONDS": "60"}

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def patient_server(*, is_pooled: bool) -> Iterator[Server]:
    with ExitStack() as stack:
        environment = dict(PATIENT)
        if is_pooled:
            environment |= environment_behind(stack.enter_context(pgbouncer(connect_query="SELECT 1")))
        yield stack.enter_context(running_server(workers=1, **environment))


@pytest.mark.parametrize("is_pooled", [False, pytest.param(True, marks=needs_pgbouncer)])
def test_a_call_that_waits_for_one_lock_after_the_other_ends_in_time_and_changes_nothing(is_pooled: bool) -> None:
    creator = make_user("creator")
    stream, token = make_stream(creator), token_of(creator)
    with patient_server(is_pooled=is_pooled) as server, ThreadPoolExecutor(1) as threads:

        def change() -> Timed:
            return Timed([lambda: server.call("PATCH", stream_url(stream), token=token, body={"durationGoal": 60})])

        with ExitStack() as locks:
            locked = [locks.enter_context(ExitStack()) for _ in TABLES]
            for lock, table in zip(locked, TABLES, strict=True):
                lock.enter_context(locked_table(table, seconds=120))
            changing = threads.submit(change)
            for lock, table in zip(locked[:-1], TABLES, strict=False):
                # On a slow machine its time may be over before it needs the second table.
                wait_until(lambda table=table: is_awaited(table) or changing.done())  # type: ignore[misc]
                time.sleep(EACH)
                lock.close()
            refused = changing.result()  # the last table is still locked

        assert refused.statuses == {503: 1}
        refused.assert_unavailable_in_the_envelope()
        assert refused.longest < LONGEST_ANSWER
        wait_until(lambda: not is_awaited(TABLES[-1]))
        before = stream.duration_goal
        stream.refresh_from_db()
        assert stream.duration_goal == before != 60
        assert change().statuses == {200: 1}


def is_awaited(table: str) -> bool:
    return waiting_locks(f"relation = '{table}'::regclass") > 0
