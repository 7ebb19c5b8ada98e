"""All faults, in the order in which they are tried."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.faults import database_faults, program_faults
from benchmarks.faults.installation import Installation


@dataclass(frozen=True)
class Fault:
    """`run` causes the fault for `seconds`, and returns when its cause is gone.

    With `cuts`, calls that a killed process had accepted may end without an answer, at most `cuts` of them each time,
    and its connections may wait until it is replaced. `needs` says what the machine lacks for it, if anything.
    """

    name: str
    title: str
    run: Callable[[Installation, float], None]
    seconds: float = 0.0
    times: int = 1
    cuts: int = 0
    needs: Callable[[Installation], str] = lambda _place: ""


def _calm(_place: Installation, seconds: float) -> None:
    """What the load itself does."""
    time.sleep(seconds)


def _needs_faketime(_place: Installation) -> str:
    return "" if program_faults.FAKETIME else "needs libfaketime (the package faketime)"


def _needs_mount(place: Installation) -> str:
    return "" if place.pictures else "needs root, to mount a small disk"


FAULTS = (
    Fault("calm", "no fault", _calm, seconds=5),
    Fault("restart", "database restarted", database_faults.restarted),
    Fault("crash", "database crashed and restarted", database_faults.crashed),
    Fault("gone", "database gone for 60 s", database_faults.gone, seconds=60),
    Fault("hung", "database hung for 30 s", database_faults.hung, seconds=30),
    Fault("exhausted", "no free connection for 10 s", database_faults.connections_exhausted, seconds=10),
    Fault("locked", "table locked for 30 s", database_faults.table_locked, seconds=30),
    Fault("late-replica", "replica late for 10 s", database_faults.replica_late, seconds=10),
    Fault("cut-replica", "replica killed, back after 5 s", database_faults.replica_cut, seconds=5),
    Fault("promoted-replica", "replica promoted by mistake", database_faults.replica_promoted, seconds=5),
    Fault("pooler", "pooler killed, twice", database_faults.pooler_killed, times=2),
    Fault("process", "process of a server killed, twice", program_faults.server_process_killed, times=2, cuts=20),
    Fault("server", "server killed, twice", program_faults.server_killed, times=2, cuts=40),
    Fault("worker", "worker killed, twice", program_faults.worker_killed, times=2),
    Fault("pictures", "disk of pictures full", program_faults.picture_disk_full, seconds=6, needs=_needs_mount),
    Fault("logs", "disk of logs full, log pipe not read", program_faults.log_disk_full, seconds=12),
    Fault("clock", "clock of a worker 30 min fast", program_faults.worker_clock_fast, 12, needs=_needs_faketime),
    Fault("sigterm", "SIGTERM to servers, one by one", program_faults.servers_terminated),
    Fault("sigterm-worker", "SIGTERM to workers, one by one", program_faults.workers_terminated),
    Fault("sighup", "SIGHUP to servers, one by one", program_faults.servers_reloaded, seconds=6),
    Fault("failover", "primary lost, replica takes its place", database_faults.failover),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
