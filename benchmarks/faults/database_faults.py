"""Faults of the database, its replica and the pooler. Each returns when its cause is gone."""

import time
from contextlib import ExitStack, suppress

import psycopg

from benchmarks.faults.installation import SERVICE, Installation
from benchmarks.faults.postgres import Postgres


def restarted(place: Installation, _seconds: float) -> None:
    place.primary.stop("fast")
    place.primary.start()


def crashed(place: Installation, _seconds: float) -> None:
    """With crash recovery."""
    place.primary.stop("immediate")
    place.primary.start()


def gone(place: Installation, seconds: float) -> None:
    place.primary.stop("fast")
    time.sleep(seconds)
    place.primary.start()


def hung(place: Installation, seconds: float) -> None:
    with place.primary.suspended():
        time.sleep(seconds)


def connections_exhausted(place: Installation, seconds: float) -> None:
    """Somebody else takes every connection that is free or becomes free, after those of the service were closed."""
    with ExitStack() as stack:
        until = time.monotonic() + seconds
        close_all(place.primary)
        while time.monotonic() < until:
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(place.primary.connect(user=SERVICE))
            time.sleep(0.1)


def close_all(server: Postgres) -> None:
    """The server closes the connections of all clients."""
    server.value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def table_locked(place: Installation, seconds: float) -> None:
    with place.primary.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE livestreams_livestream IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


# --- the replica ----------------------------------------------------------------------------------


def replica_late(place: Installation, seconds: float) -> None:
    """It answers, and applies no changes."""
    replica = _replica(place)
    replica.value("SELECT pg_wal_replay_pause()::text")
    time.sleep(seconds)
    replica.value("SELECT pg_wal_replay_resume()::text")


def replica_cut(place: Installation, seconds: float) -> None:
    replica = _replica(place)
    replica.kill()
    time.sleep(seconds)
    replica.start()


def replica_promoted(place: Installation, seconds: float) -> None:
    """By mistake, while the primary goes on: it answers, and never gets another change. Then it is made anew."""
    replica = _replica(place)
    replica.promote()
    time.sleep(seconds)
    replica.stop("immediate")
    place.replica = place.primary.copied(replica.data, replica.port)
    place.replica.start()


def failover(place: Installation, _seconds: float) -> None:
    """The machine of the primary is gone, and the replica takes its place and its address.

    Replication is synchronous before that, as it must be if no acknowledged write may be lost.
    """
    replica = _replica(place)
    with place.primary.connect() as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'replica'")
        connection.execute("SELECT pg_reload_conf()")
    _await_synchronous(place.primary)
    place.primary.kill()
    replica.promote()
    replica.moved(place.primary.port)
    with replica.connect() as connection:
        connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        connection.execute("SELECT pg_reload_conf()")
    place.primary, place.replica = replica, None


def _await_synchronous(primary: Postgres) -> None:
    for _ in range(100):
        if primary.value("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"):
            # Writes that were acknowledged before that are sent, too.
            time.sleep(1.0)
            return
        time.sleep(0.1)
    raise RuntimeError("the replica did not become synchronous")


def _replica(place: Installation) -> Postgres:
    assert place.replica is not None, "it has taken the place of the primary"
    return place.replica


# --- the pooler -----------------------------------------------------------------------------------


def pooler_killed(place: Installation, _seconds: float) -> None:
    place.pooler.kill()
    time.sleep(1.0)  # until it is restarted by its supervisor
    place.pooler.start()
