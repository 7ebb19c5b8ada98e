"""Checking the replica, twice a second in a thread of each process that reads it."""

import logging
import os
import threading
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple

from django.db import Error, connection, connections

from common.error_texts import first_line
from common.postgres.faults import close_after, is_unavailable
from common.replica.last_writes import position_of_primary
from common.replica.state import CHECK_SECONDS, STATE

logger = logging.getLogger(__name__)

REPLICA = "replica"  # of settings.DATABASES

# A server that was promoted has another timeline, which its replicas follow.
_IDENTITY = """
    SELECT system.system_identifier,
        greatest((SELECT timeline_id FROM pg_control_checkpoint()), recovery.min_recovery_end_timeline)
    FROM pg_control_system() AS system, pg_control_recovery() AS recovery
"""
_REPLAYED = """
    SELECT pg_is_in_recovery(), pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint
"""


class NotAReplica(Exception):
    """The server must not be read, although it answers."""


class Identity(NamedTuple):
    """Which server it is. Servers with different identities have different data."""

    system: int
    timeline: int


def identity_of(server: Any) -> Identity:
    """`server` is a connection of Django."""
    with server.cursor() as cursor:
        cursor.execute(_IDENTITY)
        return Identity(*cursor.fetchone())


def replayed_by(server: Any) -> int:
    """The position up to which the replica has replayed. Raises NotAReplica for a server that is not in recovery."""
    with server.cursor() as cursor:
        cursor.execute(_REPLAYED)
        is_in_recovery, position = cursor.fetchone()
    if not is_in_recovery:
        raise NotAReplica("it is not a replica any more: it was promoted, or DATABASE_REPLICA_URL names a primary")
    if position is None:
        raise NotAReplica("it has replayed nothing yet")
    replayed: int = position
    return replayed


def refuse_other_server(primary: Identity, replica: Identity) -> None:
    """Raises NotAReplica."""
    if primary.system != replica.system:
        raise NotAReplica("it is a replica of another server than that of DATABASE_URL")
    if primary.timeline != replica.timeline:
        raise NotAReplica(
            f"it follows timeline {replica.timeline}, and the primary is on {primary.timeline} since it was promoted"
        )


class Checker:
    """Keeps `STATE` up to date. The thread begins with the first read that may use the replica, so after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._logged: str | None = None

    def start(self) -> None:
        """Start the thread if it does not run in this process."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                STATE.forget("it has not been checked yet")
                self._stopped = threading.Event()
                self._thread = threading.Thread(target=self._run, name="replica", daemon=True)
                self._thread.start()
                self._pid = os.getpid()

    def stop(self) -> None:
        """Stop the thread and wait for its end. For tests."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._pid = 0
        STATE.forget("it is not checked any more")

    def forget_after_fork(self) -> None:
        self._lock = threading.Lock()

    def _run(self) -> None:
        while not self._stopped.is_set():
            # Whatever happens, the next check may succeed; without checks the replica is not read.
            try:
                self.check()
            except Exception as error:
                STATE.leave_out(f"it cannot be checked: {first_line(error)}")
                self._log(with_trace=True)
            self._stopped.wait(CHECK_SECONDS)
        connections.close_all()

    def check(self) -> None:
        """Check once, and log what has changed."""
        try:
            self._check()
        finally:
            # Connections of a pool return to it, and others are closed when they are old.
            for server in (connection, connections[REPLICA]):
                server.close_if_unusable_or_obsolete()
        self._log()

    def _check(self) -> None:
        at = monotonic()
        try:
            primary = position_of_primary()
            identity = identity_of(connection)
        except Error as error:
            close_after(error, connection)
            if not is_unavailable(error):
                raise
            # What was known of the replica stays true, and gets old.
            logger.debug("the primary does not answer the check of the replica: %s", error)
            return
        replica = connections[REPLICA]
        try:
            replayed = replayed_by(replica)
            refuse_other_server(identity, identity_of(replica))
        except NotAReplica as error:
            STATE.forget(str(error))
        except Error as error:
            STATE.leave_out(f"it does not answer: {first_line(error)}")
            close_after(error, replica)
        else:
            STATE.confirm(at=at, primary=primary, replica=replayed)

    def _log(self, *, with_trace: bool = False) -> None:
        problem = STATE.report().problem
        if problem == self._logged:
            return
        if problem is None:
            logger.info("the replica is read")
        else:
            logger.warning("the replica is not read: %s", problem, exc_info=with_trace)
        self._logged = problem


CHECKER = Checker()
os.register_at_fork(after_in_child=CHECKER.forget_after_fork)


def readiness(now: datetime) -> dict[str, Any]:
    """What `/readyz` reports about the replica to operators. Runs no statement."""
    CHECKER.start()
    problem, lag = STATE.report()
    return {"isRead": problem is None, "lagSeconds": None if lag is None else round(lag, 1), "problem": problem}
