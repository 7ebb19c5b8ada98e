"""The doctor's checks of the replica, named in `settings.DOCTOR_CHECKS`."""

import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import Error, connection, connections
from django.db.migrations.recorder import MigrationRecorder

from common.doctor import Finding, error, warning
from common.error_texts import first_line
from common.replica.checks import REPLICA, NotAReplica, identity_of, refuse_other_server, replayed_by
from common.replica.last_writes import position_of_primary
from common.replica.state import is_configured

BETWEEN_LOOKS = 0.1  # seconds
LONGEST_LOOK = 5  # seconds


def examine() -> Iterator[Finding]:
    if not is_configured():
        return
    replica = connections[REPLICA].copy()
    replica.settings_dict["POOL_SIZE"] = 0  # a new connection
    try:
        yield from _examine(replica)
    except NotAReplica as problem:
        yield error(
            "replica_not_usable",
            f"The server of DATABASE_REPLICA_URL is not read: {problem}.",
            "Let DATABASE_REPLICA_URL name a streaming replica of the server of DATABASE_URL, or unset it. A promoted "
            "replica is a primary: see Failover in docs/replica.md.",
        )
    except Error as problem:
        yield warning(
            "replica_unreachable",
            f"The replica does not answer, so lists are read from the primary: {first_line(problem)}",
            "Start it, or correct DATABASE_REPLICA_URL: its host, port, user, password and name.",
        )
    finally:
        replica.close()


def _examine(replica: Any) -> Iterator[Finding]:
    replayed_by(replica)
    refuse_other_server(identity_of(connection), identity_of(replica))
    # With 0 it is not read yet, but it should be able to follow.
    most = settings.DATABASE_REPLICA_MAX_LAG_SECONDS or LONGEST_LOOK
    if _lag(replica, most=most) is None:
        yield warning(
            "replica_late",
            f"The replica has not replayed within {most} seconds what the primary had written, so lists are read from "
            "the primary.",
            "On the replica, look at pg_stat_wal_receiver (is it connected?), pg_get_wal_replay_pause_state() and "
            "max_standby_streaming_delay (does a long query delay it?); on the primary, at pg_stat_replication.",
        )
    elif missing := _migrations(connection) - _migrations(replica):
        yield error(
            "replica_schema_differs",
            f"The database of DATABASE_REPLICA_URL lacks {len(missing)} migrations of the primary, although it has "
            "replayed everything: it is another database of that server.",
            "Correct the name of the database in DATABASE_REPLICA_URL.",
        )


def _lag(replica: Any, *, most: float) -> float | None:
    """How many seconds the replica takes to replay what the primary has written by now; None for more than `most`."""
    begin = time.monotonic()
    position = position_of_primary()
    while replayed_by(replica) < position:
        if time.monotonic() - begin > most:
            return None
        time.sleep(BETWEEN_LOOKS)
    return time.monotonic() - begin


def _migrations(server: Any) -> set[tuple[str, str]]:
    return set(MigrationRecorder(server).applied_migrations())
