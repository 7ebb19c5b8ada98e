"""Where the rotation of each key stands, over all processes."""

import socket
from typing import NamedTuple

from django.conf import settings

from common.clock import database_time
from common.models import RunningProcess
from common.secret_keys import fingerprints, lasting, reencrypting
from common.secret_keys.fingerprints import NAMES, KeySet
from common.secret_keys.running import processes
from common.secret_keys.stages import Member, Standing, standing


class Overview(NamedTuple):
    """`waiting` is the number of values that need an old SECRET_KEY."""

    processes: list[RunningProcess]
    standings: list[Standing]
    waiting: int


def overview(command: str) -> Overview:
    """`command` is the one that asks. Its own keys count, because it may run on a host without a server."""
    running = processes()
    own = {name: KeySet.stored(noted) for name, noted in fingerprints.own().items()}
    waiting = reencrypting.waiting() + lasting.missing() if settings.SECRET_KEY_FALLBACKS else 0
    found = [
        standing(
            name,
            [
                *(Member(str(row), KeySet.stored(row.keys[name])) for row in running if name in row.keys),
                Member(f"{socket.gethostname()} ({command})", own[name]),
            ],
            waiting=waiting if name == "SECRET_KEY" else 0,
            now=database_time(),
        )
        for name in NAMES
    ]
    return Overview(running, found, waiting)
